"""The numbers that README quotes, as ratios of one run wherever two things can be compared.

Each figure is the median of several runs; what is compared runs in turn, so that a machine that
gets slower in between slows both.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from tools import control_plane, embedded_stack, stacks
from tools.control_plane import installed, processes
from tools.control_plane.layout import Layout
from tools.embedded_stack import CHECKOUT
from tools.install import engine_environment

_RUNS = 3
_MANY_MODELS = 100
_RESOURCES_A_MODEL = 13
"""Claim, two Jobs and their plan, two network policies, preflight, account, Deployment, Service and
their three components."""


@dataclass(frozen=True)
class Figure:
    """One number and what it is held against.

    Attributes:
        name: What was measured.
        value: The number.
        unit: `x` for a ratio, else `s` or `ms`.
        bound: What it must not exceed.
        how: The numbers behind it.
    """

    name: str
    value: float
    unit: str
    bound: float
    how: str

    @property
    def holds(self) -> bool:
        """Whether the number is within its bound."""
        return self.value <= self.bound


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def in_turn(*works: Callable[[], object], runs: int = _RUNS) -> list[float]:
    """Median seconds of each piece of work, run in turn after one run that is not counted."""
    for work in works:
        work()
    rounds = [[seconds(work) for work in works] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def control_plane_figures(folder: Path) -> list[Figure]:
    """From stopped processes with their data to a cluster that can be used."""
    home = folder / "control-plane"
    binaries, crds = installed.binaries(), installed.crds()

    def start() -> object:
        return control_plane.up(home, binaries, crds)

    cold = seconds(start)
    warm: list[float] = []
    for _ in range(_RUNS):
        processes.stop(processes.find(Layout.of(home)))
        warm.append(seconds(start))
    control_plane.down(home)
    value = statistics.median(warm)
    how = f"median of {_RUNS}, best {min(warm):.1f} s; with an empty data folder {cold:.1f} s"
    return [Figure("control plane ready, warm", value, "s", 5, how)]


def stack_figures(folder: Path) -> list[Figure]:
    """Deployments of dev and production, and a preview of production without a change."""
    try:
        dev = seconds(lambda: _up(folder, "dev"))
        _up(folder, "production")
        run = stacks.prepare_embedded("production", folder / "production", CHECKOUT)
        empty = _empty_program(folder / "empty", run.environ)
        options = " ".join((f"--stack={run.stack}", *run.options))
        noop, nothing = in_turn(
            lambda: _preview(CHECKOUT, run.environ, options),
            lambda: _preview(empty, run.environ, "--stack=bench"),
        )
    finally:
        for stack in ("dev", "production"):
            stacks.down(folder / stack)
    return [
        Figure("dev stack up, tools there", dev, "s", 60, "its control plane included"),
        Figure(
            "no-op preview of production against an empty program",
            noop / nothing,
            "x",
            1.5,
            f"{noop:.2f} s against {nothing:.2f} s, both under the policy pack",
        ),
    ]


def growth_figures(folder: Path) -> list[Figure]:
    """What one more model costs in a preview, and what the pack costs a resource."""
    environ = embedded_stack.environment(folder / "growth", engine_environment())
    environ["KUBECONFIG"] = "/dev/null"
    one, half, all_ = (
        _stack(folder / "growth", environ, count) for count in (1, _MANY_MODELS // 2, _MANY_MODELS)
    )

    def look(option: str, *, pack: bool = True) -> Callable[[], None]:
        return lambda: _preview(CHECKOUT, environ, option, pack=pack)

    first, middle, last, bare = in_turn(look(one), look(half), look(all_), look(all_, pack=False))
    resources = _MANY_MODELS * _RESOURCES_A_MODEL
    return [
        Figure(
            f"models {_MANY_MODELS // 2 + 1} to {_MANY_MODELS} against 2 to {_MANY_MODELS // 2}",
            (last - middle) / (middle - first),
            "x",
            1.5,
            f"previews of 1, {_MANY_MODELS // 2}, {_MANY_MODELS} models: "
            f"{first:.1f} s, {middle:.1f} s, {last:.1f} s",
        ),
        Figure(
            "policy pack, a resource",
            (last - bare) / resources * 1000,
            "ms",
            10,
            f"{resources} resources, {last:.1f} s with and {bare:.1f} s without it",
        ),
    ]


def _stack(home: Path, environ: Mapping[str, str], models: int) -> str:
    """A stack of the checkout's program with so many models; the options that choose it."""
    stack = f"models-{models}"
    shutil.copy(CHECKOUT / "Pulumi.yaml", home)
    _pulumi(home, environ, "stack", "init", stack)
    with (home / f"Pulumi.{stack}.yaml").open("a", encoding="utf-8") as file:
        yaml.safe_dump(_production(models), file)
    return f"--stack={stack} --config-file={home / f'Pulumi.{stack}.yaml'}"


def _production(models: int) -> dict[str, Any]:
    """The production stack file with its one model repeated."""
    config = yaml.safe_load((CHECKOUT / "Pulumi.production.yaml").read_text("utf-8"))["config"]
    platform = config["inference:platform"]
    model = platform["models"].pop("akko-coder")
    platform["node_pools"]["l4"]["max_gpus"] = models + 1
    platform["gateway"]["model_aliases"] = {}
    platform["models"] = {
        f"model-{number}": {**model, "service_name": f"model-{number}-vllm"}
        for number in range(models)
    }
    return {"config": config}


def _empty_program(folder: Path, environ: Mapping[str, str]) -> Path:
    """A project that does nothing, in the same virtual environment."""
    folder.mkdir(parents=True)
    project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text("utf-8"))
    project["name"] = "empty"
    project["runtime"]["options"]["virtualenv"] = str(CHECKOUT / ".venv")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    (folder / "__main__.py").touch()
    _pulumi(folder, environ, "stack", "init", "bench")
    return folder


def _up(run_folder: Path, stack: str) -> None:
    command = [sys.executable, "-m", "tools.stacks", "up", f"--stack={stack}"]
    subprocess.run(
        [*command, f"--run-folder={run_folder}"], cwd=CHECKOUT, check=True, capture_output=True
    )


def _preview(project: Path, environ: Mapping[str, str], options: str, *, pack: bool = True) -> None:
    policies = [f"--policy-pack={CHECKOUT / 'policies'}"] if pack else []
    _pulumi(project, environ, "preview", *options.split(), *policies)


def _pulumi(project: Path, environ: Mapping[str, str], *arguments: str) -> None:
    command = ["pulumi", *arguments, "--non-interactive"]
    subprocess.run(command, cwd=project, env=dict(environ), check=True, capture_output=True)


def _table(figures: Sequence[Figure]) -> Table:
    table = Table("figure", "measured", "bound", "holds", "how")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:.2f} {figure.unit}",
            f"{figure.bound:g} {figure.unit}",
            "yes" if figure.holds else "NO",
            figure.how,
        )
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table or JSON, and exit 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for a script to read")
    options = parser.parse_args(argv)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for part in (control_plane_figures, stack_figures, growth_figures):
            print(f"{part.__name__.replace('_', ' ')} ...", file=sys.stderr, flush=True)
            figures += part(folder)
    if options.json:
        print(json.dumps([{**asdict(f), "holds": f.holds} for f in figures], indent=2))
    else:
        Console(width=120, highlight=False).print(_table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
