"""What a killed run has left: an engine at work, its plugins, a lock, operations half done."""

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

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
    locks = home / "state" / ".pulumi" / "locks" / "organization" / "inference" / stack
    if not any(locks.glob("*.json")):
        return
    _say("lifting the lock that an interrupted run has left, and asking the cluster what it did")
    refresh = ("refresh", "--yes", "--skip-preview", "--clear-pending-creates", *options)
    for command in (("cancel", "--yes"), refresh):
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


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.name()
    return ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
