"""The real vLLM judges the rendered command lines: its parser, then its engine configuration."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.serving.processes import clean_environment, replace_option
from tests.serving.stacks import STACKS, Container, engines

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

_CHECK = Path(__file__).parent / "engines" / "vllm" / "check_arguments.py"

# What vLLM has to refuse, each as a change to a rendered command line, and its words for it.
_FAULTS = {
    "a misspelt flag": (("--max-modell-len=4096",), "unrecognized arguments: --max-modell-len"),
    "a removed flag": (("--swap-space=4",), "unrecognized arguments: --swap-space=4"),
    "memory above the whole GPU": (("--gpu-memory-utilization=1.5",), "less than or equal to 1"),
    "more context than the model has": (
        ("--max-model-len=65536",),
        "greater than the derived max_model_len",
    ),
    "more GPUs than heads divide by": (("--tensor-parallel-size=3",), "must be divisible by"),
    "an unknown quantization": (("--quantization=none-such",), "Unknown quantization method"),
}


def _on_the_tiny_model(container: Container, model: Path) -> tuple[str, ...]:
    """The rendered arguments with the model, which comes first, replaced by a local folder."""
    return (str(model), *container.args[1:])


@pytest.fixture(scope="module")
def verdicts(
    vllm_python: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str | None]:
    """vLLM's objection to each case by name; None where it accepts."""
    rendered = {
        f"{stack}: {container.workload}": _on_the_tiny_model(container, tiny_model)
        for stack in STACKS
        for container in engines(stack)
    }
    good = next(iter(rendered.values()))
    cases = rendered | {name: (*good, *fault) for name, (fault, _) in _FAULTS.items()}
    folder = tmp_path_factory.mktemp("verdicts")
    asked, said = folder / "cases.json", folder / "verdicts.json"
    asked.write_text(json.dumps(list(cases.values())), encoding="utf-8")
    environment = {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [vllm_python, _CHECK, asked, said],
        env=clean_environment(folder, environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(cases, json.loads(said.read_text("utf-8")), strict=True))


def test_rendered_arguments_are_accepted(verdicts: dict[str, str | None]) -> None:
    """Rows A4, A7: model length, memory share and served names as the stacks render them."""
    rendered = {name: said for name, said in verdicts.items() if name not in _FAULTS}
    assert rendered == {"production: akko-akko-vllm": None}


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_wrong_argument_is_refused(fault: str, verdicts: dict[str, str | None]) -> None:
    assert _FAULTS[fault][1] in (verdicts[fault] or "accepted")


def test_replacing_an_option_that_is_not_rendered_is_an_error() -> None:
    with pytest.raises(ValueError, match="no --host"):
        replace_option(("model", "--port=8000"), "--host", "::1")
