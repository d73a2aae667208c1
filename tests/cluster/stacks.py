"""Both real stacks, deployed by the same command that `make up` runs, for the cluster tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.conftest import Kubectl

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 240


def stacks_command(*arguments: str, run_folder: Path) -> list[str]:
    """The command line behind `make up`, `make preview` and `make down`."""
    return [sys.executable, "-m", "tools.stacks", *arguments, f"--run-folder={run_folder}"]


def run_stacks(
    *arguments: str, run_folder: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; a run that hangs is ended with all its children."""
    with subprocess.Popen(
        stacks_command(*arguments, run_folder=run_folder),
        cwd=CHECKOUT,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@dataclass(frozen=True)
class Deployed:
    """A stack on its embedded control plane."""

    stack: str
    run_folder: Path
    first: subprocess.CompletedProcess[str]
    kubectl: Kubectl

    def up(self) -> subprocess.CompletedProcess[str]:
        return run_stacks("up", f"--stack={self.stack}", run_folder=self.run_folder)


def deploy(stack: str, run_folder: Path, kubectl: Path) -> Deployed:
    """`make up STACK=<stack>` from nothing."""
    first = run_stacks("up", f"--stack={stack}", run_folder=run_folder)
    assert first.returncode == 0, first.stdout + first.stderr
    kubeconfig = run_folder / stack / "control-plane" / "kubeconfig"
    return Deployed(stack, run_folder, first, Kubectl(kubectl, kubeconfig))
