"""What a model would need: each kind and count of GPUs of the catalogue on its cheapest machine."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from components.core.hardware import Gpu, InstanceType
from components.core.sizing.devices import device_of
from components.core.sizing.plan import HOURS_PER_MONTH, plan
from components.core.sizing.request import Load, Model, Traffic
from components.core.sizing.verdict import Fit, fit

COUNTS = (1, 2, 4, 8)
"""GPUs of a replica that are tried where nobody asks for a number."""
_ASSUMED_CPUS, _ASSUMED_MEMORY_GIB = 64, 512
"""Of a machine that only its GPU is known of; neither changes a verdict."""


@dataclass(frozen=True)
class Figures:
    """What an option comes to, as plain values.

    Attributes:
        verdict: Whether it starts.
        reason: The binding constraint.
        concurrency: Requests of the typical length at once; 0 where refused.
        largest_max_model_len: That starts with these settings.
        kv_cache_tokens: Tokens of KV cache.
        machine_usd_per_month: Of the whole machine, which has to be bought for a first replica.
        usd_per_month: Of the GPUs that a replica takes of it.
        usd_per_million_tokens: The least a million output tokens can cost; None if unknown.
    """

    verdict: str
    reason: str
    concurrency: int
    largest_max_model_len: int
    kv_cache_tokens: int
    machine_usd_per_month: float | None
    usd_per_month: float | None
    usd_per_million_tokens: float | None


@dataclass(frozen=True)
class Option:
    """One way to serve the model.

    Attributes:
        machine: The cheapest with these GPUs.
        gpus: How many of its GPUs a replica takes.
        fit: Whether it starts.
        figures: What it comes to.
    """

    machine: InstanceType
    gpus: int
    fit: Fit
    figures: Figures

    @property
    def links(self) -> str:
        """What joins the GPUs of a replica; empty for one GPU."""
        if self.gpus == 1:
            return ""
        return "NVLink" if self.machine.nvlink else "PCIe"


def options(
    model: Model,
    load: Load,
    machines: Sequence[InstanceType],
    *,
    traffic: Traffic,
    gpu: Gpu | None = None,
    counts: Sequence[int] = COUNTS,
) -> tuple[Option, ...]:
    """Every kind and count of GPUs, those that start first, by the price of the machine.

    Args:
        model: What is to be served.
        load: The engine's settings.
        machines: What can be bought.
        traffic: Lengths and utilisation for users and price.
        gpu: This kind alone, where no machine has it on one whose price nobody knows.
        counts: GPUs of a replica.
    """
    offered = [each for each in machines if gpu is None or each.gpu.name == gpu.name]
    if gpu is not None and not offered:
        offered = [_unpriced(gpu)]
    found = (
        _option(model, load, machine, count, traffic) for machine, count in _ways(offered, counts)
    )
    return tuple(sorted(found, key=_order))


def _unpriced(gpu: Gpu) -> InstanceType:
    return InstanceType(
        name="a machine of yours",
        gpu=gpu,
        gpu_count=max(COUNTS),
        vcpu=_ASSUMED_CPUS,
        memory_gib=_ASSUMED_MEMORY_GIB,
        nvlink=gpu.nvlink_gb_per_s is not None,
    )


def _ways(
    machines: Sequence[InstanceType], counts: Sequence[int]
) -> Iterator[tuple[InstanceType, int]]:
    for name in dict.fromkeys(each.gpu.name for each in machines):
        for count in counts:
            able = [m for m in machines if m.gpu.name == name and m.gpu_count >= count]
            if able:
                yield min(able, key=_price), count


def _option(
    model: Model, load: Load, machine: InstanceType, count: int, traffic: Traffic
) -> Option:
    shared = replace(load, tensor_parallel_size=count)
    found = fit(model.architecture, device_of(machine), shared, model.weight_bytes)
    starts = found.verdict != "refused"
    planned = plan(model, machine, shared, traffic) if starts else None
    hourly = machine.usd_per_hour
    figures = Figures(
        verdict=found.verdict,
        reason=found.reason,
        concurrency=planned.concurrency if planned else 0,
        largest_max_model_len=min(found.longest, model.architecture.max_position),
        kv_cache_tokens=found.tokens,
        machine_usd_per_month=_monthly(hourly),
        usd_per_month=_monthly(hourly, count / machine.gpu_count),
        usd_per_million_tokens=planned.usd_per_million_tokens if planned else None,
    )
    return Option(machine, count, found, figures)


def _monthly(hourly: float | None, share: float = 1.0) -> float | None:
    return None if hourly is None else round(hourly * share * HOURS_PER_MONTH, 2)


def _order(option: Option) -> tuple[bool, float, int]:
    return option.fit.verdict == "refused", _price(option.machine), option.gpus


def _price(machine: InstanceType) -> float:
    return math.inf if machine.usd_per_hour is None else machine.usd_per_hour
