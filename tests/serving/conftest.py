"""The engines' environments and the tiny model, made once for all serving tests."""

import subprocess
from pathlib import Path

import pytest

from tests.serving.environments import Engine, EnvironmentUnavailableError, python_of
from tests.serving.processes import clean_environment

_ENGINES = Path(__file__).parent / "engines"


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    return _python_of("vllm")


@pytest.fixture(scope="session")
def litellm_python() -> Path:
    return _python_of("litellm")


def _python_of(engine: Engine) -> Path:
    try:
        return python_of(engine)
    except EnvironmentUnavailableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def tiny_models(vllm_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders: random models that vLLM serves on a CPU, and an adapter for one."""
    folder = tmp_path_factory.mktemp("tiny-models")
    done = subprocess.run(
        [vllm_python, _ENGINES / "vllm" / "write_tiny_models.py", folder],
        env=clean_environment(folder, {"HF_HUB_OFFLINE": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_models: Path) -> Path:
    """A folder with a random chat model of 32768 positions."""
    return tiny_models / "chat"
