"""Several replicas of the real LiteLLM on one database and one Redis."""

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.serving.gateways import write_config
from tests.serving.processes import Server, free_port, running
from tests.serving.states import State

_READY_WITHIN_SECONDS = 240
"""Two replicas on a migrated database are up in 70 s on two busy cores."""


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
