"""What runs right now, read from the process table and the health endpoints alone."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from tools.control_plane import credentials, processes
from tools.control_plane.api import Api
from tools.control_plane.components import API_SERVER, NAMES, health_url
from tools.control_plane.layout import Layout
from tools.control_plane.lifecycle import ControlPlane

State = Literal["running", "unhealthy", "stopped"]


@dataclass(frozen=True)
class ComponentStatus:
    """One component as it is now.

    Attributes:
        name: The program.
        state: `unhealthy` means that it lives and does not answer its health endpoint with 200.
        pid: Process id, None when stopped.
        since: Local start time, to the second, None when stopped.
        port: Its port on loopback, None when stopped.
        log: File with its output.
    """

    name: str
    state: State
    pid: int | None
    since: datetime.datetime | None
    port: int | None
    log: Path


def status(home: Path) -> tuple[ComponentStatus, ...]:
    """The state of all components; starts, stops and locks nothing."""
    layout = Layout.of(home)
    running = {entry.name: entry for entry in processes.find(layout)}
    if not layout.tokens.is_file():
        # Without keys nobody can be asked for health.
        return tuple(_describe(layout, name, running.get(name), None) for name in NAMES)
    with Api(layout, server="") as api:
        return tuple(_describe(layout, name, running.get(name), api) for name in NAMES)


def connect(home: Path) -> ControlPlane | None:
    """The control plane of a home if every component is healthy, else None."""
    layout = Layout.of(home)
    parts = {part.name: part for part in status(layout.home)}
    if any(part.state != "running" for part in parts.values()):
        return None
    server = f"https://127.0.0.1:{parts[API_SERVER].port}"
    return ControlPlane(layout.home, layout.kubeconfig, credentials.CONTEXT, server)


def _describe(
    layout: Layout, name: str, running: processes.Running | None, api: Api | None
) -> ComponentStatus:
    log = layout.log(name)
    since = _since(running)
    if running is None or since is None:
        return ComponentStatus(name, "stopped", None, None, None, log)
    healthy = api is not None and api.is_healthy(health_url(name, running.port))
    state: State = "running" if healthy else "unhealthy"
    return ComponentStatus(name, state, running.process.pid, since, running.port, log)


def _since(running: processes.Running | None) -> datetime.datetime | None:
    if running is None:
        return None
    try:
        created = running.process.create_time()
    except psutil.NoSuchProcess:
        return None  # ended since we looked
    return datetime.datetime.fromtimestamp(int(created)).astimezone()
