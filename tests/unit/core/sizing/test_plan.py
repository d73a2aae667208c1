"""The whole answer for one model on one machine."""

import time
from dataclasses import replace

import pytest

from components.core.hardware import INSTANCE_TYPES
from components.core.sizing.devices import device_of
from components.core.sizing.plan import Start, plan
from components.core.sizing.request import Load, Model, SizingError, Traffic
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    GPT_OSS_20B,
    LLAMA_8B,
    LLAMA_8B_BYTES,
    LLAMA_70B,
    QWEN3_30B,
    QWEN_7B,
    architecture,
)

LLAMA = Model("llama", architecture(LLAMA_8B), LLAMA_8B_BYTES)
SHORT = Load(max_model_len=8192)


@pytest.mark.parametrize(("gpus", "shm", "host"), [(1, 1, 7), (2, 2, 10), (4, 4, 16)])
def test_memory_of_the_host_grows_with_the_gpus(gpus: int, shm: float, host: float) -> None:
    """4 GiB for server and core, 2 for each worker, and shared memory of 1 GiB for each GPU."""
    load = replace(SHORT, tensor_parallel_size=gpus)
    found = plan(LLAMA, INSTANCE_TYPES["g6.12xlarge"], load)
    assert (found.shm_gib, found.host_memory_gib) == (shm, host)


@pytest.mark.parametrize(("tensor", "stages"), [(1, 1), (2, 1), (4, 1), (2, 2), (4, 2)])
def test_a_replica_pays_for_its_share_of_the_machine(tensor: int, stages: int) -> None:
    machine = INSTANCE_TYPES["g6.12xlarge"]
    load = replace(SHORT, tensor_parallel_size=tensor, pipeline_parallel_size=stages)
    found = plan(LLAMA, machine, load)
    assert machine.usd_per_hour is not None
    assert found.usd_per_hour == pytest.approx(machine.usd_per_hour * tensor * stages / 4)
    assert found.usd_per_month == pytest.approx(machine.usd_per_hour * tensor * stages / 4 * 730)


def test_without_a_price_none_is_claimed() -> None:
    machine = replace(INSTANCE_TYPES["g6e.xlarge"], usd_per_hour=None)
    found = plan(LLAMA, machine, SHORT)
    assert found.usd_per_hour is None
    assert found.usd_per_month is None
    assert found.usd_per_million_tokens is None
    assert "no on-demand price is known for g6e.xlarge" in found.notes


def test_gpus_over_pcie_are_noted_with_what_they_lose() -> None:
    load = replace(SHORT, tensor_parallel_size=4)
    slow = plan(LLAMA, INSTANCE_TYPES["g6.12xlarge"], load)
    assert any("talk over PCIe, not NVLink: their exchanges take" in note for note in slow.notes)
    fast = plan(LLAMA, INSTANCE_TYPES["p5.48xlarge"], load)
    assert not fast.notes
    assert not plan(LLAMA, INSTANCE_TYPES["g6e.xlarge"], SHORT).notes


@pytest.mark.parametrize("model", [LLAMA_8B, QWEN_7B, GPT_OSS_20B, QWEN3_30B])
@pytest.mark.parametrize("name", ["g5.xlarge", "g6e.xlarge", "p4d.24xlarge", "p5.48xlarge"])
@pytest.mark.parametrize("traffic", [Traffic(), Traffic(128, 128, 1.0), Traffic(4000, 100, 0.1)])
def test_a_price_is_never_below_the_roofline(model: str, name: str, traffic: Traffic) -> None:
    """A million tokens at the bound's speed, running all the time, cost least."""
    machine = INSTANCE_TYPES[name]
    found = plan(Model(model, architecture(model)), machine, SHORT, traffic)
    if found.bounds is None:
        assert found.concurrency == 0
        assert found.usd_per_million_tokens is None
        return
    assert found.usd_per_hour is not None
    assert found.usd_per_million_tokens is not None
    least = found.usd_per_hour / (found.bounds.tokens_per_second * 3600) * 1e6
    assert found.usd_per_million_tokens >= least * (1 - 1e-9)
    assert found.usd_per_million_tokens == pytest.approx(least / traffic.utilization)


def test_copies_side_by_side_pay_and_serve_alike() -> None:
    one = plan(LLAMA, INSTANCE_TYPES["p5.48xlarge"], SHORT)
    four = plan(LLAMA, INSTANCE_TYPES["p5.48xlarge"], replace(SHORT, data_parallel_size=4))
    assert one.usd_per_hour is not None
    assert four.usd_per_hour == pytest.approx(4 * one.usd_per_hour)
    assert four.usd_per_million_tokens == pytest.approx(one.usd_per_million_tokens)


def test_users_are_bounded_by_max_num_seqs_and_by_memory() -> None:
    machine = INSTANCE_TYPES["g6.xlarge"]
    few = plan(LLAMA, machine, replace(SHORT, max_num_seqs=2, gpu_memory_utilization=0.92))
    assert few.concurrency == 2
    long = plan(LLAMA, machine, SHORT, Traffic(7000, 1000))
    short = plan(LLAMA, machine, SHORT, Traffic(500, 100))
    assert 0 < long.concurrency < short.concurrency


def test_a_machine_with_fewer_gpus_cannot_be_planned() -> None:
    with pytest.raises(SizingError, match=r"tensor_parallel_size is 2, but g6e\.xlarge has 1 GPU;"):
        plan(LLAMA, INSTANCE_TYPES["g6e.xlarge"], replace(SHORT, tensor_parallel_size=2))


def test_fixes_are_given_where_it_does_not_start_and_only_there() -> None:
    assert plan(LLAMA, INSTANCE_TYPES["g6.xlarge"], Load()).fixes
    assert not plan(LLAMA, INSTANCE_TYPES["g6e.xlarge"], SHORT).fixes


def test_a_warm_start_is_faster_than_a_cold_one() -> None:
    cold = plan(LLAMA, INSTANCE_TYPES["g6e.xlarge"], SHORT)
    start = Start(compile_cache=True, new_node=False)
    warm = plan(LLAMA, INSTANCE_TYPES["g6e.xlarge"], SHORT, start=start)
    assert warm.start_seconds.high < cold.start_seconds.high
    assert warm.start_seconds.low <= warm.start_seconds.high


def test_a_gpu_whose_speed_is_unknown_has_no_bounds() -> None:
    machine = INSTANCE_TYPES["g6e.xlarge"]
    unknown = replace(machine, gpu=replace(machine.gpu, bandwidth_gb_per_s=None))
    found = plan(LLAMA, unknown, SHORT)
    assert found.bounds is None
    assert found.usd_per_million_tokens is None


def test_a_device_has_the_memory_that_cuda_reports() -> None:
    machine = INSTANCE_TYPES["p5.48xlarge"]
    assert device_of(machine).memory_gib == pytest.approx(81_089 / 1024)
    assert device_of(machine).nvlink
    unmeasured = replace(machine, gpu=replace(machine.gpu, cuda_memory_mib=None))
    assert device_of(unmeasured).memory_gib == 80


@pytest.mark.parametrize("model", [LLAMA_8B, LLAMA_70B, DEEPSEEK_R1, GPT_OSS_20B])
@pytest.mark.parametrize("name", ["g6.xlarge", "p5.48xlarge"])
def test_a_plan_with_its_fixes_takes_under_50_ms(model: str, name: str) -> None:
    asked = Model(model, architecture(model))
    taken: list[float] = []
    for _ in range(5):
        began = time.process_time()
        plan(asked, INSTANCE_TYPES[name], Load())
        taken.append(time.process_time() - began)
    assert min(taken) < 0.05
