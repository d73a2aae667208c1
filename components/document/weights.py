"""Whether a lock's weights can be its model's, can be downloaded, and fit onto their volume."""

import math
from collections.abc import Iterator

from components.core.architecture import Architecture
from components.core.model_lock import LockedModel
from components.core.sizing.weights import checkpoint_bytes
from components.document.vllm_model import VllmServerSettings

_GIB = 2**30
_PLAIN = (0.7, 1.5)
_COARSE = (0.4, 2.5)
_SHAPED = frozenset({"awq", "awq_marlin", "gptq", "gptq_marlin"})
"""Quantisations whose files follow from the shape as those of plain weights do; all committed locks
are within 1 per cent. Others leave layers out as they like, so their limits are wider."""


def misfits(
    key: str, settings: VllmServerSettings, lock: LockedModel, architecture: Architecture
) -> Iterator[str]:
    """What is wrong with a model's files, a sentence each."""
    yield from _implausible(key, lock, architecture)
    if lock.gated:
        yield (
            f"{key}.source is {lock.source}, which the hub hands only to accounts that accepted "
            "its licence; the preload Job has no token yet: take a model that is not gated"
        )
    needed = math.ceil(sum(file.size for file in lock.files) / _GIB)
    if settings.cache.size_gib < needed:
        yield (
            f"{key}.cache.size_gib is {settings.cache.size_gib}, but the files of {lock.source} "
            f"take {needed} GiB: raise it to {needed} at least"
        )


def _implausible(key: str, lock: LockedModel, architecture: Architecture) -> Iterator[str]:
    quantization = architecture.quantization
    plain = quantization is None or quantization.method in _SHAPED
    low, high = _PLAIN if plain else _COARSE
    expected = checkpoint_bytes(architecture)
    if not low * expected <= lock.weight_bytes <= high * expected:
        yield (
            f"{key}.source is {lock.source}, whose lock says {lock.weight_bytes / _GIB:.1f} GiB of "
            f"weights, but its shape comes to {expected / _GIB:.1f}: it was edited, or is not this "
            f"model's; run `make lock MODEL={lock.source} REVISION={lock.revision}` again"
        )
