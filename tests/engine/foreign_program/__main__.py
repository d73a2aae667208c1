"""Workloads as other people write them, none of them with our components, labels or annotations.

The configuration `foreign:workloads` names which ones a stack has.
"""

from collections.abc import Callable, Mapping
from typing import cast

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import EnvVarArgsDict, Namespace, PodSpecArgsDict, Service

DIGEST = "sha256:" + "5e" * 32
VLLM = f"docker.io/vllm/vllm-openai:v0.31.0@{DIGEST}"
LITELLM = f"ghcr.io/berriai/litellm:v1.80.0@{DIGEST}"
LITERAL = "not-a-real-key-0451"
LENGTH = "--max-model-len=4096"


def main() -> None:
    """Render what the configuration names."""
    for name in cast("list[str]", pulumi.Config("foreign").require_object("workloads")):
        WORKLOADS[name](name)


HEALTH = {"http_get": {"path": "/health", "port": 8000}, "timeout_seconds": 5}
SERVER: Mapping[str, object] = {
    "image": VLLM,
    "resources": {"limits": {"nvidia.com/gpu": "1"}},
    "startup_probe": {**HEALTH, "failure_threshold": 60},
    "readiness_probe": HEALTH,
    "lifecycle": {"pre_stop": {"sleep": {"seconds": 15}}},
    "volume_mounts": [{"name": "cache", "mount_path": "/root/.cache/huggingface"}],
}
"""A container of vLLM as it should be, but for its arguments."""
ARGUMENTS = ("org/model", "--gpu-memory-utilization=0.9", "--shutdown-timeout=60")
SERVER_POD: Mapping[str, object] = {
    "node_selector": {"pool": "gpu"},
    "termination_grace_period_seconds": 90,
    "volumes": [{"name": "cache", "persistent_volume_claim": {"claim_name": "cache"}}],
}


def deployment(
    name: str, container: Mapping[str, object], pod: Mapping[str, object] | None = None
) -> None:
    """A Deployment with one container."""
    labels = {"app": name}
    Deployment(
        name,
        metadata={"name": name},
        spec={
            "selector": {"match_labels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": cast(
                    "PodSpecArgsDict",
                    {"containers": [{"name": "it", **container}], **(pod or {})},
                ),
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


def vllm(*args: pulumi.Input[str], **other: object) -> Callable[[str], None]:
    """A vLLM server with further arguments and other keys of its container."""
    container = {**SERVER, "args": [*ARGUMENTS, *args], **other}
    return lambda name: deployment(name, container, SERVER_POD)


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
    vllm(LENGTH, image=later("docker.io/vllm/vllm-openai@sha256:"))(name)


WORKLOADS: Mapping[str, Callable[[str], None]] = {
    "safe-vllm": vllm(LENGTH),
    "safe-litellm": litellm(from_secret("LITELLM_MASTER_KEY", optional=False)),
    "safe-service": lambda name: service(name, "ClusterIP", "safe-vllm"),
    "public-vllm": lambda name: service(name, "LoadBalancer", "safe-vllm"),
    "litellm-without-key": litellm(),
    "litellm-with-optional-key": litellm(from_secret("LITELLM_MASTER_KEY", optional=True)),
    "auto-length": vllm("--max-model-len", "auto"),
    "untagged-image": lambda name: deployment(name, {"image": "docker.io/library/busybox"}),
    "key-in-env": vllm(LENGTH, env=[{"name": "API_KEY", "value": LITERAL}]),
    "key-in-args": vllm(LENGTH, "--api-key", LITERAL),
    "longer-than-its-model": vllm(LENGTH, "--hf-overrides.rope_parameters.factor=4"),
    "idle-gpu": vllm(LENGTH, resources={"limits": {"nvidia.com/gpu": "2"}}),
    "no-shm": vllm(
        LENGTH,
        "--tensor-parallel-size=2",
        resources={"limits": {"nvidia.com/gpu": "2"}},
    ),
    "on-ray": vllm(LENGTH, "--distributed-executor-backend=ray"),
    "no-probes": vllm(LENGTH, startup_probe=None),
    "no-drain": vllm(LENGTH, lifecycle=None),
    "no-cache": vllm(LENGTH, volume_mounts=None),
    "squatter": lambda name: deployment(
        name,
        {"image": f"docker.io/library/busybox@{DIGEST}"},
        {"tolerations": [{"key": "nvidia.com/gpu"}]},
    ),
    "later-image": later_image,
    "later-args": vllm(LENGTH, later("--seed=")),
    "later-type": lambda name: service(name, later("Cluster"), "safe-vllm"),
}

main()
