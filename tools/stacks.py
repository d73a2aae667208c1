"""`make up`, `preview`, `down`: one stack through the real engine, under the policy pack.

Without a context the stack goes to an embedded control plane of its own, started when it is needed:
as in life, development and production are two clusters. With a context it goes to that cluster,
with the user's own state.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tools import control_plane, embedded_stack, leftovers, summary
from tools.catalogue import CONTROL_PLANE, PULUMI
from tools.control_plane import installed
from tools.embedded_stack import CHECKOUT, RUN
from tools.install import engine_environment, ensure
from tools.own_cluster import check_own_cluster
from tools.problem import ToolError

DEFAULT_STACK = "dev"


@dataclass(frozen=True)
class Run:
    """What one call of the engine needs.

    Attributes:
        stack: Name of the stack.
        environ: Environment of the engine.
        options: Options that stand behind every command.
        plane: The embedded control plane, None for the user's own cluster.
        context: Kube context that the stack goes to.
        yes: Whether the user has agreed to the change beforehand.
    """

    stack: str
    environ: Mapping[str, str]
    options: tuple[str, ...]
    plane: control_plane.ControlPlane | None
    context: str
    yes: bool = False


def start_plane(home: Path) -> control_plane.ControlPlane:
    """The running embedded control plane, built and started as far as it is missing."""
    ensure([*PULUMI, *CONTROL_PLANE])  # in one go, so that progress counts all of them
    return control_plane.up(
        home,
        installed.binaries(),
        installed.crds(),
        api_port=control_plane.fixed_port(os.environ.get("INFERENCE_API_PORT")),
        report=_say,
    )


def prepare_embedded(stack: str, run: Path, source: Path) -> Run:
    """A run on the embedded control plane that leaves the project folder as it is."""
    plane = start_plane(run / "control-plane")
    home = run / "stacks"
    environ = embedded_stack.environment(home, engine_environment())
    environ["KUBECONFIG"] = str(plane.kubeconfig)
    file = embedded_stack.stack_file(home, source, stack, plane, environ)
    leftovers.clear(home, stack, environ, (f"--config-file={file}",), source)
    return Run(stack, environ, (f"--config-file={file}",), plane, plane.context)


def prepare_own(stack: str, context: str, source: Path, *, yes: bool) -> Run:
    """A run on the user's cluster, with the user's engine settings and state."""
    check_own_cluster(stack, context, source)
    ours = engine_environment()
    direct = embedded_stack.loopback_directly(os.environ)
    environ = {**ours, **os.environ, **direct, "PATH": ours["PATH"]}
    return Run(stack, environ, (), None, context, yes)


def _ensure_stack(run: Run, source: Path) -> None:
    """Make the stack in the user's state where it is not there yet.

    Raises:
        ToolError: The engine cannot reach the state, or cannot make a stack in it.
    """

    def call(*arguments: str) -> str:
        done = subprocess.run(
            ["pulumi", "stack", *arguments, "--non-interactive"],
            cwd=source,
            env=dict(run.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ToolError(done.stderr.strip().removeprefix("error: "))
        return done.stdout

    names = {entry["name"].rpartition("/")[2] for entry in json.loads(call("ls", "--json"))}
    if run.stack not in names:
        call("init", run.stack, "--no-select")


def engine(run: Run, command: Sequence[str], source: Path) -> int:
    """Call the engine in the project folder; its output is the user's to see."""
    arguments = ["pulumi", *command, f"--stack={run.stack}", *run.options]
    if not sys.stdout.isatty():
        arguments += ["--non-interactive", "--suppress-progress"]
    return subprocess.run(arguments, cwd=source, env=dict(run.environ), check=False).returncode


def up(run: Run, source: Path) -> int:
    """Deploy the stack and say what there is now."""
    begun = time.monotonic()
    refresh = ["--refresh"] if run.plane is not None else []
    code = engine(run, ["up", *refresh, *_agreed(run), _policies(source)], source)
    if code == 0 and run.plane is not None:
        summary.print_summary(run.plane, run.stack, time.monotonic() - begun)
    elif code == 0:
        summary.print_next_steps(run.stack, run.context)
    return code


def _agreed(run: Run) -> list[str]:
    """Nobody is asked about an embedded cluster; on the user's own it takes their word."""
    return ["--yes"] if run.plane is not None or run.yes else []


def preview(run: Run, source: Path) -> int:
    """Show what would change, judged by the policy pack."""
    return engine(run, ["preview", _policies(source)], source)


def down(run: Path) -> None:
    """Stop a stack's control plane and remove everything that embedded runs have left of it.

    A run that is at work there is ended, not awaited.

    Raises:
        ToolError: A file cannot be removed.
    """
    leftovers.end_all(run / "stacks")
    with _alone(run):
        control_plane.down(run / "control-plane")
        shutil.rmtree(run, ignore_errors=True)
    if run.exists():
        raise ToolError(f"{run} cannot be removed: permit it, then `make down` again")
    _say(f"{run.name}: nothing runs any more, and no data is left")


@contextlib.contextmanager
def _alone(run: Path) -> Generator[None]:
    """One call at a time in a checkout; a second one says that it waits."""
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run / "lock", mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        _say("another make is at work in this checkout; waiting for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _policies(source: Path) -> str:
    return f"--policy-pack={source / 'policies'}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.stacks", description=__doc__)
    parser.add_argument("command", choices=["up", "preview", "down"])
    parser.add_argument("--stack", default="", help="which Pulumi.<stack>.yaml; down: all of them")
    parser.add_argument("--context", default="", help="kube context of your own cluster")
    parser.add_argument("--yes", default="", help="not empty: do not ask, on your own cluster")
    parser.add_argument("--project", type=Path, default=CHECKOUT, help=argparse.SUPPRESS)
    parser.add_argument("--run-folder", type=Path, default=RUN, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _check_name(stack: str) -> None:
    """A name and no path: `down` removes the folder of that name."""
    if stack and not re.fullmatch(r"\w[\w.-]*", stack):
        raise ToolError(
            f"{stack!r} is no name of a stack: use letters, digits, '-', '_' and '.', as in dev"
        )


def _on_own_cluster(command: str, stack: str, context: str, source: Path, *, yes: bool) -> int:
    run = prepare_own(stack, context, source, yes=yes)
    if command == "down":
        return engine(run, ["destroy", *_agreed(run)], source)
    _ensure_stack(run, source)
    if command == "preview":
        return preview(run, source)
    leftovers.mend(stack, run.environ, run.options, source)
    return up(run, source)


def _embedded(command: str, stack: str, folder: Path, source: Path) -> int:
    if command == "down":
        for run in [folder / stack] if stack else sorted(folder.glob("*/")):
            down(run)
        return 0
    embedded_stack.stack_document(source, stack)  # a mistyped name starts and leaves nothing
    with _alone(folder / stack):
        run = prepare_embedded(stack, folder / stack, source)
        return up(run, source) if command == "up" else preview(run, source)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors of the reader's making are one sentence on stderr, exit code 1."""
    arguments = _arguments(argv)
    command, source = arguments.command, arguments.project.resolve()
    stack = arguments.stack or ("" if command == "down" else DEFAULT_STACK)
    try:
        _check_name(stack)
        if arguments.context:
            stack = stack or DEFAULT_STACK
            return _on_own_cluster(
                command, stack, arguments.context, source, yes=bool(arguments.yes)
            )
        return _embedded(command, stack, arguments.run_folder.resolve(), source)
    except (ToolError, control_plane.ControlPlaneError) as error:
        _say(f"error: {error}")
        return 1
    except OSError as error:
        where = error.filename or arguments.run_folder
        _say(f"error: {where}: {error.strerror}; free space or permit it, then try again")
        return 1
    except KeyboardInterrupt:
        _say("interrupted; the next call takes up from here")
        return 130


if __name__ == "__main__":
    sys.exit(main())
