"""Both real stacks, deployed by the same command that `make up` runs, for the cluster tests."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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


def project_copy(folder: Path) -> Path:
    """The project in a folder of its own, for tests that change a stack's document."""
    project = folder / "project"
    ignored = shutil.ignore_patterns(".*", "tests", "tools", "__pycache__")
    shutil.copytree(CHECKOUT, project, ignore=ignored)
    (project / ".venv").symlink_to(CHECKOUT / ".venv")
    return project


@dataclass(frozen=True)
class Deployed:
    """A stack on its embedded control plane.

    Attributes:
        stack: Its name.
        run_folder: Where control planes and state lie.
        first: How the first deployment went.
        kubectl: A client of its cluster.
        project: Where its document lies.
    """

    stack: str
    run_folder: Path
    first: subprocess.CompletedProcess[str]
    kubectl: Kubectl
    project: Path = CHECKOUT

    @property
    def home(self) -> Path:
        """Folder of the engine's state."""
        return self.run_folder / self.stack / "stacks"

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("up", f"--stack={self.stack}", f"--project={self.project}")

    def up(self) -> subprocess.CompletedProcess[str]:
        return run_stacks(*self.arguments, run_folder=self.run_folder)

    def change(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Edit the checkout's document and write it to the project, where that is a copy."""
        assert self.project != CHECKOUT
        name = f"Pulumi.{self.stack}.yaml"
        content = yaml.safe_load((CHECKOUT / name).read_text(encoding="utf-8"))
        edit(content["config"]["inference:platform"])
        (self.project / name).write_text(yaml.safe_dump(content), encoding="utf-8")


def deploy(stack: str, run_folder: Path, kubectl: Path, project: Path = CHECKOUT) -> Deployed:
    """`make up STACK=<stack>` from nothing."""
    first = run_stacks("up", f"--stack={stack}", f"--project={project}", run_folder=run_folder)
    assert first.returncode == 0, first.stdout + first.stderr
    kubeconfig = run_folder / stack / "control-plane" / "kubeconfig"
    return Deployed(stack, run_folder, first, Kubectl(kubectl, kubeconfig), project)
