"""The GPU preflight of an engine's pod: an init container, and the ConfigMap with its program.

Owns what the program is told of the plan. The program itself is `programs/preflight.py`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    ResourceRequirementsArgsDict,
    VolumeArgsDict,
)

from components.core.hardware import Gpu, InstanceType
from components.pods import environment, mounts

RUNBOOKS = "runbooks"
"""Where the lines of the preflight send their reader: a folder of this repository."""

_PROGRAMS = Path(__file__).with_name("programs")
_FOLDER = "/preflight"
_VOLUME = "preflight"
_PLAN = "plan.json"
_SPREAD = 0.98
"""Of the lowest total known of a kind: drivers and ECC differ by up to 1 per cent (an A10G shows
22,516 to 22,733 MiB), a MIG slice or another card by far more."""
_NOMINAL = 0.9
"""What CUDA reports of a nominal size: 91 per cent on a T4, the least of the catalogue."""


@dataclass(frozen=True)
class PreflightPlan:
    """What the GPUs of one pod have to be; field for field the `Plan` of the program.

    Attributes:
        gpus: GPUs of the pod.
        gpu: Their kind; None for any.
        memory_mib: Least total of one of them as CUDA reports it, MiB.
        gpu_memory_utilization: Share of the total that the engine wants free when it starts.
        compute_capability: Least that the model's kernels need; None for any.
        shm_gib: Size of /dev/shm, GiB.
        peer_access: Whether NVLink between them was planned.
        runbooks: Folder or URL of the runbooks.
    """

    gpus: int
    gpu: str | None
    memory_mib: int
    gpu_memory_utilization: float
    compute_capability: tuple[int, int] | None
    shm_gib: int
    peer_access: bool
    runbooks: str = RUNBOOKS


def preflight_plan(
    machines: Sequence[InstanceType],
    *,
    gpus: int,
    gpu_memory_utilization: float,
    shm_gib: int,
    compute_capability: tuple[int, int] | None = None,
) -> PreflightPlan:
    """What holds on every machine that the pod may be put on.

    Args:
        machines: Those that can hold it; at least one.
        gpus: GPUs of the pod.
        gpu_memory_utilization: As the engine is told.
        shm_gib: Size of /dev/shm, GiB.
        compute_capability: Least that the model's kernels need.
    """
    kinds = {machine.gpu.name: machine.gpu for machine in machines}
    names = {_device_words(gpu) for gpu in kinds.values()}
    return PreflightPlan(
        gpus=gpus,
        gpu=names.pop() if len(names) == 1 else None,
        memory_mib=min(_least_mib(gpu) for gpu in kinds.values()),
        gpu_memory_utilization=gpu_memory_utilization,
        compute_capability=compute_capability,
        shm_gib=shm_gib,
        peer_access=gpus > 1 and all(machine.nvlink for machine in machines),
    )


def _device_words(gpu: Gpu) -> str | None:
    """The words of a kind that stand in its device name, for the kinds that AWS rents.

    Sizes are left out (not every card has its own in its name), and memory is judged by itself; of
    other kinds the name may be the document's own.
    """
    if gpu.label is None:
        return None
    return "-".join(word for word in gpu.name.split("-") if not word.endswith("gb"))


def _least_mib(gpu: Gpu) -> int:
    reported = gpu.cuda_low_mib or gpu.cuda_memory_mib
    return int(gpu.memory_mib * _NOMINAL if reported is None else reported * _SPREAD)


def preflight_files(plan: PreflightPlan) -> Mapping[str, str]:
    """Data of the ConfigMap: the program's two modules and the plan."""
    programs = ("preflight.py", "gpu_facts.py")
    files = {name: (_PROGRAMS / name).read_text(encoding="utf-8") for name in programs}
    return MappingProxyType({**files, _PLAN: json.dumps(asdict(plan), indent=2) + "\n"})


def preflight_config_name(owner: str, files: Mapping[str, str]) -> str:
    """Name of the ConfigMap; another program or plan is another object, which rolls the pods.

    Args:
        owner: Name of the workload.
        files: What `preflight_files` gave.
    """
    content = json.dumps(dict(files), sort_keys=True)
    return f"{owner}-preflight-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def preflight_container(image: str, engine: ResourceRequirementsArgsDict) -> ContainerArgsDict:
    """The init container; its pod needs the volumes `preflight`, `tmp` and `shm`.

    Args:
        image: The engine's own, whose torch and CUDA are what is tried.
        engine: Resources of the engine's container. A container has the devices of its own request
            only, so it asks for the same GPUs; a pod's request is the larger one of its init
            containers and its containers, so this costs nothing, and the kubelet hands the devices
            of a finished init container on to the next.
    """
    return {
        "name": "preflight",
        "image": image,
        "command": ["python3", f"{_FOLDER}/preflight.py", f"{_FOLDER}/{_PLAN}"],
        "env": environment({"HOME": "/tmp"}),
        "resources": engine,
        # `kubectl describe pod` and the pod's status then say it too.
        "termination_message_policy": "FallbackToLogsOnError",
        "volume_mounts": [
            {"name": _VOLUME, "mount_path": _FOLDER, "read_only": True},
            *mounts(tmp="/tmp", shm="/dev/shm"),
        ],
    }


def preflight_volume(config_name: str) -> VolumeArgsDict:
    """The volume with the program and its plan.

    Args:
        config_name: Name of the ConfigMap.
    """
    return {"name": _VOLUME, "config_map": {"name": config_name}}
