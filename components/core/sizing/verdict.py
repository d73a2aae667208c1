"""Whether a model starts on a GPU, and what the engine would say if it does not."""

from dataclasses import dataclass, replace
from typing import Literal

from components.core.architecture import Architecture
from components.core.sizing.defaults import Resolved, resolve
from components.core.sizing.kv_cache import CacheLayout, cache_layout
from components.core.sizing.limits import refusals
from components.core.sizing.overhead import Overhead, overhead
from components.core.sizing.request import Device, Load
from components.core.sizing.weights import weights_per_gpu

Verdict = Literal["will start", "may fail late", "refused"]
GIB = 2**30
_EDGE_GIB = 0.5
_LATE_UTILIZATION = 0.94


@dataclass(frozen=True)
class Fit:
    """How one GPU's memory is shared out, in bytes, and what follows.

    Attributes:
        verdict: `will start`, `may fail late` or `refused`.
        reason: One sentence: the binding constraint, with its numbers.
        expected_error: The engine's own words where it will refuse; empty otherwise.
        settings: The load with its version's defaults.
        weights: Bytes of weights on one GPU.
        overhead: Bytes of everything else that is not KV cache.
        budget: Bytes that the engine may use: utilisation times total memory.
        cache: Layout of the KV cache.
        available: Bytes left for it; negative where nothing is.
    """

    verdict: Verdict
    reason: str
    expected_error: str
    settings: Resolved
    weights: float
    overhead: Overhead
    budget: float
    cache: CacheLayout

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

    @property
    def longest(self) -> int:
        """Largest `max_model_len` that starts, at most twice the model's own."""
        return self.cache.longest(self.available, self.settings.max_model_len * 64)


def fit(model: Architecture, device: Device, load: Load, weight_bytes: int | None) -> Fit:
    """Decide whether a model starts.

    Args:
        model: Its architecture.
        device: One of the GPUs, all alike.
        load: The engine's settings.
        weight_bytes: Bytes of its weight files; None to estimate them.
    """
    settings = resolve(model, device, load)
    found = Fit(
        verdict="will start",
        reason="",
        expected_error="",
        settings=settings,
        weights=weights_per_gpu(model, weight_bytes, load),
        overhead=overhead(model, device, load, settings),
        budget=device.memory_gib * GIB * settings.utilization,
        cache=cache_layout(model, load, settings),
    )
    refused = next(iter(refusals(model, device, load, settings)), None)
    if refused is not None:
        return replace(
            found, verdict="refused", reason=refused.reason, expected_error=refused.error
        )
    verdict, reason, error = _memory(found, device)
    return replace(found, verdict=verdict, reason=reason, expected_error=error)


def _memory(found: Fit, device: Device) -> tuple[Verdict, str, str]:
    length = found.settings.max_model_len
    needed = found.cache.needed_bytes(length)
    slack = (found.available - needed) / GIB
    if slack < -_EDGE_GIB:
        return "refused", _too_small(found, needed), _error(found, device, needed)
    if slack < _EDGE_GIB:
        return (
            "may fail late",
            f"{_shares(found)}: {found.available / GIB:.1f} GiB are left for a KV cache that needs "
            f"{needed / GIB:.1f} GiB for one request of {length:,} tokens, within what two starts "
            "of one server differ by",
            _error(found, device, needed),
        )
    return (
        "will start",
        f"{_shares(found)}: {found.available / GIB:.1f} GiB of KV cache hold {found.tokens:,} "
        f"tokens, {found.concurrency:.1f} requests of {length:,}",
        "",
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
    if found.weights > device.memory_gib * GIB:
        return "torch.OutOfMemoryError: CUDA out of memory."
    version = found.settings.version
    see = " See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
    tail = see if version >= (0, 13, 0) else ""
    host = version >= (0, 22, 0)
    if found.available <= 0:
        cpu = (
            " (this flag also controls CPU memory reservation on the CPU backend, despite its name)"
        )
        return (
            "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` "
            f"when initializing the engine{cpu if host else ''}.{tail}"
        )
    longest = found.longest
    estimate = (
        f"Based on the available memory, the estimated maximum model length is {longest}. "
        if longest and version >= (0, 9, 0)
        else ""
    )
    which = " (which also controls CPU memory on the CPU backend)" if host else ""
    return (
        f"To serve at least one request with the {'model' if host else 'models'}'s max seq len "
        f"({found.settings.max_model_len}), ({needed / GIB:.2f} GiB KV cache is needed, which is "
        f"larger than the available KV cache memory ({found.available / GIB:.2f} GiB). {estimate}"
        f"Try increasing `gpu_memory_utilization`{which} or decreasing `max_model_len` when "
        f"initializing the engine.{tail}"
    )
