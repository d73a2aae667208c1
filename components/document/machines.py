"""What a document says of GPUs, machines and pools, held against the catalogue and itself."""

from collections.abc import Iterator, Mapping

from components.core.hardware import GPUS, INSTANCE_TYPES, InstanceType
from components.document.capacity import GpuNodePoolSettings, InstanceTypeSettings
from components.document.sentences import nearest
from components.document.whole import ROOT, PlatformSettings

_KEY = f"{ROOT}.hardware"
_LOOPBACK = ("https://127.0.0.1", "https://localhost", "https://[::1]")
_MEMORY_TOLERANCE = 0.02
"""Drivers and ECC take 1 to 2 per cent of what the data sheet says."""


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """Everything that is wrong with hardware and pools, a sentence each."""
    yield from _gpus(document)
    yield from _machines(document)
    yield from _pools(document)
    yield from _node_class(document)


def _gpus(document: PlatformSettings) -> Iterator[str]:
    """A catalogue's name stands for the catalogue's facts: no plan may rest on a larger L4."""
    for name, own in document.hardware.gpus.items():
        known = GPUS.get(name)
        if known is None:
            continue
        key = f"{_KEY}.gpus.{name}"
        sizes = [size / 1024 for size in (known.memory_mib, known.cuda_memory_mib) if size]
        low, high = min(sizes) * (1 - _MEMORY_TOLERANCE), max(sizes) * (1 + _MEMORY_TOLERANCE)
        if not low <= own.memory_gib <= high:
            yield (
                f"{key}.memory_gib is {own.memory_gib:g}, but the catalogue's {name} has "
                f"{min(sizes):.1f}: {_another_name(key)}"
            )
        asked = own.compute_capability
        is_known = ".".join(str(part) for part in known.compute_capability or ())
        if asked is not None and is_known and f"{asked:.1f}" != is_known:
            yield (
                f"{key}.compute_capability is {asked:g}, but the catalogue's {name} has "
                f"{is_known}: {_another_name(key)}"
            )


def _machines(document: PlatformSettings) -> Iterator[str]:
    gpus, machines = document.hardware.known_gpus(), document.hardware.machines()
    for name, machine in document.hardware.instance_types.items():
        key = f"{_KEY}.instance_types.{name}"
        if machine.gpu not in gpus:
            yield (
                f"{key}.gpu is {machine.gpu!r}, which is neither in the catalogue nor in "
                f"{_KEY}.gpus; {nearest(machine.gpu, gpus)}"
            )
        elif name in INSTANCE_TYPES:
            yield from _other_facts(key, machine, INSTANCE_TYPES[name])
    for name in document.hardware.prices:
        if name not in machines and name not in document.hardware.instance_types:
            yield f"{_KEY}.prices.{name} is the price of no machine: {_unknown(machines)}"


def _other_facts(key: str, own: InstanceTypeSettings, known: InstanceType) -> Iterator[str]:
    facts = {
        "gpu": (own.gpu, known.gpu.name),
        "gpu_count": (own.gpu_count, known.gpu_count),
        "vcpu": (own.vcpu, known.vcpu),
        "memory_gib": (own.memory_gib, known.memory_gib),
        "nvlink": (own.nvlink, known.nvlink),
        "nvme_gb": (own.nvme_gb or known.nvme_gb, known.nvme_gb),
    }
    for fact, (asked, is_known) in facts.items():
        if asked != is_known:
            yield (
                f"{key}.{fact} is {asked!r}, but the catalogue's {known.name} has {is_known!r}: "
                f"{_another_name(key)}; a price of your own stands below {_KEY}.prices"
            )


def _another_name(key: str) -> str:
    return f"leave {key} out, or give yours a name that the catalogue does not have"


def _unknown(machines: Mapping[str, InstanceType]) -> str:
    return (
        f"the catalogue has {len(machines)} from {min(machines)} to {max(machines)}, others stand "
        f"below {_KEY}.instance_types"
    )


def _pools(document: PlatformSettings) -> Iterator[str]:
    machines = document.hardware.machines()
    for name, pool in document.node_pools.items():
        key = f"{ROOT}.node_pools.{name}"
        yield from _types(key, pool, machines, document)
        taken = sum(m.gpus for m in document.vllm_models.values() if m.pool == name)
        needed = pool.max_gpus - document.spare_gpus(name)
        if needed > pool.max_gpus:
            whole = f", in whole machines {needed}" if needed > taken else ""
            scaled = any(m.scaling for m in document.vllm_models.values() if m.pool == name)
            asked = f"up to {taken}" if scaled else f"{taken}"
            keys = "replicas, scaling.max_replicas" if scaled else "replicas"
            yield (
                f"{key}.max_gpus is {pool.max_gpus}, but its models ask for {asked} GPUs{whole}: "
                f"raise it, or lower their {keys} or tensor_parallel"
            )


def _types(
    key: str,
    pool: GpuNodePoolSettings,
    machines: Mapping[str, InstanceType],
    document: PlatformSettings,
) -> Iterator[str]:
    for kind in pool.instance_types:
        if kind not in machines and kind not in document.hardware.instance_types:
            yield (
                f"{key}.instance_types names {kind!r}, which is no GPU machine of the catalogue or "
                f"of {_KEY}.instance_types; {nearest(kind, machines)}"
            )
        elif kind in machines and machines[kind].gpu_count > pool.max_gpus:
            yield (
                f"{key}.instance_types names {kind}, but a whole machine of "
                f"{machines[kind].gpu_count} GPUs can never be bought under max_gpus "
                f"{pool.max_gpus}: raise {key}.max_gpus, or take it out"
            )


def _node_class(document: PlatformSettings) -> Iterator[str]:
    """Simulated nodes run nothing; the embedded control plane listens on loopback alone."""
    cluster = document.cluster
    embedded = (cluster.server or "").startswith(_LOOPBACK)
    if (
        cluster.node_class.kind == "KWOKNodeClass"
        and document.environment == "production"
        and not embedded
    ):
        yield (
            f"{ROOT}.cluster.node_class.kind is 'KWOKNodeClass', whose nodes are simulated and run "
            "nothing, in production: set it to EC2NodeClass; `make up` without CONTEXT takes the "
            "other one by itself"
        )
