"""The real PostgreSQL on loopback, which can be stopped, killed and started again."""

import contextlib
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.serving.processes import ServerError, free_port

_USER = "litellm"
_READY_SECONDS = 30
"""It is up in 0.2 s on an idle machine."""
_STOP_SECONDS = 30
_UNSYNCED = ("fsync=off", "full_page_writes=off")
"""Nothing has to outlive the machine; a kill -9 of the server loses nothing that was committed."""


@dataclass
class Postgres:
    """A server with a data folder of its own.

    Attributes:
        programs: Folder of PostgreSQL's programs.
        folder: Its files.
        port: Its loopback port, the same after every start.
        password: Of its one user.
    """

    programs: Path
    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, host: str = "127.0.0.1", port: int = 0) -> str:
        """As `DATABASE_URL` has it.

        Args:
            database: Its name.
            host: The server's name where it is asked.
            port: The server's port there; 0 is the one out here.
        """
        return f"postgresql://{_USER}:{self.password}@{host}:{port or self.port}/{database}"

    @property
    def socket(self) -> Path:
        """Socket that other networks of this machine reach it by."""
        return self.folder / f".s.PGSQL.{self.port}"

    def create(self) -> None:
        """Make the empty data folder.

        Raises:
            ServerError: It could not be made.
        """
        secret = self.folder / "password"
        secret.write_text(self.password, encoding="utf-8")
        words = ("--auth=scram-sha-256", f"--pwfile={secret}", f"--username={_USER}", "--no-sync")
        done = subprocess.run(
            [
                *_as_user(),
                self.programs / "initdb",
                "-D",
                self._data,
                *words,
                "--locale=C",
                "-EUTF8",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        secret.unlink()
        if done.returncode:
            raise ServerError(f"initdb ended with {done.returncode}:\n{done.stderr}")

    def start(self) -> None:
        """Start it on the data that is there, and wait until it takes connections.

        Raises:
            ServerError: It ended, or took none in time.
        """
        where = (f"port={self.port}", "listen_addresses=127.0.0.1")
        where = (*where, f"unix_socket_directories={self.folder}")
        settings = [word for option in (*_UNSYNCED, *where) for word in ("-c", option)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_as_user(), self.programs / "postgres", "-D", self._data, *settings],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_ready(self._process)

    def stop(self) -> None:
        """End it as an administrator does: connections are cut, what is done is kept.

        Raises:
            ServerError: It still runs after half a minute.
        """
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"PostgreSQL does not stop.\n{self.last_lines()}") from error
        self._process = None

    def kill(self) -> None:
        """End all its processes at once, without a chance to tidy up."""
        if self._process is None:
            return
        first = psutil.Process(self._process.pid)
        everyone = [*first.children(recursive=True), first]
        for process in everyone:  # each is the leader of a group of its own
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(everyone, timeout=_STOP_SECONDS)
        self._process = None

    def ask(self, sql: str, database: str = "postgres") -> list[list[str]]:
        """Rows of a query, each value as text.

        Args:
            sql: The query.
            database: Which one is asked.

        Raises:
            ServerError: The server refused it.
        """
        done = subprocess.run(
            [self.programs / "psql", "-XAtq", "-F\t", "-v", "ON_ERROR_STOP=1", "-c", sql],
            env=os.environ
            | {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGPASSWORD": self.password}
            | {"PGUSER": _USER, "PGDATABASE": database},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"{sql}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.folder / "log"

    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-20:])

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerError(f"PostgreSQL ended while starting.\n{self.last_lines()}")
            with contextlib.suppress(ServerError):
                self.ask("SELECT 1")
                return
            time.sleep(0.05)
        raise ServerError(f"PostgreSQL takes no connections.\n{self.last_lines()}")


def _as_user() -> tuple[str, ...]:
    """PostgreSQL refuses root; in a namespace of its own root is somebody else, with its files."""
    return ("unshare", "--user", "--map-user=1000") if os.geteuid() == 0 else ()


@contextmanager
def postgres(programs: Path) -> Generator[Postgres]:
    """Run a server with an empty database; nothing of it is left afterwards.

    Args:
        programs: Folder of PostgreSQL's programs.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = Postgres(programs, Path(folder))
        server.create()
        try:
            server.start()
            yield server
        finally:
            server.kill()
