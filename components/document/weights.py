"""Whether a lock's weights can be its model's, and can be downloaded."""

from collections.abc import Iterator, Sequence

from components.core.architecture import Architecture
from components.core.model_lock import LockedModel
from components.core.sizing.weights import checkpoint_bytes
from components.document.cache import is_filled_here
from components.document.vllm_model import VllmServerSettings
from components.document.whole import ROOT

_GIB = 2**30
_PLAIN = (0.7, 1.5)
_COARSE = (0.4, 2.5)
_SHAPED = frozenset({"awq", "awq_marlin", "gptq", "gptq_marlin"})
"""Quantisations whose files follow from the shape as those of plain weights do; all committed locks
are within 1 per cent. Others leave layers out as they like, so their limits are wider."""


def gated(
    key: str, settings: VllmServerSettings, locks: Sequence[LockedModel], *, has_token: bool
) -> Iterator[str]:
    """Which files the hub would not hand out, a sentence each."""
    if has_token or not is_filled_here(settings.cache):
        return
    for lock in locks:
        if lock.gated:
            yield (
                f"{key} needs {lock.source}, which the hub hands only to accounts that accepted "
                f"its licence: say in {ROOT}.hub.token where the token of such an account is, or "
                "take a model that is not gated"
            )


def implausible(key: str, lock: LockedModel, architecture: Architecture) -> Iterator[str]:
    """What shows that a lock is not its model's."""
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
