"""What to change where a model does not start: every advice was planned again and starts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from components.core.architecture import Architecture
from components.core.hardware import INSTANCE_TYPES, InstanceType
from components.core.sizing.devices import device_of
from components.core.sizing.request import Device, Load
from components.core.sizing.verdict import Fit, fit

_MOST = 4
_FEW_SEQUENCES = 64
_HIGH_UTILIZATION = 0.92
_STEP = 256


@dataclass(frozen=True)
class Fix:
    """One change after which the model starts.

    Attributes:
        key: Setting to change.
        value: What to set it to.
        text: The advice as a phrase.
        extra_usd_per_hour: What it adds to a replica's price; 0 for a setting, None if unknown.
    """

    key: str
    value: str
    text: str
    extra_usd_per_hour: float | None = 0.0


def nearest_fixes(
    model: Architecture,
    weight_bytes: int | None,
    machine: InstanceType,
    load: Load,
    found: Fit,
) -> tuple[Fix, ...]:
    """Changes after which the model starts: settings first, then hardware by its price.

    Each is tried alone.
    """
    if found.verdict == "will start":
        return ()
    device = device_of(machine)
    settings = _settings(model, weight_bytes, device, load, found)
    hardware = sorted(
        (*_more_gpus(model, weight_bytes, machine, load), *_variants(model, machine, load)),
        key=_price,
    )
    others = sorted(_machines(model, weight_bytes, machine, load), key=_price)
    return (*settings, *hardware, *others[:2])[:_MOST]


def _price(fix: Fix) -> float:
    return float("inf") if fix.extra_usd_per_hour is None else fix.extra_usd_per_hour


def _starts(model: Architecture, device: Device, load: Load, weight_bytes: int | None) -> bool:
    return fit(model, device, load, weight_bytes).verdict == "will start"


def _settings(
    model: Architecture, weight_bytes: int | None, device: Device, load: Load, found: Fit
) -> Iterator[Fix]:
    """Changes that cost nothing but room: a utilisation too high first, then what gives room."""
    settings = found.settings
    usual, few = str(_HIGH_UTILIZATION), str(_FEW_SEQUENCES)
    lower = (
        Fix("gpu_memory_utilization", usual, f"lower gpu_memory_utilization to {usual}"),
        replace(load, gpu_memory_utilization=_HIGH_UTILIZATION),
    )
    higher = replace(lower[0], text=f"raise gpu_memory_utilization to {usual}"), lower[1]
    fewer = (
        Fix("max_num_seqs", few, f"lower max_num_seqs to {few}"),
        replace(load, max_num_seqs=_FEW_SEQUENCES),
    )
    small = (
        Fix("kv_cache_dtype", "fp8", "store the KV cache in fp8"),
        replace(load, kv_cache_dtype="fp8"),
    )
    if settings.utilization > _HIGH_UTILIZATION:
        yield from _if_it_starts(model, weight_bytes, device, *lower)
    length = _length_that_starts(model, weight_bytes, device, load, found)
    if length:
        yield Fix("max_model_len", str(length), f"lower max_model_len to {length:,}")
    if settings.utilization < _HIGH_UTILIZATION:
        yield from _if_it_starts(model, weight_bytes, device, *higher)
    if settings.max_num_seqs > _FEW_SEQUENCES:
        yield from _if_it_starts(model, weight_bytes, device, *fewer)
    if settings.kv_dtype == "auto" and device.at_least(8, 9):
        yield from _if_it_starts(model, weight_bytes, device, *small)


def _if_it_starts(
    model: Architecture, weight_bytes: int | None, device: Device, fix: Fix, load: Load
) -> Iterator[Fix]:
    if _starts(model, device, load, weight_bytes):
        yield fix


def _length_that_starts(
    model: Architecture, weight_bytes: int | None, device: Device, load: Load, found: Fit
) -> int:
    """The largest length, in steps of 256, that starts with room to spare; 0 for none."""
    longest = min(found.longest, model.max_position, found.settings.max_model_len)
    while longest >= _STEP:
        longest = longest // _STEP * _STEP
        if _starts(model, device, replace(load, max_model_len=longest), weight_bytes):
            return longest
        longest = int(longest * 0.9) - 1
    return 0


def _more_gpus(
    model: Architecture, weight_bytes: int | None, machine: InstanceType, load: Load
) -> Iterator[Fix]:
    device, tensor = device_of(machine), load.tensor_parallel_size
    each = None if machine.usd_per_hour is None else machine.usd_per_hour / machine.gpu_count
    for count in (2, 4, 8):
        if not tensor < count <= machine.gpu_count:
            continue
        if _starts(model, device, replace(load, tensor_parallel_size=count), weight_bytes):
            yield Fix(
                "tensor_parallel_size",
                str(count),
                f"share it by {count} GPUs",
                None if each is None else each * (count - tensor),
            )
            return


def _variants(model: Architecture, machine: InstanceType, load: Load) -> Iterator[Fix]:
    """The same model with smaller weights, quantised while loading so that nothing else changes."""
    device = device_of(machine)
    if model.quantization is not None or load.quantization or not device.at_least(8, 9):
        return
    if _starts(model, device, replace(load, quantization="fp8"), None):
        yield Fix("quantization", "fp8", "take an fp8 variant of the model", 0.0)


def _machines(
    model: Architecture, weight_bytes: int | None, machine: InstanceType, load: Load
) -> Iterator[Fix]:
    """Other machines of the catalogue on which it starts as it is set."""
    gpus = load.tensor_parallel_size * load.pipeline_parallel_size
    seen: set[str] = {machine.gpu.name}
    priced = [kind for kind in INSTANCE_TYPES.values() if kind.usd_per_hour is not None]
    for kind in sorted(priced, key=lambda k: (k.usd_per_hour or 0) / k.gpu_count):
        if kind.gpu.name in seen or kind.gpu_count < load.tensor_parallel_size:
            continue
        seen.add(kind.gpu.name)
        if _starts(model, device_of(kind), load, weight_bytes):
            hourly = (kind.usd_per_hour or 0) * gpus / kind.gpu_count
            today = (machine.usd_per_hour or 0) * gpus / machine.gpu_count
            yield Fix(
                "pool",
                kind.name,
                f"use {kind.name} ({kind.gpu.name}, {kind.gpu.cuda_gib:.0f} GiB)",
                None if machine.usd_per_hour is None else hourly - today,
            )
