"""Find, start and stop the programs of one control plane.

What runs is never written down: every process carries its home in its environment, so the
operating system's process table is the only record, and a killed process is simply not there.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tools.control_plane.components import ETCD, NAMES, Component
from tools.control_plane.layout import Layout
from tools.control_plane.waiting import wait_until

HOME_VARIABLE = "INFERENCE_CONTROL_PLANE"
"""Environment variable that every process of a control plane carries; its value is the home."""
_COMPONENT_VARIABLE = "INFERENCE_CONTROL_PLANE_COMPONENT"
_PORT_VARIABLE = "INFERENCE_CONTROL_PLANE_PORT"
_FINGERPRINT_VARIABLE = "INFERENCE_CONTROL_PLANE_FINGERPRINT"

STOP_SECONDS = 3.0
"""How long a program may take to end by itself before it is killed, which loses nothing: etcd
writes ahead, the others hold no data. Measured: the API server 1.2 s, the others 0.1 s."""
_TAIL_LINES = 12


@dataclass(frozen=True)
class Running:
    """A live process of a control plane."""

    name: str
    port: int
    fingerprint: str
    process: psutil.Process


def find(layout: Layout) -> list[Running]:
    """All live processes of this home, whoever started them."""
    return list(_search(str(layout.home)))


def _search(home: str) -> Iterator[Running]:
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue  # another user's process, one that has just ended, or one already dead
        name = environment.get(_COMPONENT_VARIABLE, "")
        if environment.get(HOME_VARIABLE) == home and name in NAMES:
            port = int(environment.get(_PORT_VARIABLE, "0"))
            yield Running(name, port, environment.get(_FINGERPRINT_VARIABLE, ""), process)


def fingerprint(component: Component) -> str:
    """Changes whenever the program must be restarted to be what is wanted now."""
    digest = hashlib.sha256()
    binary = Path(component.argv[0]).stat()
    parts = [*component.argv, *sorted(f"{k}={v}" for k, v in component.environment.items())]
    for part in (*parts, str(binary.st_size), str(binary.st_mtime_ns)):
        digest.update(part.encode() + b"\0")
    for path in component.inputs:
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def start(component: Component, layout: Layout) -> psutil.Process | None:
    """Start a program that outlives the caller and holds none of its files.

    Returns:
        Its process, None when it has ended already.

    Raises:
        OSError: The log cannot be written.
    """
    environment = {
        "PATH": os.defpath,
        "HOME": str(layout.home),  # kwok and client-go look for files of the user's otherwise
        **component.environment,
        HOME_VARIABLE: str(layout.home),
        _COMPONENT_VARIABLE: component.name,
        _PORT_VARIABLE: str(component.port),
        _FINGERPRINT_VARIABLE: fingerprint(component),
    }
    log = layout.log(component.name)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("wb") as stream:
        # The shell ends at once, so that the program is nobody's child: no zombie in a long-lived
        # caller, and nothing that waits for it. The shell's own output is the program's pid.
        shell = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&2 & echo $!', component.name, *component.argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
            env=environment,
            cwd=layout.home,
            start_new_session=True,
            check=True,
        )
    try:
        return psutil.Process(int(shell.stdout))
    except psutil.NoSuchProcess:
        return None


def stop(running: Iterable[Running]) -> None:
    """End processes, etcd only after all others.

    Each group gets `STOP_SECONDS` to end by itself, then it is killed.
    """
    everything = list(running)
    _end([entry.process for entry in everything if entry.name != ETCD])
    _end([entry.process for entry in everything if entry.name == ETCD])


def stop_one(process: psutil.Process) -> None:
    """End one process, whatever depends on it."""
    _end([process])


def _end(group: list[psutil.Process]) -> None:
    def have_ended() -> bool:
        return not any(is_alive(process) for process in group)

    for process in group:
        _signal(process, kill=False)
    if not wait_until(have_ended, STOP_SECONDS):
        for process in group:
            _signal(process, kill=True)
        wait_until(have_ended, STOP_SECONDS)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


def is_alive(process: psutil.Process) -> bool:
    """Whether the process still runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def log_tail(layout: Layout, name: str) -> str:
    """The last lines of a program's output, for an error message."""
    try:
        lines = layout.log(name).read_text(errors="replace").splitlines()
    except OSError:
        return "(no output)"
    return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:]) or "    (no output)"
