"""One model on vLLM: its server and its arguments.

Owns the workload, its Service and its network policy. The weights' volume and the Jobs that fill it
are `model_cache`'s, the nodes are `node_pools`'.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components.core.conventions import GPU_RESOURCE, VLLM_PORT
from components.core.drain import DrainChain
from components.core.engine_args import ServeArguments, ServeEnvironment
from components.core.images import image
from components.document.host import HostShare
from components.document.vllm_model import VllmServerSettings
from components.model_mount import ModelMount, loader_arguments, weights_path
from components.network import ingress, network_policy, policy_spec
from components.pods import (
    environment,
    hardened_pod,
    http_probe,
    liveness_probe,
    mounts,
    resources,
    rollout,
    scratch,
)
from components.workloads import HTTP, Identity, Replicas, server

USER, GROUP = 2000, 0
"""User `vllm` of the image; folders under its home belong to group 0, others are unsupported."""

_HOME = "/home/vllm"
_PROBE_PERIOD_SECONDS = 10
_NODE_SECONDS = 900
"""Until a new GPU node has joined and pulled the 9 GB image: 511 s were measured for a cold node
(284 s provisioning, 126 s initialisation, 101 s image), with room for a second try."""
_KEEP_ALIVE_SECONDS = 120
"""Longer than any client keeps an idle connection, else requests meet a closed one."""


@dataclass(frozen=True)
class Placement:
    """Where replicas go.

    Attributes:
        host: What each of them gets of its node, by the plan.
        spare_gpus: GPUs that the pool may still add when all of them run.
    """

    host: HostShare
    spare_gpus: int


class VllmServer(pulumi.ComponentResource):
    """A vLLM Deployment that only the gateway, monitoring and named clients may reach."""

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: VllmServerSettings,
        *,
        who: Identity,
        mount: ModelMount,
        callers: Sequence[NetworkPolicyPeerArgsDict],
        drain: DrainChain,
        placement: Placement,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:serving:VllmServer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        network_policy(
            who.name,
            who.namespace,
            policy_spec(
                who.selector,
                ingress_rules=[ingress(callers, VLLM_PORT)],
                egress_rules=mount.egress,
            ),
            child,
        )
        replicas = Replicas(
            count=settings.replicas,
            strategy=rollout(
                surge=mount.surges and placement.spare_gpus >= settings.tensor_parallel
            ),
            grace_seconds=drain.pod_grace_seconds,
            start_seconds=_NODE_SECONDS + settings.startup_seconds,
        )
        pod = server_pod(name, settings, placement.host, drain, mount)
        service = server(
            who,
            replicas,
            pod,
            VLLM_PORT,
            child,
            claim_templates=mount.claim_templates,
            account_annotations=mount.account_annotations,
        )
        self.service_name = service.metadata.name
        self.register_outputs({"service_name": self.service_name})


def serve_arguments(alias: str, settings: VllmServerSettings, drain: DrainChain) -> ServeArguments:
    """The engine's arguments; it answers to its alias and, for direct clients, to its hub id."""
    return ServeArguments(
        model=weights_path(
            settings.cache, settings.service_name, settings.source, settings.revision
        ),
        served_model_names=(alias, settings.source),
        max_model_len=settings.max_model_len,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        tensor_parallel_size=settings.tensor_parallel,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        kv_cache_dtype=settings.kv_cache_dtype,
        quantization=settings.quantization,
        dtype=settings.dtype,
        enforce_eager=settings.enforce_eager,
        extra_args=(*_served_as(settings), *loader_arguments(settings.cache)),
        port=VLLM_PORT,
        shutdown_timeout_seconds=drain.shutdown_timeout_seconds,
    )


def _served_as(settings: VllmServerSettings) -> tuple[str, ...]:
    """The engine serves the model as what it was planned as, not as what it guesses."""
    if settings.architecture is None:
        return ()
    override = json.dumps({"architectures": [settings.architecture]}, separators=(",", ":"))
    return (f"--hf-overrides={override}",)


def serve_environment(settings: VllmServerSettings) -> ServeEnvironment:
    """The engine's variables; its weights are there already, so it never asks the hub."""
    return ServeEnvironment(
        home=_HOME,
        startup_seconds=settings.startup_seconds,
        keep_alive_seconds=_KEEP_ALIVE_SECONDS,
    )


def server_pod(
    alias: str,
    settings: VllmServerSettings,
    host: HostShare,
    drain: DrainChain,
    mount: ModelMount,
) -> PodSpecArgsDict:
    """The server's pod: weights read-only, everything else it writes in scratch folders.

    What lies in /dev/shm counts against the container's memory, whose limit includes it.
    """
    container: ContainerArgsDict = {
        "name": "vllm",
        "image": settings.image or image("vllm"),
        "args": list(serve_arguments(alias, settings, drain).render()),
        "env": environment({**serve_environment(settings).render(), **mount.environment}),
        "ports": [{"name": HTTP, "container_port": VLLM_PORT}],
        "resources": resources(host.cpu, host.memory_gib, gpus=settings.tensor_parallel),
        "startup_probe": http_probe(
            "/health",
            HTTP,
            period=_PROBE_PERIOD_SECONDS,
            failures=math.ceil(settings.startup_seconds / _PROBE_PERIOD_SECONDS),
        ),
        "readiness_probe": http_probe("/health", HTTP, period=5, failures=3),
        "liveness_probe": liveness_probe("/health", HTTP),
        "lifecycle": {"pre_stop": {"sleep": {"seconds": drain.pre_stop_seconds}}},
        "volume_mounts": [
            *mount.mounts,
            *mounts(home=_HOME, tmp="/tmp", shm="/dev/shm"),
        ],
    }
    pod = hardened_pod(
        [container],
        [
            *mount.volumes,
            scratch("home", "10Gi"),
            scratch("tmp", "5Gi"),
            scratch("shm", f"{host.shm_gib}Gi", memory=True),
        ],
        uid=USER,
        group=GROUP,
        init_containers=mount.init_containers,
    )
    return {
        **pod,
        "node_selector": {"karpenter.sh/nodepool": settings.pool, **mount.node_labels},
        "tolerations": [{"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}],
    }
