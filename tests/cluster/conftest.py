"""One embedded control plane for all cluster tests, beside the user's own, and kubectl for it."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tools.control_plane import ControlPlane, down, installed, up


@dataclass(frozen=True)
class Kubectl:
    """The real client, as a user would call it."""

    binary: Path
    kubeconfig: Path

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.binary), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, *what: str) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self("get", *what, "-o", "json")))

    def apply(self, manifest: str) -> None:
        self("apply", "-f", "-", stdin=manifest)

    def wait(self, what: str, condition: str, *, seconds: int, namespace: str = "default") -> None:
        self("wait", what, f"--for={condition}", f"--timeout={seconds}s", f"-n{namespace}")


@pytest.fixture(scope="session")
def binaries() -> Mapping[str, Path]:
    return installed.binaries()


@pytest.fixture(scope="session")
def crds() -> Sequence[Path]:
    return installed.crds()


@pytest.fixture(scope="session")
def control_plane(
    tmp_path_factory: pytest.TempPathFactory,
    binaries: Mapping[str, Path],
    crds: Sequence[Path],
) -> Iterator[ControlPlane]:
    home = tmp_path_factory.mktemp("cluster") / "control-plane"
    try:
        yield up(home, binaries, crds, report=print)
    finally:
        down(home)


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane, binaries: Mapping[str, Path]) -> Kubectl:
    return Kubectl(binaries["kubectl"], control_plane.kubeconfig)
