"""Whether a model starts on a GPU, and what the engine would say if it does not."""

from dataclasses import dataclass, replace
from typing import Literal

from components.core.architecture import Architecture
from components.core.sizing.defaults import LONG_PROMPT, Resolved, resolve
from components.core.sizing.engine_errors import more_than_stored, no_memory, too_small
from components.core.sizing.kv_cache import CacheLayout, cache_layout
from components.core.sizing.limits import refusals
from components.core.sizing.overhead import SORT_BYTES, Overhead, overhead
from components.core.sizing.request import Device, Load
from components.core.sizing.weights import weights_per_gpu

Verdict = Literal["will start", "may fail late", "refused"]
GIB = 2**30
_EDGE_GIB = 0.5
LATE_UTILIZATION = 0.94
"""From here on too little may lie outside the budget for what comes after the start."""
WITHIN_THE_EDGE = "within what two starts of one server differ by"
"""Part of a reason; a length that was fitted to the memory has its own word for it."""
_OUTSIDE_GIB = 2.5
"""Of the logs of `tests/planner`, servers at 0.94 and more with less than this outside the budget
died late about as often as they held."""
_SAMPLER_FORGOTTEN, _SAMPLER_PROFILED = (0, 8, 0), (0, 8, 2)
_FREED_GIB = 1.5
"""What the profile run has freed again by then; fitted to two pairs of logs of 0.8.0 and 0.8.1."""


@dataclass(frozen=True)
class Fit:
    """How one GPU's memory is shared out, in bytes, and what follows.

    Attributes:
        verdict: `will start`, `may fail late` or `refused`.
        reason: One sentence: the binding constraint, with its numbers.
        expected_error: The engine's own words where it will refuse; empty otherwise.
        settings: The load with its version's defaults.
        vocab_size: Tokens of the model's vocabulary.
        max_position: Tokens that the model was made for.
        weights: Bytes of weights on one GPU.
        overhead: Bytes of everything else that is not KV cache.
        budget: Bytes that the engine may use: utilisation times total memory.
        cache: Layout of the KV cache.
        longest: Largest `max_model_len` that starts, at most the model's own; 0 for none.
        available: Bytes left for it; negative where nothing is.
    """

    verdict: Verdict
    reason: str
    expected_error: str
    settings: Resolved
    vocab_size: int
    max_position: int
    weights: float
    overhead: Overhead
    budget: float
    cache: CacheLayout
    longest: int = 0

    @property
    def available(self) -> float:
        """Bytes left for the KV cache; negative where weights and overhead exceed the budget."""
        return self.budget - self.weights - self.overhead.total

    @property
    def tokens(self) -> int:
        """Tokens of KV cache as the engine's log counts them."""
        return self.cache.capacity(max(0.0, self.available))

    @property
    def concurrency(self) -> float:
        """Requests of `max_model_len` at once."""
        return self.cache.concurrency(max(0.0, self.available), self.settings.max_model_len)


def fit(model: Architecture, device: Device, load: Load, weight_bytes: int | None) -> Fit:
    """Decide whether a model starts.

    Args:
        model: Its architecture.
        device: One of the GPUs, all alike.
        load: The engine's settings.
        weight_bytes: Bytes of its weight files; None to estimate them.
    """
    found = _shared_out(model, device, load, weight_bytes)
    found = replace(found, longest=_longest(found, model, device, load))
    refused = next(iter(refusals(model, device, load, found.settings)), None)
    if refused is not None:
        return replace(
            found, verdict="refused", reason=refused.reason, expected_error=refused.error
        )
    verdict, reason, error = _memory(found, device)
    return replace(found, verdict=verdict, reason=reason, expected_error=error)


def _shared_out(model: Architecture, device: Device, load: Load, weight_bytes: int | None) -> Fit:
    settings = resolve(model, device, load)
    return Fit(
        verdict="will start",
        reason="",
        expected_error="",
        settings=settings,
        vocab_size=model.vocab_size,
        max_position=model.max_position,
        weights=weights_per_gpu(model, weight_bytes, load),
        overhead=overhead(model, device, load, settings),
        budget=device.memory_gib * GIB * settings.utilization,
        cache=cache_layout(model, load, settings),
    )


def _longest(found: Fit, model: Architecture, device: Device, load: Load) -> int:
    """Largest length that starts; in the first engine the dummy step grows with the length."""
    if _states(found) is not None:
        return 0
    if not found.settings.first_engine or load.max_num_batched_tokens is not None:
        return found.cache.longest(found.available, found.max_position)

    def left(length: int) -> float:
        settings = resolve(model, device, replace(load, max_model_len=length))
        step = overhead(model, device, load, settings).total
        return found.budget - found.weights - step

    low, high = 0, found.max_position
    whole = resolve(model, device, replace(load, max_model_len=high))
    if whole.max_num_batched_tokens < high:  # long prompts are cut, so their step is short
        most = found.cache.longest(left(high), high)
        if most > LONG_PROMPT:
            return most
        high = LONG_PROMPT
    while low < high:
        middle = (low + high + 1) // 2
        if found.cache.needed_bytes(middle) <= left(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _memory(found: Fit, device: Device) -> tuple[Verdict, str, str]:
    known = _states(found) or _forgotten_sampler(found, device)
    if known is not None:
        return "refused", *known
    length = found.settings.max_model_len
    needed = found.cache.needed_bytes(length)
    slack = (found.available - needed) / GIB
    if slack < -_EDGE_GIB:
        return "refused", _too_small(found, needed), _error(found, device, needed)
    late = _late(found, device)
    if late and slack >= _EDGE_GIB:
        return "may fail late", f"{_shares(found)}: {late}", ""
    if slack < _EDGE_GIB:
        return (
            "may fail late",
            f"{_shares(found)}: {found.available / GIB:.1f} GiB are left for a KV cache that needs "
            f"{needed / GIB:.1f} GiB for one request of {length:,} tokens, "
            f"{WITHIN_THE_EDGE}",
            _error(found, device, needed),
        )
    return (
        "will start",
        f"{_shares(found)}: {found.available / GIB:.1f} GiB of KV cache hold {found.tokens:,} "
        f"tokens, {found.concurrency:.1f} requests of {length:,}",
        "",
    )


def _late(found: Fit, device: Device) -> str:
    """What lies outside the budget and may be missing after the KV cache has been taken."""
    outside = device.memory_gib * (1 - found.settings.utilization)
    if found.settings.utilization >= LATE_UTILIZATION and outside < _OUTSIDE_GIB:
        return (
            f"gpu_memory_utilization {found.settings.utilization:g} leaves {outside:.1f} GiB for "
            "the CUDA context, NCCL, fragments and graphs, and servers with less than "
            f"{_OUTSIDE_GIB:g} have died under their first load; 0.92 is the engine's default"
        )
    return ""


def _forgotten_sampler(found: Fit, device: Device) -> tuple[str, str] | None:
    """Versions that warmed the sampler up without having planned for it."""
    settings = found.settings
    if settings.first_engine or not _SAMPLER_FORGOTTEN <= settings.version < _SAMPLER_PROFILED:
        return None
    rows = settings.max_num_seqs * found.vocab_size * SORT_BYTES / GIB
    outside = device.memory_gib * (1 - settings.utilization)
    if rows <= outside + _FREED_GIB:
        return None
    return (
        f"warming the sampler up for max_num_seqs {settings.max_num_seqs:,} takes {rows:.1f} GiB, "
        f"which this version does not plan for, and {outside:.1f} GiB are outside its budget",
        "CUDA out of memory occurred when warming up sampler with "
        f"{settings.max_num_seqs} dummy requests.",
    )


def _states(found: Fit) -> tuple[str, str] | None:
    """Recurrent models need a block for every request that a CUDA graph may decode."""
    blocks, seqs = found.cache.blocks(found.available), found.settings.max_num_seqs
    recurrent = any(group.layer.kind == "state" for group in found.cache.groups)
    graphs = found.settings.graphs_counted
    if not recurrent or not graphs or found.available <= 0 or blocks >= seqs:
        return None
    return (
        f"{_shares(found)}: the KV cache has {blocks:,} blocks, and each of max_num_seqs {seqs:,} "
        f"requests needs one for its state; set max_num_seqs to {blocks:,} or less",
        f"max_num_seqs ({seqs}) exceeds available Mamba cache blocks ({blocks}).",
    )


def _shares(found: Fit) -> str:
    return (
        f"{found.budget / GIB:.1f} GiB may be used, weights take {found.weights / GIB:.1f} and "
        f"the engine {found.overhead.total / GIB:.1f}"
    )


def _too_small(found: Fit, needed: int) -> str:
    if found.available <= 0:
        return f"{_shares(found)}: nothing is left for the KV cache"
    return (
        f"{_shares(found)}: {found.available / GIB:.1f} GiB are left for the KV cache, but one "
        f"request of {found.settings.max_model_len:,} tokens needs {needed / GIB:.1f} GiB"
    )


def _error(found: Fit, device: Device, needed: int) -> str:
    """The engine's words at the step where it gives up."""
    if needed <= found.available:
        return ""
    if found.weights > device.memory_gib * GIB:
        return "torch.OutOfMemoryError: CUDA out of memory."
    settings, spare = found.settings, found.cache.spare_bytes
    if found.available <= spare:
        return no_memory(settings.version)
    if settings.first_engine:
        return more_than_stored(settings.max_model_len, found.tokens)
    return too_small(
        settings.version,
        settings.max_model_len,
        needed - spare,
        found.available - spare,
        found.longest,
    )
