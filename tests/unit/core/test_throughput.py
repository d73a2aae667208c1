"""No published measurement is faster than the bounds, and no price promises more than they do."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.hardware import GPUS
from components.core.sizing.throughput import (
    Bounds,
    Share,
    Speed,
    all_reduce_seconds,
    bounds,
    step_seconds,
    tensor_parallel,
    touched_experts,
    usd_per_million_tokens,
)

LLAMA_8B_BYTES = 16_060_522_496
LLAMA_8B_LAYER_FLOPS = 2 * 6_979_321_856  # 32 layers without embedding and head
LLAMA_8B_KV_BYTES = 131_072
QWEN_7B_BYTES = 15_231_233_024


def speed(gpu: str) -> Speed:
    bandwidth, tflops = GPUS[gpu].bandwidth_gb_per_s, GPUS[gpu].tflops_16bit
    assert bandwidth is not None
    assert tflops is not None
    return Speed(bandwidth * 1e9, tflops * 1e12)


def llama_8b(tokens_per_sequence: int) -> Share:
    kv = LLAMA_8B_KV_BYTES * tokens_per_sequence
    return Share(LLAMA_8B_BYTES, LLAMA_8B_LAYER_FLOPS, kv)


def at_batch(gpu: str, share: Share, batch: int) -> Bounds:
    return bounds(share, speed(gpu), batch=batch, prompt_tokens=128, output_tokens=128)


@pytest.mark.parametrize(
    ("gpu", "batch", "measured"),
    [
        ("h100", 1, 93),
        ("h100", 8, 688),
        ("h100", 32, 2462),
        ("a100-80gb", 1, 79),
        ("a100-80gb", 8, 603),
        ("a100-80gb", 32, 1933),
        ("l40s", 1, 44),
        ("l40s", 8, 325),
        ("l40s", 32, 1124),
    ],
)
def test_measured_llama_8b_lies_under_the_bound_and_within_reach_of_it(
    gpu: str, batch: int, measured: float
) -> None:
    """Koyeb's figures, retold by aihardwareindex.com."""
    bound = at_batch(gpu, llama_8b(256), batch)
    assert 0.35 < measured / bound.decode_tokens_per_second < 0.9
    assert measured < bound.tokens_per_second
    assert bound.limited_by == "memory"


@pytest.mark.parametrize(
    ("gpu", "measured"), [("h100", 1093), ("a100-80gb-pcie", 703), ("rtx-4090", 474)]
)
def test_measured_qwen_7b_at_eight_sequences_lies_under_the_bound(
    gpu: str, measured: float
) -> None:
    """BENCHMARKS.md of h9-tec/KV-planner: 16-bit, 2048 in, 256 out."""
    share = Share(QWEN_7B_BYTES, 2 * 6.5e9, 57_344 * 2176)
    result = bounds(share, speed(gpu), batch=8, prompt_tokens=2048, output_tokens=256)
    assert measured < result.tokens_per_second < 3 * measured


def test_measured_long_contexts_lie_under_the_bound() -> None:
    """vLLM's FP8 KV cache post: one H100, 8 concurrent, 20k in and 2k out, 450 tokens/s."""
    share = llama_8b(21_000)
    result = bounds(share, speed("h100"), batch=8, prompt_tokens=20_000, output_tokens=2_000)
    assert 450 < result.tokens_per_second < 1000
    assert result.first_token_seconds < 0.764
    assert 1 / result.tokens_per_second_per_user < 15.2e-3


@pytest.mark.parametrize(("gpu", "measured"), [("h100", 5777), ("l40s", 1642), ("h200", 8255)])
def test_mlperf_results_lie_under_the_bound(gpu: str, measured: float) -> None:
    """MLPerf Inference v5.1 offline, Llama-3.1-8B, per GPU: tuned, so close to the ceiling."""
    half = replace(llama_8b(512), weight_bytes=LLAMA_8B_BYTES / 2)  # the runs multiply in FP8
    fp8 = GPUS[gpu].tflops_fp8
    assert fp8 is not None
    result = bounds(
        half, replace(speed(gpu), flops=fp8 * 1e12), batch=256, prompt_tokens=512, output_tokens=128
    )
    assert measured < result.tokens_per_second < 10 * measured


@pytest.mark.parametrize(("gpu", "claimed"), [("l40s", 4200), ("h100", 5500)])
def test_claims_at_batch_16_that_break_physics_lie_above_the_bound(
    gpu: str, claimed: float
) -> None:
    """A price table of May 2026 says so much of Llama-3.1-8B in 16 bits."""
    assert claimed > at_batch(gpu, llama_8b(1), 16).decode_tokens_per_second


def test_weights_are_read_once_a_step_so_one_user_gets_bandwidth_over_weights() -> None:
    share = Share(weight_bytes=100e9, flops_per_token=1, kv_bytes_per_sequence=0)
    assert step_seconds(share, Speed(1e12, 1e15), tokens=1, sequences=1) == pytest.approx(0.1)
    cached = replace(share, kv_bytes_per_sequence=10e9)
    assert step_seconds(cached, Speed(1e12, 1e15), tokens=5, sequences=5) == pytest.approx(0.15)


def test_a_large_batch_waits_for_the_multiplications() -> None:
    result = at_batch("l4", replace(llama_8b(1), kv_bytes_per_sequence=0), 4096)
    assert result.limited_by == "compute"
    peak = 121e12 / LLAMA_8B_LAYER_FLOPS
    assert result.prefill_tokens_per_second < peak
    assert result.tokens_per_second == pytest.approx(peak / 2)


def test_a_prompt_takes_at_least_its_multiplications() -> None:
    result = bounds(llama_8b(1), speed("h100"), batch=1, prompt_tokens=20_000, output_tokens=1)
    flops = 20_000 * LLAMA_8B_LAYER_FLOPS
    assert result.first_token_seconds == pytest.approx(flops / 989e12)
    assert result.prefill_tokens_per_second == pytest.approx(989e12 / LLAMA_8B_LAYER_FLOPS)


def test_a_short_prompt_takes_at_least_one_reading_of_the_weights() -> None:
    result = bounds(llama_8b(1), speed("l4"), batch=1, prompt_tokens=1, output_tokens=1)
    assert result.first_token_seconds == pytest.approx(LLAMA_8B_BYTES / 300e9)


def test_one_token_touches_its_own_experts_and_many_tokens_touch_all() -> None:
    assert touched_experts(128, 8, 1) == pytest.approx(8)
    assert touched_experts(128, 8, 2) == pytest.approx(16 - 8 * 8 / 128)
    assert touched_experts(128, 8, 1e6) == pytest.approx(128)
    assert touched_experts(8, 8, 1) == 8
    assert touched_experts(0, 0, 100) == 0


def test_experts_make_a_small_batch_cheap_to_read() -> None:
    """DeepSeek-V2-Lite on an H100: 1225 tokens/s at 8 sequences (h9-tec/KV-planner)."""
    share = Share(2e9, 2 * 2.4e9, 0, expert_bytes=17.3e6 * 26, experts=64, experts_per_token=6)
    one, eight = (at_batch("h100", share, n).decode_tokens_per_second for n in (1, 8))
    assert 1225 < eight < 8 * one
    dense = replace(share, weight_bytes=31e9, expert_bytes=0, experts=0, experts_per_token=0)
    assert at_batch("h100", dense, 1).decode_tokens_per_second < one / 4


def test_prompts_beside_answers_are_not_charged_with_experts_they_may_share() -> None:
    share = Share(1e9, 1e9, 0, expert_bytes=1e8, experts=64, experts_per_token=2)
    fast = Speed(1e12, 1e18)
    alone = step_seconds(share, fast, tokens=4, sequences=4)
    assert step_seconds(share, fast, tokens=400, sequences=4) == alone
    assert step_seconds(share, fast, tokens=400, sequences=0) > alone


def test_pcie_costs_more_than_nvlink_and_the_bound_says_so() -> None:
    def rate(nvlink: float | None) -> Bounds:
        exchange = tensor_parallel(
            gpus=4, layers=80, hidden_bytes=16384, nvlink_gb_per_s=nvlink, pcie_gb_per_s=128
        )
        share = Share(141e9 / 4, 2 * 70e9 / 4, 0)
        return bounds(
            share, speed("h100"), batch=64, prompt_tokens=1024, output_tokens=256, exchange=exchange
        )

    nvlink, pcie = rate(900), rate(None)
    assert pcie.tokens_per_second < 0.7 * nvlink.tokens_per_second
    assert pcie.limited_by == "links"
    assert nvlink.limited_by != "links"
    assert pcie.first_token_seconds > nvlink.first_token_seconds


def test_an_all_reduce_costs_its_latency_and_its_bytes_over_the_link() -> None:
    pair = tensor_parallel(
        gpus=2, layers=10, hidden_bytes=8192, nvlink_gb_per_s=None, pcie_gb_per_s=64
    )
    assert all_reduce_seconds(pair, 100) == pytest.approx(20 * (4.0e-6 + 100 * 8192 / 32e9))
    four = tensor_parallel(
        gpus=4, layers=10, hidden_bytes=8192, nvlink_gb_per_s=None, pcie_gb_per_s=64
    )
    assert all_reduce_seconds(four, 1) == pytest.approx(20 * (19.4e-6 + 1.5 * 8192 / 32e9))
    switched = tensor_parallel(
        gpus=8, layers=10, hidden_bytes=8192, nvlink_gb_per_s=900, pcie_gb_per_s=128
    )
    assert all_reduce_seconds(switched, 1) == pytest.approx(20 * (2.3e-6 + 8192 / 450e9))


def test_one_gpu_has_nothing_to_exchange() -> None:
    alone = tensor_parallel(
        gpus=1, layers=10, hidden_bytes=8192, nvlink_gb_per_s=None, pcie_gb_per_s=64
    )
    assert alone is None
    assert all_reduce_seconds(alone, 1000) == 0


@pytest.mark.parametrize("counts", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1)])
def test_a_count_below_one_is_refused(counts: tuple[int, int, int]) -> None:
    batch, prompt, output = counts
    with pytest.raises(ValueError, match="must each be 1 or more"):
        bounds(llama_8b(1), speed("l4"), batch=batch, prompt_tokens=prompt, output_tokens=output)


@given(batch=st.integers(1, 4096), prompt=st.integers(1, 100_000), output=st.integers(1, 100_000))
def test_prompts_only_slow_a_replica_down_and_more_users_only_slow_each_user(
    batch: int, prompt: int, output: int
) -> None:
    def result(n: int) -> Bounds:
        return bounds(
            llama_8b(1000), speed("a100-80gb"), batch=n, prompt_tokens=prompt, output_tokens=output
        )

    less, more = result(batch), result(batch + 1)
    assert less.tokens_per_second <= less.decode_tokens_per_second * (1 + 1e-9)
    assert more.tokens_per_second_per_user <= less.tokens_per_second_per_user * (1 + 1e-9)
    assert more.tokens_per_second >= less.tokens_per_second * (1 - 1e-9)
    assert all(
        math.isfinite(x) and x > 0 for x in (less.tokens_per_second, less.first_token_seconds)
    )


def test_a_price_is_dollars_an_hour_over_tokens_an_hour() -> None:
    assert usd_per_million_tokens(3.6, 1000) == pytest.approx(1.0)
    assert usd_per_million_tokens(3.6, 1000, utilisation=0.1) == pytest.approx(10.0)


def test_the_price_of_llama_8b_never_falls_below_what_the_roofline_allows() -> None:
    """The table that claims $0.09 on an L40S at batch 16 claims 4.9 times too much speed."""
    best = at_batch("l40s", llama_8b(1), 16).decode_tokens_per_second
    assert usd_per_million_tokens(1.40, best) > 0.4


@pytest.mark.parametrize("utilisation", [0, -0.5, 1.01, math.nan])
def test_a_utilisation_out_of_range_is_refused(utilisation: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        usd_per_million_tokens(1, 1, utilisation=utilisation)


def test_a_price_of_no_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="tokens_per_second 0 must be above 0"):
        usd_per_million_tokens(1, 0)
