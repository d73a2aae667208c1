"""Both real stack documents, rendered with mocks, break no policy; changed ones do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi_kubernetes as k8s
import pytest
import yaml
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from components.document import read_document
from components.platform import Platform
from tests.unit.policies.analyzer import analyze
from tests.unit.policies.cases_credentials import CANARY

ROOT = Path(__file__).parents[3]


@dataclass
class Recorder(Mocks):
    """Keeps what the program asks for; asks nobody."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        inputs = cast("dict[str, Any]", args.inputs)  # pyright: ignore[reportUnknownMemberType] - bare in the SDK
        self.seen.append((args.typ, inputs))
        return f"{args.name}-id", inputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program asked the cloud: {args.token}")


def _findings(stack: str, change: dict[str, Any] | None = None) -> tuple[int, set[str]]:
    """Resources of a stack, and `policy: key to change` of what the pack finds."""
    document = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    platform = document["config"]["inference:platform"]
    platform["models"]["akko-coder"].update(change or {})
    recorder = Recorder()

    @pulumi.runtime.test  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
    def program() -> None:
        set_mocks(recorder)
        Platform(
            stack,
            read_document(platform),
            gateway_key=CANARY,
            provider=k8s.Provider("test", kubeconfig="{}"),
        )

    program()
    found: set[str] = set()
    for kind, inputs in recorder.seen:
        for item in analyze(kind, inputs):
            assert CANARY not in item.message
            key = item.message.rpartition("; change ")[2].partition(" ")[0]
            found.add(f"{item.policy}: {key}")
    return len(recorder.seen), found


@pytest.mark.parametrize("stack", ["dev", "production"])
def test_a_real_stack_breaks_no_policy(stack: str) -> None:
    """Rows A2 to A6."""
    resources, found = _findings(stack)
    assert resources > 10
    assert found == set()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            {"image": "docker.io/vllm/vllm-openai:latest"},
            "sc-01-image-pinned: inference:platform.models.akko-coder.image",
        ),
        (
            {"max_model_len": 32769},
            "ml-01-max-model-len-set: inference:platform.models.akko-coder.max_model_len",
        ),
    ],
)
def test_a_stack_that_asks_for_too_much_is_told_which_key_to_change(
    change: dict[str, Any], finding: str
) -> None:
    assert _findings("production", change)[1] == {finding}
