"""Workloads as other people write them, none of them with our components, labels or annotations.

The configuration `foreign:workloads` names which ones a stack has.
"""

from collections.abc import Callable, Mapping
from typing import cast

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ContainerArgsDict, EnvVarArgsDict, Namespace, Service

DIGEST = "sha256:" + "5e" * 32
VLLM = f"docker.io/vllm/vllm-openai:v0.31.0@{DIGEST}"
LITELLM = f"ghcr.io/berriai/litellm:v1.80.0@{DIGEST}"
LITERAL = "not-a-real-key-0451"
LENGTH = "--max-model-len=4096"


def main() -> None:
    """Render what the configuration names."""
    for name in cast("list[str]", pulumi.Config("foreign").require_object("workloads")):
        WORKLOADS[name](name)


def deployment(name: str, container: Mapping[str, object]) -> None:
    """A Deployment with one container."""
    labels = {"app": name}
    Deployment(
        name,
        metadata={"name": name},
        spec={
            "selector": {"match_labels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [cast("ContainerArgsDict", {"name": "it", **container})]},
            },
        },
    )


def service(name: str, kind: pulumi.Input[str], selected: str) -> None:
    """A Service for the pods of another workload, on vLLM's port."""
    Service(
        name,
        metadata={"name": name},
        spec={"type": kind, "selector": {"app": selected}, "ports": [{"port": 8000}]},
    )


def vllm(*args: pulumi.Input[str]) -> Callable[[str], None]:
    """A vLLM server with these arguments."""
    return lambda name: deployment(name, {"image": VLLM, "args": ["org/model", *args]})


def litellm(*env: EnvVarArgsDict) -> Callable[[str], None]:
    """A gateway with this environment."""
    return lambda name: deployment(
        name, {"image": LITELLM, "args": ["--config=/c.yaml"], "env": env}
    )


def from_secret(variable: str, *, optional: bool) -> EnvVarArgsDict:
    """A variable from a Secret."""
    reference = {"name": "keys", "key": "master", "optional": optional}
    return cast("EnvVarArgsDict", {"name": variable, "value_from": {"secret_key_ref": reference}})


def later(text: str) -> pulumi.Output[str]:
    """A text that nobody knows before the deployment: it holds the id of another resource."""
    registry = Namespace(f"for-{text}")
    return pulumi.Output.concat(text, registry.id)


def later_image(name: str) -> None:
    """An image that is decided while deploying."""
    deployment(name, {"image": later("docker.io/vllm/vllm-openai@sha256:"), "args": [LENGTH]})


WORKLOADS: Mapping[str, Callable[[str], None]] = {
    "safe-vllm": vllm(LENGTH),
    "safe-litellm": litellm(from_secret("LITELLM_MASTER_KEY", optional=False)),
    "safe-service": lambda name: service(name, "ClusterIP", "safe-vllm"),
    "public-vllm": lambda name: service(name, "LoadBalancer", "safe-vllm"),
    "litellm-without-key": litellm(),
    "litellm-with-optional-key": litellm(from_secret("LITELLM_MASTER_KEY", optional=True)),
    "auto-length": vllm("--max-model-len", "auto"),
    "untagged-image": lambda name: deployment(name, {"image": "docker.io/library/busybox"}),
    "key-in-env": lambda name: deployment(
        name, {"image": VLLM, "args": [LENGTH], "env": [{"name": "API_KEY", "value": LITERAL}]}
    ),
    "key-in-args": vllm(LENGTH, "--api-key", LITERAL),
    "later-image": later_image,
    "later-args": vllm(LENGTH, later("--seed=")),
    "later-type": lambda name: service(name, later("Cluster"), "safe-vllm"),
}

main()
