"""What is neither weights nor cache: figures read from sources and fitted ones in their order."""

from typing import Unpack

import pytest

from components.core.sizing.overhead import Overhead, graph_bytes, overhead
from components.core.sizing.request import Load
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    GEMMA4_26B,
    GIB,
    LLAMA_8B,
    LLAMA_70B,
    QWEN3_8B,
    Settings,
    architecture,
    device,
    settings,
)

VL = "Qwen--Qwen2.5-VL-7B-Instruct"
QWEN3_VOCABULARY = 151_936
LLAMA_STEP = 8192 * 4096 * 2
"""Bytes of the hidden states of 8192 tokens."""


def taken(model: str, gpu: str = "h100", **load: Unpack[Settings]) -> Overhead:
    chosen = settings(model, gpu, **load)
    return overhead(architecture(model), device(gpu), Load(**load), chosen)


@pytest.mark.parametrize(
    ("version", "each"),
    [
        ((0, 11, 2), 38),
        ((0, 16, 0), 38),
        ((0, 17, 1), 14),
        ((0, 24, 0), 14),
        ((0, 25, 0), 6),
        ((0, 27, 0), 6),
        ((0, 28, 0), 4),
        ((0, 32, 0), 4),
        ((0, 33, 0), 14),
    ],
)
def test_the_sampler_takes_so_many_bytes_a_request_and_word(
    version: tuple[int, int, int], each: int
) -> None:
    """38 of sorting, 14 of a kernel; of the second runner 6, later 2 and gathered copies."""
    found = taken(
        QWEN3_8B if version < (0, 22, 0) else LLAMA_8B,
        engine_version=version,
        max_num_seqs=4096,
        max_num_batched_tokens=8192,
    )
    words = QWEN3_VOCABULARY if version < (0, 22, 0) else 128_256
    assert found.step == 4096 * words * each + LLAMA_STEP


@pytest.mark.parametrize(("rows", "each"), [(127, 50), (128, 38)])
def test_few_rows_are_sorted_with_more_bytes_each(rows: int, each: int) -> None:
    found = taken(
        QWEN3_8B, engine_version=(0, 12, 0), max_num_seqs=rows, max_num_batched_tokens=rows
    )
    assert found.step == rows * QWEN3_VOCABULARY * each + rows * 4096 * 2


def test_h100_with_0_11_loses_six_gib_to_the_sampler() -> None:
    """Logs of 0.11.0 on H100: Qwen3-32B 39.4 bytes a request and word, Llama-3.1-8B 39.4."""
    found = taken(LLAMA_8B, engine_version=(0, 11, 0))
    assert found.total / (1024 * 128_256) == pytest.approx(39.4, abs=1.5)


def test_the_second_runner_keeps_counters_that_count_from_0_27_on() -> None:
    """int32 and a bit for each of S x V entries: 4.125 bytes."""
    before = taken(LLAMA_8B, engine_version=(0, 26, 0))
    since = taken(LLAMA_8B, engine_version=(0, 27, 0))
    assert since.libraries - before.libraries == pytest.approx(4.125 * 1024 * 128_256)


def test_a_long_step_outgrows_the_sampler() -> None:
    short = taken(LLAMA_8B, max_num_seqs=8, max_num_batched_tokens=2048)
    long = taken(LLAMA_8B, max_num_seqs=8, max_num_batched_tokens=65_536)
    assert long.step == pytest.approx(32 * short.step)


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_more_gpus_take_more_for_their_exchange(gpus: int) -> None:
    fewer = taken(LLAMA_70B, tensor_parallel_size=gpus // 2)
    more = taken(LLAMA_70B, tensor_parallel_size=gpus)
    assert more.libraries > fewer.libraries
    assert more.graphs >= fewer.graphs


def test_eager_engines_capture_no_graphs() -> None:
    assert taken(LLAMA_8B, enforce_eager=True).graphs == 0
    assert taken(LLAMA_8B, engine_version=(0, 19, 1)).graphs == 0
    assert 0.2 < taken(LLAMA_8B).graphs / GIB < 1.5
    eager = Load(enforce_eager=True)
    assert graph_bytes(architecture(LLAMA_8B), eager, settings(LLAMA_8B)) == 0


def test_pictures_take_memory_unless_they_are_refused() -> None:
    assert taken(VL).vision > 0
    assert taken(VL, language_model_only=True).vision == 0
    assert taken(LLAMA_8B).vision == 0
    assert taken(GEMMA4_26B).vision > 0


def test_smaller_pictures_take_less() -> None:
    large = taken(VL, max_num_seqs=1, max_num_batched_tokens=2048)
    small = taken(VL, max_num_seqs=1, max_num_batched_tokens=2048, image_tokens=1024)
    assert small.vision < large.vision


def test_a_draft_takes_half_a_gib() -> None:
    plain = taken(DEEPSEEK_R1, "h200", tensor_parallel_size=8)
    drafted = taken(DEEPSEEK_R1, "h200", tensor_parallel_size=8, speculative_tokens=1)
    assert drafted.libraries - plain.libraries == 0.5 * GIB


def test_a_unified_gpu_holds_the_engine_s_processes_too() -> None:
    apart = device("gb10")
    load = Load()
    shared = overhead(architecture(LLAMA_8B), apart, load, settings(LLAMA_8B, "gb10"))
    alone = overhead(architecture(LLAMA_8B), device("l40s"), load, settings(LLAMA_8B, "gb10"))
    assert shared.libraries > alone.libraries


def test_the_total_is_the_sum() -> None:
    assert Overhead(1.0, 2.0, 3.0, 4.0).total == 10.0
