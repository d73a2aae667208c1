"""Loopback ports: which are free, and which one a component should take."""

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.waiting import wait_until

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
_RELEASE_SECONDS = 1.0
"""How long a killed program's port stays taken at most: the system frees its memory first."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As Go's listeners do: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def becomes_free(port: int) -> bool:
    """Whether a port is free now or in a moment, as that of a program that was just killed is."""
    return wait_until(lambda: is_free(port), _RELEASE_SECONDS)


def free_ports(count: int) -> list[int]:
    """That many different free ports, chosen by the operating system."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [cast("int", probe.getsockname()[1]) for probe in probes]


def choose(
    names: Iterable[str], listening: Mapping[str, int], preferred: Mapping[str, int]
) -> dict[str, int]:
    """A port for every name: the one it listens on, else its preferred one if free, else a new one.

    Args:
        names: What needs a port.
        listening: Ports that our own live processes hold.
        preferred: Ports of an earlier start.
    """
    chosen: dict[str, int] = {}
    for name in names:
        wish = preferred.get(name)
        if name in listening:
            chosen[name] = listening[name]
        elif wish is not None and wish not in chosen.values() and becomes_free(wish):
            chosen[name] = wish
    missing = [name for name in names if name not in chosen]
    return chosen | dict(zip(missing, free_ports(len(missing)), strict=True))


def remembered(path: Path) -> dict[str, int]:
    """The ports of an earlier start; empty when there are none or the file is damaged."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    entries = cast("dict[str, object]", content)
    return {name: port for name, port in entries.items() if isinstance(port, int)}


def fixed_port(text: str | None) -> int | None:
    """The port that the user asks for, as given on the command line or in the environment.

    Args:
        text: A number, or nothing for any free port.

    Raises:
        ControlPlaneError: It is no port number.
    """
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= HIGHEST_PORT:
        raise ControlPlaneError(
            f"API port {text!r} is not a port: choose one from 1 to {HIGHEST_PORT}, or leave"
            " --api-port and INFERENCE_API_PORT away to get a free one."
        )
    return int(text)


def check_fixed(port: int, listening: int | None) -> None:
    """Refuse a port that the user asked for and that someone else holds.

    Args:
        port: The wish.
        listening: The port that our own API server holds now, if any.

    Raises:
        ControlPlaneError: It is taken.
    """
    if port != listening and not becomes_free(port):
        raise ControlPlaneError(
            f"Port {port} on {LOOPBACK} is already taken by another program: stop that program,"
            " choose another port with --api-port or INFERENCE_API_PORT,"
            " or leave both away to get a free one. Nothing was started."
        )
