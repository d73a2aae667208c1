"""One model on vLLM: its server, its arguments, and the Job that brings its weights.

Owns the Deployment, its Service and its network policy. The weights' volume is `model_cache`'s, the
nodes are `node_pools`'.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, VolumeArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components.core.conventions import GPU_RESOURCE, VLLM_PORT
from components.core.drain import DrainChain
from components.core.engine_args import ServeArguments, ServeEnvironment
from components.core.images import image
from components.document.host import HostShare
from components.document.vllm_model import VllmServerSettings
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

_MODELS = "/models"
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
        claim_name: pulumi.Input[str],
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
            policy_spec(who.selector, ingress_rules=[ingress(callers, VLLM_PORT)]),
            child,
        )
        shared = settings.cache.access_mode == "ReadWriteMany"
        replicas = Replicas(
            count=settings.replicas,
            strategy=rollout(surge=shared and placement.spare_gpus >= settings.tensor_parallel),
            grace_seconds=drain.pod_grace_seconds,
            start_seconds=_NODE_SECONDS + settings.startup_seconds,
        )
        pod = server_pod(name, settings, placement.host, drain, claim_name)
        self.service_name = server(who, replicas, pod, VLLM_PORT, child).metadata.name
        self.register_outputs({"service_name": self.service_name})


def serve_arguments(alias: str, settings: VllmServerSettings, drain: DrainChain) -> ServeArguments:
    """The engine's arguments; it answers to its alias and, for direct clients, to its hub id."""
    return ServeArguments(
        model=_model_path(settings),
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
        extra_args=_served_as(settings),
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
    claim_name: pulumi.Input[str],
) -> PodSpecArgsDict:
    """The server's pod: weights read-only, everything else it writes in scratch folders.

    What lies in /dev/shm counts against the container's memory, whose limit includes it.
    """
    container: ContainerArgsDict = {
        "name": "vllm",
        "image": settings.image or image("vllm"),
        "args": list(serve_arguments(alias, settings, drain).render()),
        "env": environment(serve_environment(settings).render()),
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
            {"name": "models", "mount_path": _MODELS, "read_only": True},
            *mounts(home=_HOME, tmp="/tmp", shm="/dev/shm"),
        ],
    }
    pod = hardened_pod(
        [container],
        [
            _models_volume(claim_name),
            scratch("home", "10Gi"),
            scratch("tmp", "5Gi"),
            scratch("shm", f"{host.shm_gib}Gi", memory=True),
        ],
        uid=USER,
        group=GROUP,
    )
    return {
        **pod,
        "node_selector": {"karpenter.sh/nodepool": settings.pool},
        "tolerations": [{"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}],
    }


def preload_pod(settings: VllmServerSettings, claim_name: str) -> PodSpecArgsDict:
    """The pod that downloads the pinned revision into the cache, by the hub client of the image.

    A flat folder a revision, so that an older one stays whole while its servers still run. The
    second step holds every file against the hub: where the hub does not answer, the first one calls
    a half-filled folder a success.
    """

    def step(name: str, *command: str) -> ContainerArgsDict:
        return {
            "name": name,
            "image": settings.image or image("vllm"),
            "command": ["hf", *command, settings.source],
            "args": [f"--revision={settings.revision}", f"--local-dir={_model_path(settings)}"],
            "env": environment(
                {"HOME": "/tmp", "HF_HOME": "/tmp/hf", "HF_HUB_DISABLE_TELEMETRY": "1"}
            ),
            "resources": resources(1, 4),
            "volume_mounts": mounts(models=_MODELS, tmp="/tmp"),
        }

    return hardened_pod(
        [step("verify", "cache", "verify", "--fail-on-missing-files")],
        [_models_volume(claim_name), scratch("tmp", "5Gi")],
        uid=USER,
        group=GROUP,
        init_containers=[step("download", "download")],
    )


def _model_path(settings: VllmServerSettings) -> str:
    """Where this revision lies on the cache volume."""
    return f"{_MODELS}/{settings.source}/{settings.revision}"


def _models_volume(claim_name: pulumi.Input[str]) -> VolumeArgsDict:
    return {"name": "models", "persistent_volume_claim": {"claim_name": claim_name}}
