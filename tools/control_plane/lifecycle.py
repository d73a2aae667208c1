"""Start and stop a control plane: compare what should run with what runs, and mend the rest."""

import json
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from components.core.hardware import INSTANCE_TYPES
from tools.control_plane import credentials, leader_worker_sets, ports, processes, seed
from tools.control_plane.api import Api
from tools.control_plane.components import (
    API_SERVER,
    ETCD,
    EXTRA_PORTS,
    LWS,
    NEED_CRDS,
    PORT_NAMES,
    Component,
    check_binaries,
    components,
    server_url,
)
from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.instance_types import instance_types
from tools.control_plane.layout import Layout, write
from tools.control_plane.objects import base_objects
from tools.control_plane.starter import PortTakenError, Starter

_LOCK_SECONDS = 120.0
_PORT_ATTEMPTS = 3


@dataclass(frozen=True)
class ControlPlane:
    """A control plane that can be used.

    Attributes:
        home: Folder of its data, keys and logs.
        kubeconfig: For Pulumi and kubectl; mode 0600.
        context: The kubeconfig's context.
        server: URL of the API server.
    """

    home: Path
    kubeconfig: Path
    context: str
    server: str


def _silent(_line: str) -> None:
    return


def up(
    home: Path,
    binaries: Mapping[str, Path],
    crds: Sequence[Path],
    *,
    api_port: int | None = None,
    report: Callable[[str], None] = _silent,
) -> ControlPlane:
    """Make the control plane of a home run and be usable; what runs and is right stays untouched.

    Args:
        home: Folder for data, keys and logs; created when missing.
        binaries: Executables by name, see `components.NAMES`.
        crds: YAML files of the CRDs to serve.
        api_port: Port for the API server; None for any free one, or the one it has.
        report: Called with one line for every step.

    Raises:
        ControlPlaneError: A program is missing, the port is taken, the disk is full, or a
            component does not come up; the text holds the last lines of its log.
    """
    check_binaries(binaries)
    layout = Layout.of(home)
    with _locked(layout):
        for _ in range(_PORT_ATTEMPTS - 1):
            try:
                return _up(layout, binaries, crds, api_port, report)
            except PortTakenError as error:
                if api_port is not None:
                    raise
                report(f"{error} Trying other ports.")
                layout.ports.unlink(missing_ok=True)
        return _up(layout, binaries, crds, api_port, report)


def down(home: Path) -> bool:
    """Stop every process of a home and remove the folder; safe to repeat.

    Returns:
        Whether there was anything to stop or remove.

    Raises:
        ControlPlaneError: A process survives being killed, or the folder cannot be removed.
    """
    layout = Layout.of(home)
    with _locked(layout):
        running = processes.find(layout)
        existed = layout.home.exists()
        processes.stop(running)
        left = processes.find(layout)
        if left:
            pids = ", ".join(f"{entry.name} ({entry.process.pid})" for entry in left)
            raise ControlPlaneError(f"These processes cannot be stopped: {pids}.")
        if existed:
            shutil.rmtree(layout.home)
        # Last, and while it is held: who waits for it notices and waits for the next file.
        layout.lock.unlink(missing_ok=True)
    return existed or bool(running)


@contextmanager
def _locked(layout: Layout) -> Generator[None]:
    """One `up` or `down` at a time, and an operating-system error as a sentence."""
    lock = FileLock(layout.lock, timeout=_LOCK_SECONDS, mode=0o600)
    try:
        layout.lock.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            yield
    except Timeout as error:
        raise ControlPlaneError(
            f"Another command has been working on {layout.home} for {_LOCK_SECONDS:g} s:"
            " wait for it to end, or end it, and try again."
        ) from error
    except OSError as error:
        raise ControlPlaneError(
            f"Cannot write {error.filename or layout.home} ({error.strerror}): free some space or"
            " permit it, or name another folder with --home."
        ) from error


def _up(
    layout: Layout,
    binaries: Mapping[str, Path],
    crds: Sequence[Path],
    api_port: int | None,
    report: Callable[[str], None],
) -> ControlPlane:
    running = processes.find(layout)
    chosen = _choose_ports(layout, running, api_port)
    _write_files(layout, chosen)
    wanted = components(layout, binaries, chosen)
    kept = _keep(wanted, running, report)
    server = server_url(chosen)
    with Api(layout, server) as api:
        starter = Starter(layout, api, kept, report)
        etcd, api_server, *others = wanted
        starter.start(etcd)
        starter.wait(etcd)
        starter.start(api_server)
        starter.wait(api_server)
        for component in others:
            if component.name not in NEED_CRDS:
                starter.start(component)
        if seed.ensure_crds(api, crds):
            report(f"applied {len(crds)} files of CRDs")
        for component in others:
            if component.name in NEED_CRDS:
                starter.start(component)
        webhooks = leader_worker_sets.webhooks(layout, chosen[LWS])
        seed.ensure_objects(api, (*base_objects(), *webhooks))
        for component in others:
            starter.wait(component)
        seed.wait_usable(api)
    return ControlPlane(layout.home, layout.kubeconfig, credentials.CONTEXT, server)


def _choose_ports(
    layout: Layout, running: Sequence[processes.Running], api_port: int | None
) -> dict[str, int]:
    listening = {entry.name: entry.port for entry in running}
    preferred = ports.remembered(layout.ports)
    for extra, owner in EXTRA_PORTS.items():
        if owner in listening and extra in preferred:
            listening[extra] = preferred[extra]
    if api_port is not None:
        ports.check_fixed(api_port, listening.get(API_SERVER))
        listening[API_SERVER] = api_port
    return ports.choose(PORT_NAMES, listening, preferred)


def _write_files(layout: Layout, chosen: Mapping[str, int]) -> None:
    layout.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    token = credentials.ensure(layout)
    text = credentials.kubeconfig(layout.ca.read_text(), server_url(chosen), token)
    write(layout.kubeconfig, text)
    write(layout.instance_types, json.dumps(instance_types(INSTANCE_TYPES)))
    leader_worker_sets.write_files(layout, chosen[LWS])
    write(layout.ports, json.dumps(dict(chosen)))


def _keep(
    wanted: Sequence[Component],
    running: Sequence[processes.Running],
    report: Callable[[str], None],
) -> dict[str, psutil.Process]:
    """Stop what is not as wanted; return what may stay, by name."""
    fingerprints = {entry.name: processes.fingerprint(entry) for entry in wanted}
    kept: dict[str, processes.Running] = {}
    stale: list[processes.Running] = []
    for entry in running:
        if entry.fingerprint == fingerprints[entry.name] and entry.name not in kept:
            kept[entry.name] = entry
        else:
            stale.append(entry)
    if any(entry.name == ETCD for entry in stale) and API_SERVER in kept:
        stale.append(kept.pop(API_SERVER))  # it would hang without its etcd
    for entry in stale:
        report(f"stopping {entry.name}: it was started with other settings")
    processes.stop(stale)
    return {name: entry.process for name, entry in kept.items()}
