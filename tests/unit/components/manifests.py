"""The rendered stacks as the tests look at them: objects by kind and name, and their pods."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.rendering import Rendered, document, of_kind, render

Json = Mapping[str, Any]

STORES = ("database", "counters")
"""Components that keep the gateway's state."""


@dataclass(frozen=True)
class Pod:
    """A pod, as a workload makes it or as a stranger in the cluster.

    Attributes:
        owner: Kind and name of its workload.
        namespace: Where it lives.
        labels: Its labels.
        spec: Its `spec`; empty for a stranger.
    """

    owner: str
    namespace: str
    labels: Mapping[str, str]
    spec: Json

    @property
    def containers(self) -> Sequence[Json]:
        """Every container, those that run before the others included."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


@cache
def stack(name: str) -> tuple[Rendered, ...]:
    """A committed stack; plain data, so that it can be shared by tests."""
    return render(document(name), stack=name)


def pods(rendered: Sequence[Rendered]) -> tuple[Pod, ...]:
    """Every pod that a workload of any kind makes."""
    return tuple(_pods(rendered))


def _pods(rendered: Sequence[Rendered]) -> Iterator[Pod]:
    for item in rendered:
        template = item.inputs.get("spec", {}).get("template", {})
        if "containers" in template.get("spec", {}):
            metadata = item.inputs["metadata"]
            yield Pod(
                owner=f"{item.inputs['kind']} {metadata['name']}",
                namespace=metadata["namespace"],
                labels=template["metadata"]["labels"],
                spec=template["spec"],
            )


def pod(rendered: Sequence[Rendered], owner: str) -> Pod:
    """The pod of an owner, such as `Deployment akko-akko-vllm`, or whose owner begins so."""
    same = [each for each in pods(rendered) if each.owner == owner]
    (found,) = same or [each for each in pods(rendered) if each.owner.startswith(owner)]
    return found


def servers(rendered: Sequence[Rendered]) -> tuple[Json, ...]:
    """Deployments that clients stream from: gateway and engines, which drain.

    The gateway's own database and counters are stores: whoever asks them waits milliseconds, so
    they end at once, and the gateway asks again.
    """
    return tuple(
        each
        for each in of_kind(rendered, "Deployment")
        if each["metadata"]["labels"]["app.kubernetes.io/component"] not in STORES
    )


def one(rendered: Sequence[Rendered], kind: str, name: str) -> Json:
    """The object of a kind and name."""
    (found,) = [item for item in of_kind(rendered, kind) if item["metadata"]["name"] == name]
    return found


def gateway_config(rendered: Sequence[Rendered]) -> dict[str, Any]:
    """LiteLLM's configuration as its pod mounts it."""
    spec = pod(rendered, "Deployment akko-akko-litellm").spec
    (name,) = [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume]
    return yaml.safe_load(one(rendered, "ConfigMap", name)["data"]["config.yaml"])


def plan_of(rendered: Sequence[Rendered], spec: Json) -> dict[str, Any]:
    """The plan that a pod's program for weights reads."""
    (volume,) = [each for each in spec["volumes"] if each["name"] == "plan"]
    (item,) = volume["configMap"]["items"]
    assert item["path"] == "plan.json"
    return json.loads(one(rendered, "ConfigMap", volume["configMap"]["name"])["data"][item["key"]])


def environment(container: Json) -> dict[str, str | None]:
    """Values of a container's variables; None for one that comes from elsewhere."""
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches, as Kubernetes reads it; an empty one matches all."""
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _expression(expression, labels) for expression in selector.get("matchExpressions", [])
    )


def _expression(expression: Json, labels: Mapping[str, str]) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    if operator == "In":
        return value in expression["values"]
    if operator == "NotIn":
        return value not in expression["values"]
    raise NotImplementedError(operator)
