"""The real vLLM judges the command lines of the committed stacks: parser, server, configuration."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.serving.config_judge import ConfigJudge
from tests.serving.engine_pods import MODELS
from tests.serving.processes import replace_option
from tests.serving.real_engine import Gpu
from tests.serving.stacks import STACKS, engines

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

_LOCKS = Path(__file__).parents[2] / "models"
_L4 = Gpu("NVIDIA L4", 23_580_639_232, (8, 9))
_RENDERED = {
    f"{stack}: {container.workload}": container.args
    for stack in STACKS
    for container in engines(stack)
}


def _locked_config(path: str) -> dict[str, Any]:
    """The config.json of the model whose place on the volume this is."""
    organisation, name, revision = PurePosixPath(path).relative_to(MODELS).parts
    lock = _LOCKS / f"{organisation}--{name}@{revision[:12]}.json"
    return json.loads(lock.read_text(encoding="utf-8"))["config"]


def test_every_vllm_of_the_stacks_is_judged() -> None:
    assert set(_RENDERED) == {"production: akko-akko-vllm"}


@pytest.mark.parametrize("name", _RENDERED)
def test_rendered_arguments_are_accepted(name: str, judge: ConfigJudge) -> None:
    """Rows A4, A7, D8: with the configuration of the very revision that is rendered."""
    args = _RENDERED[name]
    said = judge.judge(args, {args[0]: {"config.json": json.dumps(_locked_config(args[0]))}}, _L4)
    assert said.refused is None
    assert said.accepted["architecture"] == "Qwen2ForCausalLM"
    assert said.accepted["max_model_len"] == 4096


def test_replacing_an_option_that_is_not_rendered_is_an_error() -> None:
    with pytest.raises(ValueError, match="no --host"):
        replace_option(("model", "--port=8000"), "--host", "::1")
