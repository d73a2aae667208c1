"""Several replicas of the real LiteLLM on one database and one Redis, and what migrates it."""

import subprocess
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving.gateways import write_config
from tests.serving.postgres import Postgres
from tests.serving.processes import Server, clean_environment, free_port, running
from tests.serving.redis_server import Redis
from tests.serving.stores import Stores

_READY_WITHIN_SECONDS = 240
"""A replica on a migrated database is up in 25 s on an idle machine, two at once in 60 s on two busy
cores."""
_MIGRATED_WITHIN_SECONDS = 300
"""213 migrations and the checks around them take 20 s on an idle machine."""


@dataclass(frozen=True)
class State:
    """What all replicas share.

    Attributes:
        stores: The programs.
        postgres: The database server.
        redis: The cache server.
        master_key: `LITELLM_MASTER_KEY`.
        salt_key: `LITELLM_SALT_KEY`.
    """

    stores: Stores
    postgres: Postgres
    redis: Redis
    master_key: str
    salt_key: str

    def environment(self, folder: Path, *layers: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a process of LiteLLM.

        Args:
            folder: Folder for what it writes.
            layers: Further variables.
        """
        own = {
            "DATABASE_URL": self.postgres.url,
            "LITELLM_MASTER_KEY": self.master_key,
            "LITELLM_SALT_KEY": self.salt_key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks GitHub for prices
            "REDIS_HOST": self.redis.host,
            "REDIS_PORT": str(self.redis.port),
            "REDIS_PASSWORD": self.redis.password,
        }
        return clean_environment(folder, own, *layers) | self.stores.environment


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


@contextmanager
def replicas(
    number: int,
    state: State,
    config: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Generator[tuple[Server, ...]]:
    """Run replicas with one configuration from the moment when all of them are ready.

    Args:
        number: How many.
        state: What they share.
        config: The configuration.
        folder: Empty folder for their files.
        environment: Further variables.
    """
    with ExitStack() as stack:
        started: list[Server] = []
        for index in range(number):
            own = folder / f"replica-{index}"
            own.mkdir()
            started.append(stack.enter_context(_starting(state, config, own, environment or {})))
        yield tuple(started)


@contextmanager
def _starting(
    state: State, config: Mapping[str, Any], folder: Path, environment: Mapping[str, str]
) -> Generator[Server]:
    port = free_port()
    there = write_config(config, folder)
    words = ("--config", str(there), "--host", "127.0.0.1", "--port", str(port))
    with running(
        [str(state.stores.litellm.parent / "litellm"), *words],
        # The database is migrated by a job of its own, not by each replica.
        state.environment(folder, {"DISABLE_SCHEMA_UPDATE": "true"}, environment),
        port=port,
        ready_path="/health/readiness",
        log=folder / "log",
        within_seconds=_READY_WITHIN_SECONDS,
    ) as server:
        yield server
