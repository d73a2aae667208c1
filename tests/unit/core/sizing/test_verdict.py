"""Will start, may fail late or refused: where each begins."""

from dataclasses import replace
from typing import Unpack

import pytest

from components.core.sizing.request import Device, Load
from components.core.sizing.verdict import Fit, fit
from tests.unit.core.sizing.published import (
    GIB,
    LLAMA_8B,
    LLAMA_8B_BYTES,
    LLAMA_70B,
    QWEN_7B,
    QWEN_7B_BYTES,
    Settings,
    architecture,
    device,
    planned,
)

QWEN3_NEXT_INT4 = "local--Qwen3-Next-80B-A3B-Instruct-W4A16"
CARD = Device("card", 24.0, (8, 9))


def with_slack(gib: float, **load: Unpack[Settings]) -> Fit:
    """Llama 3.1 8B with so much more memory than one request of 8192 tokens needs."""
    model = architecture(LLAMA_8B)
    asked = replace(Load(**load), max_model_len=8192)
    found = fit(model, CARD, asked, LLAMA_8B_BYTES)
    needed = found.cache.needed_bytes(8192)
    short = (found.available - needed) / GIB - gib
    return fit(model, CARD, asked, LLAMA_8B_BYTES + round(short * GIB))


@pytest.mark.parametrize(
    ("slack", "verdict"),
    [
        (3.0, "will start"),
        (0.51, "will start"),
        (0.49, "may fail late"),
        (-0.49, "may fail late"),
        (-0.51, "refused"),
        (-8.0, "refused"),
    ],
)
def test_the_edge_is_half_a_gib_to_either_side(slack: float, verdict: str) -> None:
    assert with_slack(slack).verdict == verdict


@pytest.mark.parametrize(("slack", "says"), [(0.4, False), (-0.4, True), (-0.6, True)])
def test_the_engine_s_words_are_given_where_it_lacks_memory(slack: float, *, says: bool) -> None:
    found = with_slack(slack)
    assert found.expected_error.startswith("To serve at least one request") is says
    assert bool(found.expected_error) is says


def test_nothing_left_is_another_error() -> None:
    found = with_slack(-3.0)
    assert found.available < 0
    assert found.expected_error.startswith("No available memory for the cache blocks.")
    assert "nothing is left for the KV cache" in found.reason
    assert (found.tokens, found.concurrency, found.longest) == (0, 0, 0)


def test_weights_beyond_the_gpu_run_out_of_memory() -> None:
    found = planned(LLAMA_70B, "h100")
    assert found.verdict == "refused"
    assert found.expected_error == "torch.OutOfMemoryError: CUDA out of memory."


def test_the_first_engine_compares_tokens() -> None:
    found = with_slack(-0.6, engine_version=(0, 7, 3))
    assert found.expected_error.startswith("The model's max seq len (8192) is larger than")


@pytest.mark.parametrize(
    ("gpu", "share", "verdict"),
    [
        ("l40s", 0.93, "will start"),
        ("l40s", 0.95, "may fail late"),
        ("h100", 0.94, "will start"),  # 4.7 GiB are outside
        ("h100", 0.97, "may fail late"),
    ],
)
def test_a_high_utilisation_with_little_outside_may_fail_late(
    gpu: str, share: float, verdict: str
) -> None:
    """0.94 and more, and less than 2.5 GiB outside the budget."""
    found = planned(QWEN_7B, gpu, QWEN_7B_BYTES, gpu_memory_utilization=share)
    assert found.verdict == verdict
    assert ("died under their first load" in found.reason) is (verdict == "may fail late")


@pytest.mark.parametrize(
    ("version", "verdict"), [((0, 19, 1), "will start"), ((0, 20, 0), "refused")]
)
def test_from_0_20_on_every_sequence_needs_a_block_for_its_state(
    version: tuple[int, int, int], verdict: str
) -> None:
    found = planned(
        QWEN3_NEXT_INT4,
        "h100",
        64_000_000_000,
        engine_version=version,
        max_num_seqs=1024,
        max_model_len=4096,
    )
    blocks = found.cache.blocks(found.available)
    assert 0 < blocks < 1024
    if verdict == "refused":
        assert found.verdict == "refused"
        assert found.expected_error == (
            f"max_num_seqs (1024) exceeds available Mamba cache blocks ({blocks})."
        )
        assert found.longest == 0
    else:
        assert found.verdict != "refused"


def test_as_many_sequences_as_blocks_start_and_eager_engines_need_none() -> None:
    for seqs, eager in ((1024, True), (16, False)):
        found = planned(
            QWEN3_NEXT_INT4,
            "h100",
            64_000_000_000,
            engine_version=(0, 25, 0),
            max_model_len=4096,
            max_num_seqs=seqs,
            enforce_eager=eager,
        )
        assert found.verdict == "will start"


@pytest.mark.parametrize(
    ("version", "seqs", "verdict"),
    [
        ((0, 8, 0), 1024, "refused"),
        ((0, 8, 1), 1024, "refused"),
        ((0, 8, 2), 1024, "will start"),
        ((0, 8, 0), 64, "will start"),
    ],
)
def test_0_8_0_and_0_8_1_forgot_the_sampler(
    version: tuple[int, int, int], seqs: int, verdict: str
) -> None:
    """1024 x 152064 x 38 bytes are 5.5 GiB; an L40S at 0.93 has 3.1 GiB outside its budget."""
    found = planned(
        QWEN_7B,
        "l40s",
        QWEN_7B_BYTES,
        engine_version=version,
        max_num_seqs=seqs,
        max_model_len=8192,
        gpu_memory_utilization=0.93,
    )
    assert found.verdict == verdict
    if verdict == "refused":
        assert found.expected_error.startswith(
            f"CUDA out of memory occurred when warming up sampler with {seqs} dummy requests."
        )


def test_a_refusal_whatever_the_memory_comes_first() -> None:
    found = planned(LLAMA_70B, "t4", tensor_parallel_size=3)
    assert found.expected_error.startswith("Total number of attention heads (64)")


def test_memory_is_shared_out_to_the_byte() -> None:
    found = planned(LLAMA_8B, "h100", LLAMA_8B_BYTES)
    parts = found.weights + found.overhead.total + found.available
    assert parts == pytest.approx(device("h100").memory_gib * GIB * 0.92)
    assert found.concurrency == pytest.approx(found.tokens / 131_072, rel=0.001)
