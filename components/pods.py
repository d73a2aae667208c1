"""What every pod of the platform shares: hardening, scratch folders, spread, roll-out."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pulumi_kubernetes.apps.v1 import DeploymentStrategyArgsDict
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvVarArgsDict,
    PodSpecArgsDict,
    ProbeArgsDict,
    ResourceRequirementsArgsDict,
    SecurityContextArgsDict,
    TopologySpreadConstraintArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)

from components.core.conventions import GPU_RESOURCE

_CONTAINER_SECURITY: SecurityContextArgsDict = {
    "allow_privilege_escalation": False,
    "read_only_root_filesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def hardened_pod(
    containers: Sequence[ContainerArgsDict],
    volumes: Sequence[VolumeArgsDict],
    *,
    uid: int,
    group: int,
    init_containers: Sequence[ContainerArgsDict] = (),
) -> PodSpecArgsDict:
    """A pod that passes the Pod Security Standard "restricted", with read-only root file systems.

    It gets neither an API token nor service links: those would hand vLLM a `VLLM_PORT=tcp://...`
    that stops it at start-up.

    Args:
        containers: Its containers; their security context is set here.
        volumes: Its volumes.
        uid: User of every container.
        group: Primary group, and owner of the volumes.
        init_containers: Run one after the other before the containers.
    """
    return {
        "automount_service_account_token": False,
        "enable_service_links": False,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": uid,
            "run_as_group": group,
            "fs_group": group,
            "fs_group_change_policy": "OnRootMismatch",
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "init_containers": [_hardened(container) for container in init_containers],
        "containers": [_hardened(container) for container in containers],
        "volumes": list(volumes),
    }


def _hardened(container: ContainerArgsDict) -> ContainerArgsDict:
    return {**container, "security_context": _CONTAINER_SECURITY}


def scratch(name: str, size_limit: str, *, memory: bool = False) -> VolumeArgsDict:
    """An empty writable folder; `size_limit` is a quantity such as `1Gi`."""
    if memory:
        return {"name": name, "empty_dir": {"size_limit": size_limit, "medium": "Memory"}}
    return {"name": name, "empty_dir": {"size_limit": size_limit}}


def mounts(**paths: str) -> list[VolumeMountArgsDict]:
    """Writable volume mounts, path by volume name."""
    return [{"name": name, "mount_path": path} for name, path in paths.items()]


def environment(values: Mapping[str, str]) -> list[EnvVarArgsDict]:
    """Plain environment variables; credentials come by secretKeyRef instead."""
    return [{"name": name, "value": value} for name, value in values.items()]


def resources(
    cpu: int,
    memory_gib: int,
    *,
    gpus: int = 0,
    disk_gib: int = 0,
    more: Mapping[str, str] = MappingProxyType({}),
) -> ResourceRequirementsArgsDict:
    """Requests and limits: memory, disk and GPUs equal in both, CPU may burst (no throttling).

    Args:
        cpu: Requested CPUs.
        memory_gib: Memory in GiB.
        gpus: Whole GPUs.
        disk_gib: Disk of the node that the pod's own folders and logs may take, GiB; 0 for no say.
        more: Further resources as quantities, equal in both.
    """
    firm = {"memory": f"{memory_gib}Gi", **more}
    if gpus:
        firm[GPU_RESOURCE] = str(gpus)
    if disk_gib:
        firm["ephemeral-storage"] = f"{disk_gib}Gi"
    return {"requests": {"cpu": str(cpu), **firm}, "limits": dict(firm)}


def liveness_probe(path: str, port: str) -> ProbeArgsDict:
    """Ends a server that is silent for a minute, and then without the long grace of a drain.

    A hung server has no stream to end. While a pod is being drained the kubelet does not ask.
    """
    return {
        **http_probe(path, port, period=10, failures=6),
        "termination_grace_period_seconds": 30,
    }


def http_probe(path: str, port: str | int, *, period: int, failures: int) -> ProbeArgsDict:
    """An HTTP probe with time-outs in seconds; 5 s, because a decoding engine answers late."""
    return {
        "http_get": {"path": path, "port": port},
        "period_seconds": period,
        "timeout_seconds": 5,
        "failure_threshold": failures,
    }


def spread(
    pod_labels: Mapping[str, str], revision_label: str
) -> list[TopologySpreadConstraintArgsDict]:
    """Replicas on different hosts and zones where there are several.

    Args:
        pod_labels: Of the replicas.
        revision_label: The label by which their workload tells versions apart.
    """
    return [
        {
            "max_skew": 1,
            "topology_key": key,
            "when_unsatisfiable": "ScheduleAnyway",
            "label_selector": {"match_labels": dict(pod_labels)},
            # Pods of the outgoing version do not count, else a roll-out ends with all on one node.
            "match_label_keys": [revision_label],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def rollout(*, surge: bool) -> DeploymentStrategyArgsDict:
    """A replacement starts before its predecessor ends, where there is room for both.

    Args:
        surge: Whether a further pod can exist: a spare GPU, and volumes that two nodes may mount.
    """
    extra, missing = (1, 0) if surge else (0, 1)
    return {
        "type": "RollingUpdate",
        "rolling_update": {"max_surge": extra, "max_unavailable": missing},
    }
