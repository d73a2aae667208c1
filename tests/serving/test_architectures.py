"""The table of architectures is what the installed vLLM and transformers say of themselves.

For another version of transformers, the test prints the defaults that `architectures.json` should
have; first and last versions of an architecture were read from the registries of all versions.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.core.architecture.fields import known_architectures
from tests.serving.processes import clean_environment

pytestmark = pytest.mark.timeout(3600)  # the first test may install vLLM

_SCRIPT = Path(__file__).parent / "engines" / "vllm" / "describe_architectures.py"


@pytest.fixture(scope="module")
def installed(vllm_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("architectures")
    variables = {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [vllm_python, _SCRIPT],
        cwd=folder,
        env=clean_environment(folder, variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_the_engine_has_the_classes_that_the_table_gives_its_version(
    installed: dict[str, Any],
) -> None:
    at = _version(installed["version"])
    listed = {
        name
        for name, (first, _, gone) in known_architectures()["supported"].items()
        if _version(first) <= at and (gone is None or at < _version(gone))
    }
    assert listed == set(installed["registered"])


def test_a_class_that_the_engine_calls_removed_is_gone_in_the_table_too(
    installed: dict[str, Any],
) -> None:
    supported = known_architectures()["supported"]
    assert installed["removed"]
    for name, last in installed["removed"].items():
        gone = supported[name][2]
        assert gone is not None, name
        assert _version(last) < _version(gone), name


@pytest.mark.parametrize("kind", sorted(known_architectures()["defaults"]))
def test_defaults_of_a_model_type_are_those_of_its_class(
    installed: dict[str, Any], kind: str
) -> None:
    ours = known_architectures()["defaults"][kind]
    assert ours == installed["defaults"].get(kind), "transformers changed: write these"


def test_no_model_type_is_missing(installed: dict[str, Any]) -> None:
    missing = installed["defaults"].keys() - known_architectures()["defaults"].keys()
    assert not missing, {kind: installed["defaults"][kind] for kind in missing}
