"""What a pod of a model server gets of its node beside GPUs, and which machines have it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from components.core.hardware import InstanceType
from components.core.sizing.plan import Plan
from components.core.sizing.start_up import NOTHING, Range, probe_seconds, total
from components.document.vllm_model import VllmServerSettings

_PROCESSES = 2
"""The API server and the engine's core, beside one worker a GPU; a CPU each is an assumption, they
may use more where the node has more."""
_ALLOCATABLE = 0.86
"""Share of an instance's memory that pods can have: 14162 of 16384 MiB on a g5.xlarge, the least in
Karpenter's catalogue."""
_AT_MOST = 0.95
"""The most that they may have, an assumption: below it Karpenter may buy a machine, so that it is
planned."""
_LEAST_SECONDS = 600
"""Least time for a start that nobody has bounded: the engine's own (VLLM_ENGINE_READY_TIMEOUT_S),
and row B3's ten minutes."""
_SPARE_GIB = 2
"""What the estimate of host memory may be above the truth, an assumption."""


@dataclass(frozen=True)
class HostShare:
    """What a pod of a model server gets of its node beside GPUs.

    Attributes:
        cpu: Requested CPUs.
        memory_gib: Memory of the pod, GiB, /dev/shm included.
        shm_gib: Limit of /dev/shm, GiB.
        startup_seconds: From the start of the container to its first answer, at most.
    """

    cpu: int
    memory_gib: int
    shm_gib: int
    startup_seconds: int


def host_share(settings: VllmServerSettings, plans: tuple[Plan, ...]) -> HostShare | None:
    """What a pod gets: what the document says, else what the plan needs; None without a plan."""
    if not plans:
        return None
    needs = plans[0]  # the same on every machine
    return HostShare(
        cpu=_cpu(settings),
        memory_gib=settings.memory_gib or math.ceil(needs.host_memory_gib),
        shm_gib=math.ceil(needs.shm_gib),
        startup_seconds=settings.startup_seconds
        or max(_LEAST_SECONDS, math.ceil(probe_seconds(needs.phases))),
    )


def holds(machine: InstanceType, settings: VllmServerSettings, host: HostShare) -> bool:
    """Whether Karpenter may choose a machine for a replica; it surely passes over all others."""
    return (
        machine.gpu_count >= settings.gpus_per_node
        and machine.efa >= settings.efa_devices
        and machine.vcpu >= host.cpu
        and machine.memory_gib * _AT_MOST >= host.memory_gib
    )


def _surely_holds(
    machine: InstanceType, settings: VllmServerSettings, host: HostShare | None
) -> bool:
    """Whether a replica has room on a machine for certain."""
    return (
        host is not None
        and machine.gpu_count >= settings.gpus_per_node
        and machine.efa >= settings.efa_devices
        and machine.vcpu - 1 >= host.cpu
        and machine.memory_gib * _ALLOCATABLE >= host.memory_gib
    )


def no_room(
    key: str, settings: VllmServerSettings, pool: list[InstanceType], host: HostShare | None
) -> Iterator[str]:
    """The sentence where no machine of the pool can hold a replica for certain."""
    if any(_surely_holds(machine, settings, host) for machine in pool):
        return
    offers = "; ".join(
        f"{t.name} with {t.gpu_count} GPU, {_efa(t.efa, settings)}{t.vcpu - 1} CPU, "
        f"{int(t.memory_gib * _ALLOCATABLE)} GiB for pods"
        for t in pool
    )
    memory = host.memory_gib if host else settings.memory_gib
    room = f"{_cpu(settings)} CPU and {memory} GiB" if memory else f"{_cpu(settings)} CPU"
    unit = "node of a replica" if settings.nodes > 1 else "replica"
    yield (
        f"{key} asks for {settings.gpus_per_node} GPU, {_efa(settings.efa_devices, settings)}"
        f"{room} a {unit}, which no node of pool "
        f"{settings.pool} has ({offers}): lower tensor_parallel, cpu or memory_gib, or add an "
        "instance type to the pool"
    )


def _efa(devices: int, settings: VllmServerSettings) -> str:
    """A number of EFA devices as a part of an offer; nothing where none are asked for."""
    return f"{devices} EFA, " if settings.efa_devices else ""


def pod_problems(
    key: str, settings: VllmServerSettings, plans: tuple[Plan, ...], host: HostShare | None
) -> Iterator[str]:
    """What the document gives a pod too little of: memory, and time for its start."""
    if host and host.memory_gib <= host.shm_gib:
        yield (
            f"{key}.memory_gib is {settings.memory_gib}, all of which /dev/shm may take "
            f"({host.shm_gib} GiB): raise it, or leave it out"
        )
    elif _missing_gib(settings, plans) > _SPARE_GIB:
        yield _little_memory(key, settings, plans)
    low = _seconds(plans).low
    if settings.startup_seconds and settings.startup_seconds < low:
        yield (
            f"{key}.startup_seconds is {settings.startup_seconds}, but no start is known to take "
            f"less than {low:.0f}: the pod would be ended before it answers, raise it"
        )


def pod_warnings(key: str, settings: VllmServerSettings, plans: tuple[Plan, ...]) -> Iterator[str]:
    """What a pod may get too little of."""
    if 0 < _missing_gib(settings, plans) <= _SPARE_GIB:
        yield _little_memory(key, settings, plans)
    seconds = _seconds(plans)
    if settings.startup_seconds and seconds.low <= settings.startup_seconds < seconds.expected:
        yield (
            f"{key}.startup_seconds is {settings.startup_seconds}, the plan expects a start of "
            f"{seconds.expected:.0f} in the container: raise it, the pod may be ended before it "
            "answers"
        )


def _missing_gib(settings: VllmServerSettings, plans: tuple[Plan, ...]) -> float:
    needed = max((each.host_memory_gib for each in plans), default=0.0)
    return 0.0 if settings.memory_gib is None else needed - settings.memory_gib


def _little_memory(key: str, settings: VllmServerSettings, plans: tuple[Plan, ...]) -> str:
    needed = max(each.host_memory_gib for each in plans)
    return (
        f"{key}.memory_gib is {settings.memory_gib}, the plan expects {needed:.0f} GiB of host "
        f"memory, {plans[0].shm_gib:.0f} of it /dev/shm: raise it, or leave it out"
    )


def _seconds(plans: tuple[Plan, ...]) -> Range:
    """Of a start inside the container, which is all that its probe waits for."""
    if not plans:
        return NOTHING
    return total(tuple(phase for phase in plans[0].phases if phase.in_container))


def _cpu(settings: VllmServerSettings) -> int:
    return settings.cpu or _PROCESSES * settings.data_parallel + settings.gpus_per_node
