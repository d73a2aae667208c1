"""Real servers as child processes on loopback: start, wait until they answer, stop."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx


class ServerError(AssertionError):
    """A server did not start or did not stop; the text has its last lines."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: For messages.
        url: Where it answers, without a path.
        process: The process that a container would have as its first.
        log: Its output.
    """

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def terminate(self) -> None:
        """Send SIGTERM to the first process alone, as the kubelet does."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, within_seconds: float) -> int:
        """Wait for the end.

        Args:
            within_seconds: How long at most.

        Raises:
            ServerError: It is still running then.
        """
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired as error:
            raise ServerError(
                f"{self.name} still runs {within_seconds:g} s after it was told to stop.\n"
                f"{self.last_lines()}"
            ) from error

    @property
    def said(self) -> str:
        """Its output until now."""
        return self.log.read_text("utf-8", errors="replace")

    def last_lines(self) -> str:
        """The end of the log."""
        return "\n".join(self.said.splitlines()[-30:])


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(folder: Path, *layers: Mapping[str, str]) -> dict[str, str]:
    """An environment of nothing but the layers: as in a pod, nothing of the caller's leaks in.

    Absolute paths in it are moved below the folder: only a container has them to itself.

    Args:
        folder: Folder for what the process writes.
        layers: Variables; later ones win.
    """
    merged = {"HOME": "/home", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}
    for layer in layers:
        merged |= layer
    for name, value in merged.items():
        if value.startswith("/"):
            inside = folder / value.removeprefix("/")
            inside.mkdir(parents=True, exist_ok=True)
            merged[name] = str(inside)
    return merged | {"PATH": os.environ["PATH"]}


def replace_option(args: Sequence[str], option: str, value: str) -> tuple[str, ...]:
    """The arguments with one option's value replaced, written `--option=value` or as two.

    Args:
        args: The arguments.
        option: The option with its dashes.
        value: The new value.

    Raises:
        ValueError: The option is not there; a test may not invent what is not rendered.
    """
    replaced = list(args)
    for position, argument in enumerate(args):
        if argument.startswith(f"{option}="):
            replaced[position] = f"{option}={value}"
            return tuple(replaced)
        if argument == option:
            replaced[position + 1] = value
            return tuple(replaced)
    raise ValueError(f"The rendered arguments have no {option}: {' '.join(args)}")


@contextlib.contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    port: int,
    ready_path: str,
    log: Path,
    within_seconds: float,
) -> Generator[Server]:
    """Run a server from its first good answer on; nothing of it is left afterwards.

    Args:
        command: The command line.
        environment: Its whole environment.
        port: The loopback port it was told to listen on.
        ready_path: Path that answers 200 once it is ready.
        log: File for its output.
        within_seconds: How long it may take to get ready.

    Raises:
        ServerError: It ended, or did not get ready in time.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children can be ended with it
        )
    server = Server(Path(command[0]).name, f"http://127.0.0.1:{port}", process, log)
    try:
        _await_ready(server, ready_path, within_seconds)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):  # all of them have ended, as they should
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_ready(server: Server, path: str, within_seconds: float) -> None:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        code = server.process.poll()
        if code is not None:
            raise ServerError(
                f"{server.name} ended with {code} while starting.\n{server.last_lines()}"
            )
        try:
            if httpx.get(server.url + path, timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.2)
    raise ServerError(
        f"{server.name} did not answer {path} within {within_seconds:g} s.\n{server.last_lines()}"
    )
