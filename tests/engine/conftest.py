"""One backend for the tests of previews: with stacks, without a cluster, beside the user's own."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engine.pulumi_cli import Engine
from tools.install import engine_environment
from tools.problem import ToolError


@pytest.fixture(scope="session")
def tools() -> Mapping[str, str]:
    """What leads to Pulumi, its Python host and the Kubernetes provider."""
    try:
        return engine_environment()
    except ToolError as error:
        pytest.fail(f"the engine tests need Pulumi: {error}", pytrace=False)


@pytest.fixture(scope="session")
def engine(tools: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Previews change nothing, so all of them share one backend."""
    made = Engine.at(tmp_path_factory.mktemp("engine") / "home", tools)
    made.make_stack("dev")
    made.make_stack("production")
    return made


@pytest.fixture
def fresh_engine(tools: Mapping[str, str], tmp_path: Path) -> Engine:
    """A backend for one test that may write to its state."""
    made = Engine.at(tmp_path / "home", tools)
    made.make_stack("dev")
    return made


@pytest.fixture
def closed_server() -> str:
    """An address on loopback at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def anywhere(tmp_path: Path) -> Path:
    """A folder outside every project."""
    folder = tmp_path / "anywhere"
    folder.mkdir()
    return folder
