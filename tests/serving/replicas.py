"""Several replicas of the real LiteLLM on one database and one Redis, and what migrates it."""

import subprocess
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving.gateways import write_config
from tests.serving.postgres import Postgres
from tests.serving.processes import Server, clean_environment, free_port, running
from tests.serving.redis_server import Redis
from tests.serving.stores import Stores

_READY_WITHIN_SECONDS = 240
"""Two replicas on a migrated database are up in 70 s on two busy cores."""
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
        return {**clean_environment(folder, own, *layers), **self.stores.environment}


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
    *,
    hooks: Mapping[str, str] | None = None,
) -> Generator[tuple[Server, ...]]:
    """Run replicas with one configuration from the moment when all of them are ready.

    Args:
        number: How many.
        state: What they share.
        config: The configuration.
        folder: Empty folder for their files.
        environment: Further variables.
        hooks: Files that lie beside the configuration.
    """
    starts = [
        _starting(state, config, folder / f"replica-{index}", environment or {}, hooks)
        for index in range(number)
    ]
    with ExitStack() as stack:
        with ThreadPoolExecutor() as together:  # each waits for its own readiness
            waits = [together.submit(_entered, stack, start) for start in starts]
        yield tuple(wait.result() for wait in waits)


def _entered(stack: ExitStack, start: AbstractContextManager[Server]) -> Server:
    return stack.enter_context(start)


@contextmanager
def _starting(
    state: State,
    config: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str],
    hooks: Mapping[str, str] | None,
) -> Generator[Server]:
    folder.mkdir()
    port = free_port()
    there = write_config(config, folder, hooks)
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
