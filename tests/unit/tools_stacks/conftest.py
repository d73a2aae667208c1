import os
from pathlib import Path

import pytest

from tests.unit.tools_stacks.desk import Desk
from tools import stacks
from tools.control_plane import ControlPlane


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)
    tools = {"PATH": f"{made.bin}{os.pathsep}{os.environ['PATH']}"}
    monkeypatch.setenv("CALLS", str(made.calls_file))
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "of-the-user")
    monkeypatch.delenv("FAIL", raising=False)
    monkeypatch.setattr(stacks, "start_plane", lambda home: _started(made, home))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(stacks, "engine_environment", lambda: tools)
    return made


def _started(desk: Desk, home: Path) -> ControlPlane:
    assert home == desk.plane.home
    return desk.plane
