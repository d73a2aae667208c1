"""Whatever is advised was applied and starts."""

from dataclasses import replace

import pytest

from components.core.hardware import INSTANCE_TYPES, InstanceType
from components.core.sizing.devices import device_of
from components.core.sizing.fixes import Fix, nearest_fixes
from components.core.sizing.request import Load
from components.core.sizing.verdict import fit
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    GEMMA4_26B,
    GPT_OSS_20B,
    LLAMA_8B,
    LLAMA_8B_BYTES,
    LLAMA_70B,
    QWEN3_32B,
    QWEN3_NEXT,
    QWEN_7B,
    architecture,
)

MODELS = (LLAMA_8B, QWEN_7B, LLAMA_70B, QWEN3_32B, GPT_OSS_20B, GEMMA4_26B, QWEN3_NEXT, DEEPSEEK_R1)
MACHINES = ("g4dn.xlarge", "g5.xlarge", "g6.12xlarge", "g6e.xlarge", "p4d.24xlarge", "p5.48xlarge")
LOADS = (
    Load(),
    Load(gpu_memory_utilization=0.999),
    Load(gpu_memory_utilization=0.5, max_model_len=8192),
    Load(engine_version=(0, 11, 0), max_num_seqs=1024),
)


def advice(
    model: str, machine: InstanceType, load: Load, weight_bytes: int | None = None
) -> tuple[Fix, ...]:
    shape = architecture(model)
    found = fit(shape, device_of(machine), load, weight_bytes)
    return nearest_fixes(shape, weight_bytes, machine, load, found)


def applied(fix: Fix, machine: InstanceType, load: Load) -> tuple[InstanceType, Load]:
    """The machine and load as the advice says."""
    if fix.key == "pool":
        return INSTANCE_TYPES[fix.value], load
    if fix.key == "gpu_memory_utilization":
        return machine, replace(load, gpu_memory_utilization=float(fix.value))
    if fix.key in {"kv_cache_dtype", "quantization"}:
        return machine, replace(load, **{fix.key: fix.value})
    return machine, replace(load, **{fix.key: int(fix.value)})


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("model", MODELS)
def test_every_advice_starts_when_it_is_followed(model: str, name: str) -> None:
    machine = INSTANCE_TYPES[name]
    for load in LOADS:
        for fix in advice(model, machine, load):
            other, changed = applied(fix, machine, load)
            found = fit(architecture(model), device_of(other), changed, None)
            assert found.verdict == "will start", (fix, load)
            assert changed.tensor_parallel_size <= other.gpu_count


def test_the_loads_of_this_module_need_advice() -> None:
    """Else the test above would prove nothing."""
    given = [
        fix.key
        for model in MODELS
        for name in MACHINES
        for load in LOADS
        for fix in advice(model, INSTANCE_TYPES[name], load)
    ]
    assert len(given) > 150
    assert set(given) == {
        "gpu_memory_utilization", "max_model_len", "max_num_seqs", "kv_cache_dtype",
        "tensor_parallel_size", "quantization", "pool",
    }  # fmt: skip


def test_what_starts_needs_none() -> None:
    load = Load(max_model_len=8192)
    assert advice(LLAMA_8B, INSTANCE_TYPES["g6e.xlarge"], load, LLAMA_8B_BYTES) == ()


def test_lowering_a_utilisation_that_is_too_high_comes_first() -> None:
    load = Load(gpu_memory_utilization=0.97, max_model_len=8192)
    first = advice(LLAMA_8B, INSTANCE_TYPES["g6e.xlarge"], load, LLAMA_8B_BYTES)[0]
    assert (first.key, first.value) == ("gpu_memory_utilization", "0.92")
    assert first.text == "lower gpu_memory_utilization to 0.92"
    assert first.extra_usd_per_hour == 0


def test_a_length_is_shortened_in_steps_of_256_and_named_before_hardware() -> None:
    given = advice(LLAMA_8B, INSTANCE_TYPES["g6.xlarge"], Load(), LLAMA_8B_BYTES)
    assert given[0].key == "max_model_len"
    assert int(given[0].value) % 256 == 0
    assert 0 < int(given[0].value) < 131_072


def test_more_gpus_cost_their_share_of_the_machine() -> None:
    machine = INSTANCE_TYPES["g6.12xlarge"]
    given = advice(QWEN3_32B, machine, Load(max_model_len=8192))
    more = next(fix for fix in given if fix.key == "tensor_parallel_size")
    assert machine.usd_per_hour is not None
    extra = machine.usd_per_hour / 4 * (int(more.value) - 1)
    assert more.extra_usd_per_hour == pytest.approx(extra)


def test_a_model_that_is_quantised_gets_no_advice_to_quantise_it() -> None:
    given = advice(GPT_OSS_20B, INSTANCE_TYPES["g6.xlarge"], Load())
    assert "quantization" not in {fix.key for fix in given}


def test_no_fp8_variant_is_advised_for_a_gpu_without_fp8() -> None:
    for model in MODELS:
        keys = {fix.key for fix in advice(model, INSTANCE_TYPES["g5.xlarge"], Load())}
        assert not keys & {"quantization", "kv_cache_dtype"}


def test_at_most_four_are_given_hardware_by_its_price() -> None:
    for model in MODELS:
        for name in MACHINES:
            given = advice(model, INSTANCE_TYPES[name], Load())
            assert len(given) <= 4
            pools = [fix.extra_usd_per_hour for fix in given if fix.key == "pool"]
            assert pools == sorted(pools, key=lambda price: price or 0.0)


def test_a_machine_without_a_price_gets_advice_without_one() -> None:
    machine = replace(INSTANCE_TYPES["g6.12xlarge"], usd_per_hour=None)
    given = advice(QWEN3_32B, machine, Load(max_model_len=8192))
    extras = {
        f.key: f.extra_usd_per_hour for f in given if f.key in {"tensor_parallel_size", "pool"}
    }
    assert extras
    assert set(extras.values()) == {None}
