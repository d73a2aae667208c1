"""The engines' environments and the tiny model, made once for all serving tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.config_judge import ConfigJudge, config_judge
from tests.serving.engine_pods import write_tiny_models
from tests.serving.environments import (
    Engine,
    EnvironmentUnavailableError,
    egctl_program,
    ollama_missing,
    ollama_program,
    python_of,
)
from tests.serving.states import Home, State, running_home
from tests.serving.stores import Stores, stores
from tests.serving.ways_in import Programs

ENVIRONMENT_SECONDS = 900
"""A test's time limit where it may have to install an engine first."""


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    return _python_of("vllm")


@pytest.fixture(scope="session")
def litellm_python() -> Path:
    return _python_of("litellm")


@pytest.fixture(scope="session")
def programs() -> Programs:
    try:
        return Programs(egctl_program(), python_of("envoy").with_name("envoy"))
    except EnvironmentUnavailableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def litellm_stores() -> Stores:
    """LiteLLM with all that it keeps its state in."""
    try:
        return stores()
    except EnvironmentUnavailableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def home(litellm_stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Generator[Home]:
    """PostgreSQL and Redis, the database migrated."""
    with running_home(litellm_stores, tmp_path_factory.mktemp("migration")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway_state(home: Home) -> State:
    """What the gateways of a module keep their state in."""
    return home.fresh()


def _python_of(engine: Engine) -> Path:
    try:
        return python_of(engine)
    except EnvironmentUnavailableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def ollama() -> Path:
    if missing := ollama_missing():
        pytest.skip(missing)
    try:
        return ollama_program()
    except EnvironmentUnavailableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def tiny_models(vllm_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders: random models that vLLM serves on a CPU, and an adapter for one."""
    folder = tmp_path_factory.mktemp("tiny-models")
    write_tiny_models(vllm_python, folder)
    return folder


@pytest.fixture(scope="session")
def judge(vllm_python: Path) -> Generator[ConfigJudge]:
    """The real vLLM, asked whether it would start with some arguments."""
    assert vllm_python.exists()
    with config_judge() as running:
        yield running
