"""AX-03 and AX-13 by themselves: their parameters, and the stacks that they are about."""

import pytest

from tests.rendering import document, render
from tests.unit.policies.analyzer import analyze, put
from tests.unit.policies.cases_environments import (
    FOREIGN,
    OLLAMA,
    OLLAMA_ONLY,
    POD,
    RELEASE,
    TIERS,
)
from tests.unit.policies.manifests import DEPLOYMENT, ENGINE, Json

_POOL = {"karpenter.sh/nodepool": "dev-l4"}
_OWN_POOL = {TIERS: {"development_node_pools": ["dev-l4"]}}


def _policies(kind: str, properties: Json, config: Json) -> set[str]:
    return {found.policy for found in analyze(kind, properties, config=config)}


@pytest.mark.parametrize(("namespace", "refused"), [("sandbox", []), ("akko", [OLLAMA_ONLY])])
def test_a_namespace_of_development_needs_no_label(namespace: str, refused: list[str]) -> None:
    config = {OLLAMA_ONLY: {"development_namespaces": ["sandbox"]}}
    theirs = put(FOREIGN, "metadata", "namespace", value=namespace)
    assert _policies(DEPLOYMENT, theirs, config) == set(refused)
    assert _policies(RELEASE, {"chart": "ollama", "namespace": namespace}, config) == set(refused)


def test_a_pool_of_developments_own_is_for_development_only() -> None:
    """Row C8"""
    ours = put(OLLAMA, *POD, "nodeSelector", value=_POOL)
    theirs = put(ENGINE, *POD, "nodeSelector", value=_POOL)
    assert _policies(DEPLOYMENT, ours, {}) == {TIERS}
    assert _policies(DEPLOYMENT, ours, _OWN_POOL) == set()
    assert _policies(DEPLOYMENT, theirs, _OWN_POOL) == {TIERS}


def test_a_development_stack_whose_label_is_changed_is_refused() -> None:
    """Rows A3, C8: the label alone lets Ollama through; server and preload are both looked at."""
    found = {
        (each.policy, item.inputs["kind"])
        for item in render(document("dev"), stack="dev")
        if "template" in item.inputs.get("spec", {})
        for each in analyze(
            item.type,
            put(
                dict(item.inputs),
                *("spec", "template", "metadata", "labels", "inference-platform/environment"),
                value="production",
            ),
        )
    }
    assert found == {(OLLAMA_ONLY, "Deployment"), (OLLAMA_ONLY, "Job")}
