"""Names that more than one part of the platform has to agree on: labels, ports, GPU resource."""

from typing import Literal

PART_OF = "inference-platform"

GATEWAY_PORT = 4000
"""Port of the LiteLLM gateway, as clients use it today (row A1 of the systems table)."""
VLLM_PORT = 8000
"""Port of vLLM's API server, its default (row A2)."""
OLLAMA_PORT = 11434
"""Port of Ollama's API server, its default."""
METRICS_PORT = 4001
"""Port of the gateway's metrics, which ask for no key: monitoring alone reaches it."""
POSTGRES_PORT = 5432
REDIS_PORT = 6379
"""Ports of the gateway's own stores, their defaults."""

GROUP_LABEL = "leaderworkerset.sigs.k8s.io/group-index"
RANK_LABEL = "leaderworkerset.sigs.k8s.io/worker-index"
"""Labels by which LeaderWorkerSet numbers its groups, and the pods of a group; its leader is 0."""

TRAFFIC = "inference-platform/traffic"
"""Label on a server's pods: `interactive`, or `batch`, which gives way to it."""

WEIGHTS = "inference-platform/weights"
"""Label on a server's pods: which revisions they read, as digits that stand for them."""

GPU_RESOURCE = "nvidia.com/gpu"
"""Extended resource of NVIDIA's device plugin; also the key of the taint on GPU nodes."""

DOCUMENT_KEY = "inference-platform/document-key"
"""Annotation on workloads: the key of the stack document they were rendered from.

A policy that refuses the workload repeats it, so that the message names the key to change.
"""

ARCHITECTURE_OVERRIDE = "inference-platform/architecture-override"
"""Annotation on workloads: `Own served as Other`, where a model's architecture is not known and the
document says what to take it for, so that its plan is a guess."""

HOSTS_OUTSIDE = "inference-platform/hosts-outside"
"""Annotation on the gateway: the hosts of providers that prompts may go to, with commas between."""

KEY_DIGEST = "inference-platform/key-digest"
"""Annotation on the gateway: some of the SHA-256 of the master key that the stack has made, so that
another value replaces the pods, which read it once."""

IDLE_FALLBACK = "inference-platform/idle-fallback"
"""Annotation on an autoscaler that may end the last server: the alias that answers meanwhile."""

START_SECONDS = "inference-platform/start-seconds"
"""Annotation on an autoscaler: how long a start of what it scales takes at most, by the plan."""

PRELOAD_PROGRAM = "components.programs.preload"
"""The module that fetches, checks, copies and collects weights in pods."""

STATE_PROGRAM = "components.programs.gateway_state"
"""The module that makes the gateway's teams and keys what the document says."""

ENVIRONMENT = "inference-platform/environment"
"""Label on namespace, workloads and pods: which tier they belong to (row C8)."""

Environment = Literal["development", "production"]

Role = Literal[
    "engine", "gateway", "preload", "collect", "database", "counters", "migration", "state"
]


def selector(app: str, instance: str, role: Role) -> dict[str, str]:
    """Labels that select the pods of one workload; they never change during its life."""
    return {
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/component": role,
    }


def labels(app: str, instance: str, role: Role) -> dict[str, str]:
    """All labels of one workload's objects."""
    return {
        **selector(app, instance, role),
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/managed-by": "pulumi",
    }


def document_key(*path: str) -> dict[str, str]:
    """The annotation that leads from a workload back to the stack document.

    Args:
        path: Keys below `inference:platform`, outermost first.
    """
    return {DOCUMENT_KEY: ".".join(("inference:platform", *path))}
