"""The roofline with a plan's own figures."""

from dataclasses import replace
from typing import Unpack

import pytest

from components.core.hardware import INSTANCE_TYPES
from components.core.sizing.devices import device_of
from components.core.sizing.request import Load, Model, Traffic
from components.core.sizing.speed import replica_bounds
from components.core.sizing.throughput import Bounds
from components.core.sizing.verdict import fit
from tests.unit.core.sizing.published import (
    LLAMA_8B,
    LLAMA_8B_BYTES,
    LLAMA_70B,
    QWEN3_30B,
    Settings,
    architecture,
)

TRAFFIC = Traffic(1024, 256)


def reach(
    name: str,
    machine: str,
    users: int,
    *,
    linked: bool = True,
    size: int | None = None,
    **load: Unpack[Settings],
) -> Bounds | None:
    kind, asked = INSTANCE_TYPES[machine], replace(Load(**load), max_model_len=8192)
    model = Model(name, architecture(name), size)
    found = fit(model.architecture, device_of(kind), asked, size)
    return replica_bounds(model, kind, asked, found, users=users, traffic=TRAFFIC, linked=linked)


def speed(
    name: str,
    machine: str,
    users: int,
    *,
    linked: bool = True,
    size: int | None = None,
    **load: Unpack[Settings],
) -> float:
    found = reach(name, machine, users, linked=linked, size=size, **load)
    assert found is not None
    return found.tokens_per_second


@pytest.mark.parametrize(("machine", "measured"), [("p5.48xlarge", 93), ("g6e.xlarge", 44)])
def test_one_user_is_bound_by_reading_the_weights(machine: str, measured: float) -> None:
    """Llama 3.1 8B alone was measured at 93 tokens/s on an H100 and 44 on an L40S: below what
    bandwidth over bytes allows, which the bound does not exceed."""
    gpu = INSTANCE_TYPES[machine].gpu
    assert gpu.bandwidth_gb_per_s is not None
    layers = LLAMA_8B_BYTES - 2 * 128_256 * 4096
    bound = speed(LLAMA_8B, machine, 1, size=LLAMA_8B_BYTES)
    assert measured < bound <= gpu.bandwidth_gb_per_s * 1e9 / layers


def test_more_users_are_faster_together_and_slower_each() -> None:
    one, many = speed(LLAMA_8B, "p5.48xlarge", 1), speed(LLAMA_8B, "p5.48xlarge", 32)
    assert one < many < 32 * one


def test_more_gpus_are_faster_but_not_in_proportion() -> None:
    one = speed(LLAMA_8B, "p5.48xlarge", 1)
    four = speed(LLAMA_8B, "p5.48xlarge", 1, tensor_parallel_size=4)
    assert one < four < 4 * one


def test_pcie_costs_and_leaving_it_out_does_not() -> None:
    linked = speed(LLAMA_70B, "g6.48xlarge", 8, tensor_parallel_size=8)
    free = speed(LLAMA_70B, "g6.48xlarge", 8, tensor_parallel_size=8, linked=False)
    assert linked < free
    alone = speed(LLAMA_8B, "g6e.xlarge", 8)
    assert alone == speed(LLAMA_8B, "g6e.xlarge", 8, linked=False)


def test_experts_that_a_token_does_not_visit_are_not_read() -> None:
    """Qwen3-30B-A3B has 3.3 of its 30.5 billion weights active."""
    assert speed(QWEN3_30B, "p5.48xlarge", 1) > 5 * speed("Qwen--Qwen3-32B", "p5.48xlarge", 1)


def test_stages_of_a_pipeline_follow_each_other() -> None:
    one = speed(LLAMA_8B, "p5.48xlarge", 4)
    two = speed(LLAMA_8B, "p5.48xlarge", 4, pipeline_parallel_size=2)
    assert two == pytest.approx(one, rel=0.15)


def test_nobody_fits_and_unknown_speeds_have_no_bound() -> None:
    assert reach(LLAMA_8B, "p5.48xlarge", 0) is None
    kind = INSTANCE_TYPES["p5.48xlarge"]
    unknown = replace(kind, gpu=replace(kind.gpu, tflops_16bit=None))
    model = Model("llama", architecture(LLAMA_8B))
    found = fit(model.architecture, device_of(unknown), Load(), None)
    assert replica_bounds(model, unknown, Load(), found, users=1, traffic=TRAFFIC) is None
