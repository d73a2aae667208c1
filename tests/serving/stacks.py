"""What the serving tests take from the stacks: the containers of vLLM and LiteLLM, as rendered.

`_objects` is THE ONE PLACE where committed stacks come in; it gives the objects that a stack would
send to the API server. Everything else in this folder reads the containers found in them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from tests.rendering import STACKS, document, render

__all__ = ["MASTER_KEY", "STACKS", "Container", "engines", "gateway", "gateway_of"]

MASTER_KEY = "akko-dev-litellm-key"
"""Row A2; what every Secret of a container holds in these tests."""


@dataclass(frozen=True)
class Container:
    """One rendered container.

    Attributes:
        workload: Name of its Deployment.
        args: Its `args`, what stands after the image's own entry point.
        environment: Its environment, with a test value for each Secret.
        readiness_path: Path of its readiness probe.
        liveness_path: Path of its liveness probe.
        config: Its mounted `config.yaml`; empty where it has none.
        hooks: Other files beside it.
    """

    workload: str
    args: tuple[str, ...]
    environment: Mapping[str, str]
    readiness_path: str
    liveness_path: str
    config: Mapping[str, Any]
    hooks: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def aliases(self) -> frozenset[str]:
        """The model names that clients may ask a gateway for."""
        own = {entry["model_name"] for entry in self.config["model_list"]}
        return frozenset(own | self.config["router_settings"].get("model_group_alias", {}).keys())


@cache
def engines(stack: str) -> tuple[Container, ...]:
    """The vLLM containers of a committed stack.

    Args:
        stack: Its name.
    """
    return tuple(_containers(_objects(stack), "vllm"))


@cache
def gateway(stack: str) -> Container:
    """The LiteLLM container of a committed stack.

    Args:
        stack: Its name.
    """
    (only,) = _containers(_objects(stack), "litellm")
    return only


def gateway_of(value: Mapping[str, Any]) -> Container:
    """The LiteLLM container of another document.

    Args:
        value: The document.
    """
    rendered = render(value, gateway_key=MASTER_KEY)
    (only,) = _containers([item.inputs for item in rendered], "litellm")
    return only


@cache
def _objects(stack: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of a committed stack, as they would go to the API server."""
    rendered = render(document(stack), stack=stack, gateway_key=MASTER_KEY)
    return tuple(item.inputs for item in rendered)


def _containers(objects: Sequence[Mapping[str, Any]], name: str) -> Iterator[Container]:
    """The Deployments' containers of that name."""
    files = {
        item["metadata"]["name"]: item["data"]
        for item in objects
        if item.get("kind") == "ConfigMap"
    }
    for item in objects:
        if item.get("kind") != "Deployment":
            continue
        pod = item["spec"]["template"]["spec"]
        mounted = [
            files[volume["configMap"]["name"]]
            for volume in pod["volumes"]
            if "config.yaml" in files.get(volume.get("configMap", {}).get("name"), {})
        ]
        config: dict[str, Any] = yaml.safe_load(mounted[0]["config.yaml"]) if mounted else {}
        for container in pod["containers"]:
            if container["name"] == name:
                yield Container(
                    workload=item["metadata"]["name"],
                    args=tuple(container["args"]),
                    environment={
                        variable["name"]: variable.get("value", MASTER_KEY)
                        for variable in container["env"]
                    },
                    readiness_path=container["readinessProbe"]["httpGet"]["path"],
                    liveness_path=container["livenessProbe"]["httpGet"]["path"],
                    config=config,
                    hooks={
                        name: text
                        for each in mounted
                        for name, text in each.items()
                        if name != "config.yaml"
                    },
                )
