"""The stores of all gateways that the tests start: one server of each kind, migrated once."""

import itertools
import subprocess
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.serving.postgres import Postgres, postgres
from tests.serving.processes import clean_environment
from tests.serving.redis_server import Redis, redis_server
from tests.serving.stacks import MASTER_KEY
from tests.serving.stores import Stores
from tests.serving.tls_front import TlsFront

_TEMPLATE = "migrated"
_MIGRATED_WITHIN_SECONDS = 300
"""213 migrations and the checks around them take 80 s on two busy cores."""


@dataclass(frozen=True)
class State:
    """What all replicas share.

    Attributes:
        stores: The programs.
        postgres: The database server.
        redis: The cache server.
        master_key: `LITELLM_MASTER_KEY`.
        salt_key: `LITELLM_SALT_KEY`.
        database: Name of their database.
        redis_tls: What speaks TLS before the cache server; None where nothing does.
    """

    stores: Stores
    postgres: Postgres
    redis: Redis
    master_key: str
    salt_key: str
    database: str
    redis_tls: TlsFront | None = None

    def ask(self, sql: str) -> list[list[str]]:
        """Rows of a query, each value as text.

        Args:
            sql: The query.
        """
        return self.postgres.ask(sql, self.database)

    def environment(self, folder: Path, *layers: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a process of LiteLLM.

        Args:
            folder: Folder for what it writes.
            layers: Further variables, which do not say where the stores are.
        """
        own = {
            "DATABASE_URL": self.postgres.url(self.database),
            "LITELLM_MASTER_KEY": self.master_key,
            "LITELLM_SALT_KEY": self.salt_key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks GitHub for prices
            "REDIS_HOST": self.redis.host,
            "REDIS_PORT": str(self.redis.port),
            "REDIS_PASSWORD": self.redis.password,
            "REDIS_SSL": "False",
        }
        made = {**clean_environment(folder, *layers, own), **self.stores.environment}
        if self.redis_tls is None:
            return made
        # Whom a container trusts is in its image; here it is the one that signed for the tests.
        trusted = {"SSL_CERT_FILE": str(self.redis_tls.authority.file)}
        return {**made, "REDIS_PORT": str(self.redis_tls.port), "REDIS_SSL": "True", **trusted}


def migrate(state: State, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run LiteLLM's own command for a database job.

    Args:
        state: Where to.
        folder: Empty folder for its files.
    """
    python = state.stores.litellm
    script = "import sys; from litellm.proxy.prisma_migration import main; sys.exit(main())"
    return subprocess.run(
        [python, "-c", script],
        cwd=folder,
        env=state.environment(folder),
        capture_output=True,
        text=True,
        timeout=_MIGRATED_WITHIN_SECONDS,
        check=False,
    )


@dataclass(frozen=True)
class Home:
    """Running servers, and a migrated database that nobody uses.

    Attributes:
        state: Of the servers with that database.
        said: What its migration wrote.
    """

    state: State
    said: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self, master_key: str = MASTER_KEY) -> State:
        """A copy of the database, and an empty Redis; what came before is not to be used again.

        Args:
            master_key: Of the gateways that use it.
        """
        name = f"copy_{next(self._numbers)}"
        self.state.postgres.ask(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        assert self.state.redis.ask("FLUSHALL") == "+OK"
        return replace(self.state, master_key=master_key, database=name)


@contextmanager
def running_home(made: Stores, folder: Path) -> Generator[Home]:
    """Start the servers and migrate a database, which takes 80 s on two busy cores.

    Args:
        made: The programs.
        folder: Empty folder for files of the migration.
    """
    with postgres(made.postgres) as server, redis_server(made.redis_server) as redis:
        server.ask(f"CREATE DATABASE {_TEMPLATE}")
        state = State(made, server, redis, MASTER_KEY, "sk-salt-of-these-tests", _TEMPLATE)
        done = migrate(state, folder)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        yield Home(state, said)
