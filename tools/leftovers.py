"""What a killed run has left: an engine at work, its plugins, a lock, operations half done."""

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tools import pending_creates
from tools.embedded_stack import MARK


def clear(
    home: Path, stack: str, environ: Mapping[str, str], options: Sequence[str], source: Path
) -> None:
    """Wait for an engine that still works, then mend what a dead one has left.

    Args:
        home: Folder of the stacks.
        stack: Name of the stack.
        environ: Environment of the engine.
        options: Options that lead the engine to the stack file.
        source: Project folder.
    """
    engines = [process for process in _marked(home) if _name(process) == "pulumi"]
    if engines:
        _say(f"an earlier run is still at work (process {engines[0].pid}); waiting for its end")
        psutil.wait_procs(engines)
    end_all(home)
    state = home / "state" / ".pulumi"
    locked = any((state / "locks" / "organization" / "inference" / stack).glob("*.json"))
    if locked:
        _say("lifting the lock that an interrupted run has left")
        _engine(("cancel", "--yes"), stack, environ, source)
    # A run that was killed while it mended has no lock left, and may have its notes still.
    if locked or '"pending_operations"' in _text(state / "stacks" / "inference" / f"{stack}.json"):
        mend(stack, environ, options, source, interrupted=True)


def mend(
    stack: str,
    environ: Mapping[str, str],
    options: Sequence[str],
    source: Path,
    *,
    interrupted: bool = False,
) -> None:
    """Bring the state up to what an interrupted run did in the cluster; changes no object there.

    Args:
        stack: Name of the stack.
        environ: Environment of the engine.
        options: Options that lead the engine to the stack file.
        source: Project folder.
        interrupted: Whether there was such a run; else the state's own notes tell.

    Raises:
        ToolError: The state cannot be read, or another run holds its lock.
    """
    urns = pending_creates.adopt(stack, environ, source)
    if not (urns or interrupted):
        return
    names = ", ".join(urn.rpartition("::")[2] for urn in urns)
    what = f" (it was creating {names})" if names else ""
    _say(f"asking the cluster what the interrupted run did{what}")
    refresh = ("refresh", "--yes", "--skip-preview", "--clear-pending-creates", *options)
    _engine(refresh, stack, environ, source)


def _engine(command: Sequence[str], stack: str, environ: Mapping[str, str], source: Path) -> None:
    subprocess.run(
        ["pulumi", *command, f"--stack={stack}", "--non-interactive"],
        cwd=source,
        env=dict(environ),
        capture_output=True,
        check=False,  # what it cannot mend, the deployment that follows reports
    )


def end_all(home: Path) -> None:
    """End every engine of this folder, and the plugins that outlive a killed one."""
    others = _marked(home)
    for process in others:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(others)


def _marked(home: Path) -> list[psutil.Process]:
    """The engine's processes that work in this folder."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # ended meanwhile, or somebody else's
            if process.environ().get(MARK) == str(home):
                found.append(process)
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.name()
    return ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
