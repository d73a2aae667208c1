"""The pods of a vLLM server, alone or in a group; pure builders."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvVarArgsDict,
    PodSpecArgsDict,
    ResourceRequirementsArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)

from components.core.conventions import GPU_RESOURCE, VLLM_PORT
from components.core.drain import DrainChain
from components.core.engine_args import ServeEnvironment
from components.core.images import image
from components.document.host import HostShare
from components.document.plans import ModelPlan
from components.document.serve_line import TEMPLATES, serve_arguments
from components.document.vllm_model import VllmServerSettings
from components.engine_keys import keys_environment, keys_mounts, keys_volumes
from components.model_mount import ModelMount
from components.pods import (
    environment,
    hardened_pod,
    http_probe,
    liveness_probe,
    mounts,
    resources,
    scratch,
)
from components.preflight import preflight_container, preflight_volume
from components.volumes import claimed
from components.workloads import HTTP

USER, GROUP = 2000, 0
"""User `vllm` of the image; folders under its home belong to group 0, others are unsupported."""

_HOME = "/home/vllm"
_PROBE_PERIOD_SECONDS = 10
_KEEP_ALIVE_SECONDS = 120
"""Longer than any client keeps an idle connection, else requests meet a closed one."""
_EFA_RESOURCE = "vpc.amazonaws.com/efa"
_EFA = {"FI_EFA_USE_DEVICE_RDMA": "1", "FI_EFA_USE_HUGE_PAGE": "0"}
"""Huge pages are a resource that Karpenter does not know (kubernetes-sigs/karpenter issue 751)."""


@dataclass(frozen=True)
class PodParts:
    """What the pods of one server are made from.

    Attributes:
        found: The model's settings and plan.
        drain: The timing chain.
        mount: How the pods get at the weights.
        priority_class: Of the pods.
        preflight: ConfigMap of the GPU preflight.
        template: ConfigMap of a chat template of one's own.
        compiled: Claim for compiled kernels.
        keys: ConfigMap of the program that asks for keys.
    """

    found: ModelPlan
    drain: DrainChain
    mount: ModelMount
    priority_class: str
    preflight: str
    template: str | None = None
    compiled: str | None = None
    keys: str | None = None

    @property
    def settings(self) -> VllmServerSettings:
        """The model's settings."""
        return self.found.settings

    @property
    def host(self) -> HostShare:
        """What each pod gets of its node."""
        if self.found.host is None:
            raise ValueError(f"{self.found.alias} has no plan")
        return self.found.host


def server_pod(parts: PodParts) -> PodSpecArgsDict:
    """The pod that answers: weights read-only, everything else it writes in scratch folders."""
    return _pod(parts, _answering(parts, _engine(parts)))


def leader_pod(parts: PodParts) -> PodSpecArgsDict:
    """The pod of a group that answers, and to which the others report."""
    return _pod(parts, _answering(parts, _engine(parts, *_rank("0"))))


def follower_pod(parts: PodParts) -> PodSpecArgsDict:
    """A pod of a group that holds some of the layers; it has no port, so it has no probes.

    It outlives its leader: the streams that drain there need its layers.
    """
    container = _engine(parts, *_rank("$(LWS_WORKER_INDEX)"), "--headless")
    seconds = parts.drain.follower_pre_stop_seconds
    return _pod(parts, {**container, "lifecycle": {"pre_stop": {"sleep": {"seconds": seconds}}}})


def _rank(number: str) -> tuple[str, str]:
    """A pod's place in its group; LeaderWorkerSet sets the variables of both words."""
    return f"--node-rank={number}", "--master-addr=$(LWS_LEADER_ADDRESS)"


def _engine(parts: PodParts, *more: str) -> ContainerArgsDict:
    """The engine's container without what clients meet.

    What lies in /dev/shm counts against the container's memory, whose limit includes it.
    """
    settings = parts.settings
    arguments = serve_arguments(parts.found.alias, settings, parts.found.parts, parts.drain)
    template: list[VolumeMountArgsDict] = (
        [{"name": "template", "mount_path": TEMPLATES, "read_only": True}] if parts.template else []
    )
    return {
        "name": "vllm",
        "image": image_of(settings),
        "args": [*arguments.render(), *more],
        "env": _variables(parts),
        "resources": _resources(parts),
        "volume_mounts": [
            *parts.mount.mounts,
            *template,
            *mounts(home=_HOME, tmp="/tmp", shm="/dev/shm"),
            *(mounts(compiled=f"{_HOME}/.cache/vllm") if parts.compiled else []),
            *(keys_mounts() if parts.keys else []),
        ],
    }


def _answering(parts: PodParts, container: ContainerArgsDict) -> ContainerArgsDict:
    """The container with what clients, the kubelet and a roll-out meet."""
    return {
        **container,
        "ports": [{"name": HTTP, "container_port": VLLM_PORT}],
        "startup_probe": http_probe(
            "/health",
            HTTP,
            period=_PROBE_PERIOD_SECONDS,
            failures=math.ceil(parts.host.startup_seconds / _PROBE_PERIOD_SECONDS),
        ),
        "readiness_probe": http_probe("/health", HTTP, period=5, failures=3),
        "liveness_probe": liveness_probe("/health", HTTP),
        "lifecycle": {"pre_stop": {"sleep": {"seconds": parts.drain.pre_stop_seconds}}},
    }


def _variables(parts: PodParts) -> list[EnvVarArgsDict]:
    """The engine's variables; its weights are there already, so it never asks the hub."""
    values = ServeEnvironment(
        home=_HOME,
        startup_seconds=parts.host.startup_seconds,
        keep_alive_seconds=_KEEP_ALIVE_SECONDS,
    ).render() | dict(parts.mount.environment)
    if parts.keys:
        values |= keys_environment()
    if parts.settings.nodes == 1:
        return environment(values)
    # The engine listens for its group on this address alone, not on every one of the pod.
    own: EnvVarArgsDict = {
        "name": "VLLM_HOST_IP",
        "value_from": {"field_ref": {"field_path": "status.podIP"}},
    }
    return [own, *environment({**values, **_collectives(parts.settings)})]


def _collectives(settings: VllmServerSettings) -> dict[str, str]:
    """How NCCL finds the other nodes: by EFA where there is one, else by the pod's own network."""
    common = {"NCCL_DEBUG": "WARN", "NCCL_SOCKET_IFNAME": "^lo"}
    if settings.efa_devices:
        return {**common, "FI_PROVIDER": "efa", **_EFA}
    return {**common, "NCCL_IB_DISABLE": "1"}


def image_of(settings: VllmServerSettings) -> str:
    """The engine's image: the document's, or the locked one."""
    return settings.image or image("vllm")


def _resources(parts: PodParts) -> ResourceRequirementsArgsDict:
    settings, host = parts.settings, parts.host
    devices = _network_devices(settings)
    return resources(host.cpu, host.memory_gib, gpus=settings.gpus_per_node, more=devices)


def _network_devices(settings: VllmServerSettings) -> Mapping[str, str]:
    if not settings.efa_devices:
        return {}
    return {_EFA_RESOURCE: str(settings.efa_devices)}


def _keys(parts: PodParts) -> list[VolumeArgsDict]:
    secret = parts.settings.api_key
    return keys_volumes(parts.keys, secret) if parts.keys and secret else []


def _pod(parts: PodParts, container: ContainerArgsDict) -> PodSpecArgsDict:
    template: list[VolumeArgsDict] = (
        [{"name": "template", "config_map": {"name": parts.template}}] if parts.template else []
    )
    pod = hardened_pod(
        [container],
        [
            *parts.mount.volumes,
            preflight_volume(parts.preflight),
            *([claimed("compiled", parts.compiled)] if parts.compiled else []),
            *template,
            *_keys(parts),
            scratch("home", "10Gi"),
            scratch("tmp", "5Gi"),
            scratch("shm", f"{parts.host.shm_gib}Gi", memory=True),
        ],
        uid=USER,
        group=GROUP,
        # A missing GPU is found before weights are read, or copied.
        init_containers=[
            preflight_container(image_of(parts.settings), _resources(parts)),
            *parts.mount.init_containers,
        ],
    )
    return {
        **pod,
        "priority_class_name": parts.priority_class,
        "node_selector": {
            "karpenter.sh/nodepool": parts.settings.pool,
            **parts.mount.node_labels,
        },
        "tolerations": [{"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}],
    }
