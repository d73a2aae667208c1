"""The real Redis on loopback, which can be stopped, killed and started again."""

import contextlib
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.serving.processes import ServerError, free_port

_READY_SECONDS = 30
"""It is up in 0.05 s on an idle machine."""


@dataclass
class Redis:
    """A server that keeps nothing on disk, as the one of a rate limiter may be.

    Attributes:
        program: The server's program.
        folder: Its files.
        port: Its loopback port, the same after every start.
        password: Of everybody.
    """

    program: Path
    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Socket that other networks of this machine reach it by."""
        return self.folder / "socket"

    @property
    def host(self) -> str:
        """Its address without the port."""
        return "127.0.0.1"

    def start(self) -> None:
        """Start it, empty, and wait until it answers.

        Raises:
            ServerError: It ended, or did not answer in time.
        """
        config = self.folder / "redis.conf"  # a password in the arguments could be seen by all
        lines = (
            f"bind {self.host}",
            f"port {self.port}",
            f"unixsocket {self.socket}",
            f"requirepass {self.password}",
            'save ""',
        )
        config.write_text("\n".join((*lines, f"dir {self.folder}")) + "\n", encoding="utf-8")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [self.program, config],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while self.ask("PING") != "+PONG":
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"Redis did not start.\n{self.log.read_text('utf-8')}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as an administrator does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *words: str) -> str | None:
        """The first line of its answer to a command; None where nobody listens.

        Args:
            words: The command.
        """
        lines = f"AUTH {self.password}\r\n{' '.join(words)}\r\n"
        with (
            contextlib.suppress(OSError),
            socket.create_connection((self.host, self.port), timeout=5) as connection,
            connection.makefile("rb") as answers,
        ):
            connection.sendall(lines.encode())
            answers.readline()
            return answers.readline().decode().strip()
        return None

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.folder / "log"


@contextmanager
def redis_server(program: Path) -> Generator[Redis]:
    """Run an empty server; nothing of it is left afterwards.

    Args:
        program: The server's program.
    """
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = Redis(program, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()
