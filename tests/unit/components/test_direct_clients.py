"""Pods that call an engine past the gateway, from the stack's own namespace (row A7)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rendering import Rendered, document, of_kind, render
from tests.unit.components.manifests import Pod, pods
from tests.unit.components.reachability import reaches
from tests.unit.components.test_network import APP, GATEWAY, PORTS


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_direct_client_beside_the_engine_has_a_way_out_to_it(nodes: int) -> None:
    """Row A7: the stack's own namespace is closed in both directions."""
    changed = with_direct_client("akko", nodes)
    rendered = render(changed)
    policies = of_kind(rendered, "NetworkPolicy")
    indexer = Pod("indexer", "akko", {"app": "indexer"}, {})
    found = (*pods(rendered), *leaders(rendered))
    engines = [each for each in found if each.labels["app.kubernetes.io/component"] == "engine"]
    assert len(engines) == 1
    ways = {
        (source.owner, target.owner, port)
        for source in (indexer, APP)
        for target in found
        for port in PORTS
        if reaches(policies, source, target, port)
    }
    assert ways == {
        *((source, GATEWAY, 4000) for source in ("indexer", APP.owner)),
        *(("indexer", each.owner, 8000) for each in engines),
    }


def leaders(rendered: Sequence[Rendered]) -> Iterator[Pod]:
    """Pods of groups of nodes that have clients."""
    for item in of_kind(rendered, "LeaderWorkerSet"):
        template = item["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
        yield Pod(item["metadata"]["name"], "akko", template["metadata"]["labels"], {})


def with_direct_client(namespace: str, nodes: int) -> dict[str, Any]:
    """Production on one node, or on a group of two."""
    changed = document("production") if nodes == 1 else two_nodes()
    for model in changed["models"].values():
        client = {"namespace": namespace, "pod_labels": {"app": "indexer"}}
        model["direct_clients"] = [client]
    return changed


def two_nodes() -> dict[str, Any]:
    text = (Path(__file__).parents[3] / "examples" / "two-nodes.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["config"]["inference:platform"]
