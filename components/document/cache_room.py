"""Whether a model's files fit onto what the document keeps them on."""

import math
from collections.abc import Iterator, Sequence

from components.core.hardware import InstanceType
from components.core.model_lock import LockedModel
from components.document.cache import (
    EfsCache,
    ImageCache,
    ModelCache,
    NvmeCache,
    S3Cache,
    SnapshotCache,
)
from components.document.vllm_model import VllmServerSettings
from components.document.whole import ROOT

_GIB = 2**30
_GB = 10**9
_USABLE = 0.85
"""Share of a node's disk that fills before the kubelet throws images and then pods out: its default
limits are 85 per cent for images and 90 for the disk."""
_BESIDE_GIB = 50
"""What lies on the same disk: unpacked images and a pod's scratch folders, an assumption."""


def files_gib(locks: Sequence[LockedModel]) -> int:
    """Size of the files of a model and what is loaded beside it, GiB, rounded up."""
    return math.ceil(sum(file.size for lock in locks for file in lock.files) / _GIB)


def problems(
    key: str,
    settings: VllmServerSettings,
    locks: Sequence[LockedModel],
    pool: list[InstanceType],
) -> Iterator[str]:
    """What is too small for the files, a sentence each."""
    cache, place, needed = settings.cache, f"{key}.cache", files_gib(locks)
    if isinstance(cache, NvmeCache):
        yield from _disks(key, settings, needed, pool)
        cache, place = cache.shared, f"{place}.shared"
    if isinstance(cache, S3Cache | ImageCache):
        return
    if cache.size_gib < needed:
        yield (
            f"{place}.size_gib is {cache.size_gib}, but the files of {_names(locks)} "
            f"take {needed} GiB: raise it to {needed} at least"
        )


def warnings(key: str, cache: ModelCache, locks: Sequence[LockedModel]) -> Iterator[str]:
    """That a volume has no room for two revisions, which lie there while servers roll."""
    place, needed = f"{key}.cache", files_gib(locks)
    if isinstance(cache, NvmeCache):
        cache, place = cache.shared, f"{place}.shared"
    if isinstance(cache, EfsCache | S3Cache | ImageCache | SnapshotCache):
        return
    if needed <= cache.size_gib < 2 * needed:
        yield (
            f"{place}.size_gib is {cache.size_gib}, which holds one revision of {_names(locks)}: "
            f"the next one is preloaded beside it and needs {2 * needed}"
        )


def _names(locks: Sequence[LockedModel]) -> str:
    return " and ".join(lock.source for lock in locks)


def _disks(
    key: str, settings: VllmServerSettings, needed: int, pool: list[InstanceType]
) -> Iterator[str]:
    """Karpenter may choose any machine of the pool, so each needs the room."""
    short = {machine.name: room for machine in pool if (room := _room_gib(machine)) < needed}
    if short:
        types = f"{ROOT}.node_pools.{settings.pool}.instance_types"
        offers = " and ".join(f"{name} has {room} GiB" for name, room in short.items())
        yield (
            f"{key}.cache.kind is 'nvme', but of local NVMe for its {needed} GiB {offers} to "
            f"spare: take other machines in {types}, or {key}.cache.shared as the cache itself"
        )


def _room_gib(machine: InstanceType) -> int:
    return max(0, math.floor(machine.nvme_gb * _GB / _GIB * _USABLE) - _BESIDE_GIB)
