"""Both real stack documents, rendered with mocks, break no policy; changed ones do."""

from typing import Any

import pytest

from tests.rendering import STACKS, document, render
from tests.unit.components.caches import CACHES
from tests.unit.policies.analyzer import analyze
from tests.unit.policies.cases_credentials import CANARY


def _findings(
    stack: str, change: dict[str, Any] | None = None, **more: object
) -> tuple[int, set[str]]:
    """Resources of a stack, and `policy: key to change` of what the pack finds."""
    platform = document(stack)
    platform.update(more)
    platform["models"]["akko-coder"].update(change or {})
    rendered = render(platform, stack=stack, gateway_key=CANARY)
    found: set[str] = set()
    items = [item for one in rendered for item in analyze(one.type, one.inputs)]
    whole = [(one.type, one.inputs) for one in rendered]
    for item in (*items, *analyze("pulumi:pulumi:Stack", {}, beside=whole)):
        assert CANARY not in item.message
        key = item.message.rpartition("; change ")[2].partition(" ")[0]
        found.add(f"{item.policy}: {key}")
    return len(rendered), found


@pytest.mark.parametrize("stack", STACKS)
def test_a_real_stack_breaks_no_policy(stack: str) -> None:
    """Rows A2 to A6, B2, B3, B5, D6, D8 and D10."""
    resources, found = _findings(stack)
    assert resources > 10
    assert found == set()


@pytest.mark.parametrize("cache", CACHES)
def test_a_model_on_any_kind_of_storage_breaks_no_policy(cache: str) -> None:
    """Row C7, with a token that comes from a store outside."""
    store = {"name": "aws", "kind": "ClusterSecretStore"}
    token = {"source": "external", "secret_name": "hub", "store": store, "remote_key": "hub/token"}
    filled = cache not in {"image", "snapshot"}
    hub = {"token": token} if filled else {}
    resources, found = _findings("production", {"cache": CACHES[cache]}, hub=hub)
    assert resources > 10
    # One replica on a disk of one node has a gap when it is replaced: that much is said.
    gap = {"rl-05-no-rollout-gap: inference:platform.models.akko-coder.replicas"}
    assert found == (gap if cache in {"ebs", "claim"} else set())


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            {"image": "docker.io/vllm/vllm-openai:latest"},
            "sc-01-image-pinned: inference:platform.models.akko-coder.image",
        ),
        (
            {
                "source": "Qwen/Qwen3-8B",
                "revision": "b968826d9c46dd6066d109eabc6255188de91218",
                "kv_cache_dtype": "fp8",
                "max_model_len": 32769,
            },
            "ml-01-max-model-len-set: inference:platform.models.akko-coder.max_model_len",
        ),
        (
            {"cache": {"kind": "claim", "storage_class": "gp3", "size_gib": 30}},
            "rl-05-no-rollout-gap: inference:platform.models.akko-coder.replicas",
        ),
    ],
)
def test_a_stack_that_asks_for_too_much_is_told_which_key_to_change(
    change: dict[str, Any], finding: str
) -> None:
    assert _findings("production", change)[1] == {finding}
