"""A real API server judges every object of every kind of storage, Pod Security included."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl
from tests.rendering import of_kind
from tests.unit.components.caches import CACHES, rendered

_KINDS = frozenset(
    {"ConfigMap", "Deployment", "Job", "NetworkPolicy", "PersistentVolume"}
    | {"PersistentVolumeClaim", "PodDisruptionBudget", "Service", "ServiceAccount", "StatefulSet"}
)


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> str:
    """The stack's own namespace with its labels, which make the server warn of any looser pod."""
    (made,) = of_kind(rendered("efs"), "Namespace")
    kubectl.apply(json.dumps(made))
    return "akko"


@pytest.mark.parametrize("name", CACHES)
def test_the_api_server_takes_every_object_without_a_warning(
    kubectl: Kubectl, namespace: str, name: str
) -> None:
    """Rows A10, C7: fields that it does not know, and pods that are not restricted, are named."""
    replicas = {} if name == "claim" else {"replicas": 2}
    found: list[Mapping[str, Any]] = [
        item.inputs for item in rendered(name, **replicas) if item.inputs.get("kind") in _KINDS
    ]
    assert {"Deployment", "ServiceAccount"} <= {item["kind"] for item in found}
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})

    done = kubectl.run(
        "apply", "--dry-run=server", "--validate=strict", f"-n{namespace}", "-f-", stdin=listed
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(found)
