"""The stack files of `examples/`: complete, rendered, clean under the policies, and will start."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.images import image_version
from components.core.model_lock import LockedModel, locked_model
from components.document import ROOT, parse_document, plans
from components.document.plans import ModelPlan, plan_models
from tests.rendering import Rendered, of_kind, render
from tests.unit.policies.analyzer import analyze
from tools.embedded_stack import read_stack_file

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
AWQ, LARGE = "two-l40s-awq", "llama-70b-tp4"


@pytest.fixture
def admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub has let us in: gated models are planned as others are."""

    def ungated(source: str, revision: str) -> LockedModel:
        return locked_model(source, revision).model_copy(update={"gated": False})

    monkeypatch.setattr(plans, "locked_model", ungated)


def _document(path: Path) -> dict[str, Any]:
    return read_stack_file(path)["config"][ROOT]


def _plans(path: Path) -> dict[str, ModelPlan]:
    return dict(plan_models(parse_document(_document(path))))


def _example(name: str) -> Path:
    return next(path for path in EXAMPLES if path.stem == name)


def _server(rendered: tuple[Rendered, ...], name: str) -> tuple[int, dict[str, Any]]:
    """Replicas and the engine's container of a model's Deployment."""
    (found,) = (
        each["spec"] for each in of_kind(rendered, "Deployment") if each["metadata"]["name"] == name
    )
    return found["replicas"], found["template"]["spec"]["containers"][0]


def _argument(container: dict[str, Any], flag: str) -> str:
    words = [*container.get("command", []), *container.get("args", [])]
    joined = [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]
    return joined[0] if joined else words[words.index(flag) + 1]


@pytest.mark.usefixtures("admitted")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_will_start_on_every_machine_of_its_pools(path: Path) -> None:
    found = _plans(path)
    assert {each.verdict for each in found.values()} == {"will start"}
    for each in found.values():
        assert each.problems == ()
        assert each.plans
        assert {plan.fit.verdict for plan in each.plans} == {"will start"}
        assert each.plans[0].load.engine_version == tuple(
            map(int, image_version("vllm").removeprefix("v").split("."))
        )


@pytest.mark.usefixtures("admitted")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_rendered_and_breaks_no_policy(path: Path) -> None:
    rendered = render(_document(path))
    assert len(rendered) > 10
    broken = [item for each in rendered for item in analyze(each.type, each.inputs)]
    assert broken == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_lacks_the_hub_s_token_at_most(path: Path) -> None:
    problems = [text for each in _plans(path).values() for text in each.problems]
    gated = [text for text in problems if "hands only to accounts that accepted" in text]
    assert problems == gated
    assert len(gated) == (1 if path.stem == LARGE else 0)


def test_an_example_says_first_what_it_is_for() -> None:
    assert {path.stem for path in EXAMPLES} >= {AWQ, LARGE}
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert set(yaml.safe_load(text)) == {"config"}


def test_c1_two_l40s_serve_an_8b_awq_model_with_6144_tokens() -> None:
    """Row C1."""
    path = _example(AWQ)
    pool = _document(path)["node_pools"]["l40s"]
    plan = _plans(path)["akko-chat"]
    assert {each.machine for each in plan.plans} == set(pool["instance_types"])
    assert (pool["max_gpus"], plan.settings.replicas, plan.settings.tensor_parallel) == (2, 2, 1)
    assert all(each.concurrency >= 64 for each in plan.plans)
    replicas, container = _server(render(_document(path)), "akko-akko-chat")
    assert replicas == 2
    assert _argument(container, "--max-model-len") == "6144"
    assert container["resources"]["limits"]["nvidia.com/gpu"] in {1, "1"}


@pytest.mark.usefixtures("admitted")
def test_b1_a_70b_model_is_served_by_three_replicas_of_four_gpus() -> None:
    """Row B1."""
    path = _example(LARGE)
    replicas, container = _server(render(_document(path)), "akko-akko-large")
    assert replicas == 3
    assert _argument(container, "--tensor-parallel-size") == "4"
    assert container["resources"]["limits"]["nvidia.com/gpu"] in {4, "4"}
    plan = _plans(path)["akko-large"]
    assert _document(path)["node_pools"][plan.settings.pool]["max_gpus"] == 3 * 4
