"""`make bench-gateway`: what the gateway of production adds to an engine's answers.

Engine and gateways are asked in turn, and the medians of one run are held against each other. The
gateway is the real LiteLLM as rendered, on the real PostgreSQL and Redis, asked with the key of a
team that has a budget and limits. Each setting is tried alone, beside what is rendered.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from tests.serving import quick_engine
from tests.serving.admin import Admin
from tests.serving.engine_pods import Variant as Engine
from tests.serving.engine_pods import running_engine, write_tiny_models
from tests.serving.environments import python_of
from tests.serving.gateway_variants import VARIANTS, Variant, traced
from tests.serving.gateways import running_gateway
from tests.serving.processes import Server, clean_environment, free_port, running
from tests.serving.stacks import MASTER_KEY
from tests.serving.states import State, running_home
from tests.serving.stopwatch import Effort, Target, Times, times
from tests.serving.stores import stores

QUICK, REAL = "an engine that answers at once", "vLLM on a CPU with a tiny model"
OVERHEAD = ("before", "whole answer", "first token", "whole stream", "answers/s")
SETTINGS = ("setting", *OVERHEAD[1:], "CPU an answer", "memory")
_MODEL, _SOURCE = "akko-coder", "Qwen/Qwen2.5-7B-Instruct"
_RENDERED = Variant("as rendered")
_AT_ONCE = 3
"""Settings that are tried beside each other; a gateway takes 1 GB."""
_TEAM = {"max_budget": 1e6, "budget_duration": "30d", "rpm_limit": 10**8, "tpm_limit": 10**11}
"""Checked and counted as a real team's are, and never reached."""


@dataclass(frozen=True)
class Place:
    """Where gateways run.

    Attributes:
        state: What they share.
        folder: For their files.
    """

    state: State
    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def gateway(self, variant: Variant, engine_url: str, collector: str) -> Generator[Server]:
        """A gateway before an engine."""
        container = variant.container()
        if variant.observability:
            environment = {**container.environment, **traced(collector)}
            container = replace(container, environment=environment)
        folder = self.folder / f"gateway-{next(self._numbers)}"
        folder.mkdir()
        with running_gateway(container, self.state, engine_url, folder) as server:
            yield server


def tenant_key(server: Server) -> str:
    """A new key of a new team with a budget and limits."""
    operator = Admin(server, MASTER_KEY)
    operator.post("/team/new", team_id="bench", team_alias="bench", models=[_MODEL], **_TEAM)
    made = operator.post("/key/generate", team_id="bench", max_parallel_requests=10_000)
    return str(made["key"])


@contextmanager
def quick(folder: Path) -> Generator[Server]:
    """The engine that answers at once."""
    port = free_port()
    with running(
        [sys.executable, quick_engine.__file__, str(port)],
        clean_environment(folder),
        port=port,
        ready_path="/health",
        log=folder / "quick-engine.log",
        within_seconds=30,
    ) as server:
        yield server


def overhead_row(name: str, engine: Times, through: Times) -> tuple[str, ...]:
    """A row of the first table: through the gateway as a multiple of the engine alone."""
    pairs = (
        (engine.whole, through.whole),
        (engine.first, through.first),
        (engine.stream, through.stream),
    )
    cells = (
        f"{much / little:.2f} x ({little * 1000:.1f} to {much * 1000:.1f} ms)"
        for little, much in pairs
    )
    rate = f"{through.rate / engine.rate:.3f} x ({engine.rate:.0f} to {through.rate:.0f})"
    return (name, *cells, rate)


def settings_row(name: str, rendered: Times, tried: Times, memory: float) -> tuple[str, ...]:
    """A row of the second table: with a setting as a multiple of what is rendered."""
    pairs = (
        (rendered.whole, tried.whole),
        (rendered.first, tried.first),
        (rendered.stream, tried.stream),
        (rendered.rate, tried.rate),
        (rendered.cpu, tried.cpu),
    )
    ratios = (ours / theirs for theirs, ours in pairs)
    return (name, *(f"{ratio:.2f} x" for ratio in (*ratios, memory)))


def print_row(cells: Sequence[str]) -> None:
    """A row as README has it."""
    print(f"| {' | '.join(cells)} |", flush=True)


def _head(names: Sequence[str]) -> None:
    print_row(names)
    print("|" + "---|" * len(names), flush=True)


def measure(
    place: Place, variants: Sequence[Variant], effort: Effort, *, real: bool = False
) -> None:
    """Print both tables.

    Args:
        place: Where to.
        variants: Settings to try.
        effort: How often is asked.
        real: Whether the real engine is started as well.
    """
    with quick(place.folder) as engine, ExitStack() as gateways:
        (rendered,) = gateways.enter_context(_started(place, [_RENDERED], engine.url))
        key, most = tenant_key(rendered), quick_engine.TOKENS
        ours = Target(rendered.url, _MODEL, key, most, rendered.process.pid)
        alone = replace(ours, url=engine.url, pid=engine.process.pid)
        _head(OVERHEAD)
        _, through = both = times([alone, ours], effort)
        print_row(overhead_row(QUICK, *both))
        if real:
            print_row(overhead_row(REAL, *_before_vllm(place, ours, effort)))
        print(
            f"\nan answer takes {through.cpu * 1000:.1f} ms of a CPU, the gateway "
            f"{ours.memory() / 2**20:.0f} MiB\n"
        )
        _head(SETTINGS)
        for start in range(0, len(variants), _AT_ONCE):
            some = variants[start : start + _AT_ONCE]
            with _started(place, some, engine.url) as servers:
                tried = [replace(ours, url=each.url, pid=each.process.pid) for each in servers]
                first, *others = times([ours, *tried], effort)
                rest = zip(some, others, tried, strict=True)
                rows = [
                    settings_row(variant.name, first, other, target.memory() / ours.memory())
                    for variant, other, target in rest
                ]
            for row in rows:
                print_row(row)


@contextmanager
def _started(place: Place, variants: Sequence[Variant], engine_url: str) -> Generator[list[Server]]:
    """Gateways before an engine that takes traces too, all ready."""
    with ExitStack() as stack:
        with ThreadPoolExecutor() as together:  # each waits for its own readiness
            starts = [place.gateway(each, engine_url, engine_url) for each in variants]
            waits = [together.submit(stack.enter_context, start) for start in starts]
        yield [wait.result() for wait in waits]


def _before_vllm(place: Place, ours: Target, effort: Effort) -> tuple[Times, Times]:
    """The engine alone, and through the gateway."""
    python = python_of("vllm")
    folder, models = place.folder / "engine", place.folder / "models"
    for each in (folder, models):
        each.mkdir()
    write_tiny_models(python, models)
    how = Engine({}, {_SOURCE: "chat"})
    with (
        running_engine(how, models, python, folder) as engine,
        place.gateway(_RENDERED, engine.url, "") as server,
    ):
        alone = replace(ours, url=engine.url, key=MASTER_KEY)
        through = replace(ours, url=server.url, pid=server.process.pid)
        first, second = times([alone, through], effort)
    return first, second


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; nothing is judged, for what is fast enough is for who reads it."""
    parser = argparse.ArgumentParser(prog="python -m tests.serving.bench_gateway")
    parser.add_argument("--only", action="append", help="a setting to try, by its name")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else its servers would stay
    chosen = [each for each in VARIANTS if each.name in (options.only or [each.name])]
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as name:
        folder = Path(name)
        (folder / "migration").mkdir()
        with running_home(stores(), folder / "migration") as home:
            measure(Place(home.fresh(), folder), chosen, Effort(), real=not options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
