"""What each version sets where the user does not, read from `engine/arg_utils.py`."""

from typing import Any

import pytest

from components.core.sizing.defaults import default_utilization, resolve
from components.core.sizing.request import Load
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    GPT_OSS_20B,
    LLAMA_8B,
    QWEN3_8B,
    QWEN3_30B,
    QWEN3_NEXT,
    QWEN_7B,
    architecture,
    device,
    settings,
)

Version = tuple[int, int, int]


@pytest.mark.parametrize(
    ("version", "gpu", "seqs", "tokens"),
    [
        ((0, 8, 2), "h100", 1024, 8192),
        ((0, 8, 2), "a100-80gb", 1024, 2048),
        ((0, 8, 2), "l40s", 1024, 2048),
        ((0, 8, 5), "a100-80gb", 1024, 8192),
        ((0, 8, 5), "l40s", 256, 2048),
        ((0, 9, 1), "a100-80gb", 256, 2048),
        ((0, 9, 1), "h100", 1024, 8192),
        ((0, 20, 0), "h200", 1024, 8192),
        ((0, 27, 0), "b200", 1024, 8192),
        ((0, 28, 0), "b200", 1024, 16_384),
        ((0, 33, 0), "b300", 1024, 16_384),
        ((0, 28, 0), "h200", 1024, 8192),
        ((0, 33, 0), "a100-80gb", 256, 2048),
        ((0, 33, 0), "l4", 256, 2048),
        ((0, 33, 0), "t4", 256, 2048),
        ((0, 32, 0), "gb10", 1024, 8192),
        ((0, 33, 0), "gb10", 256, 2048),
    ],
)
def test_requests_and_tokens_of_a_step_by_version_and_device(
    version: Version, gpu: str, seqs: int, tokens: int
) -> None:
    found = settings(LLAMA_8B, gpu, engine_version=version)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (seqs, tokens)


@pytest.mark.parametrize(
    ("length", "tokens"), [(8192, 8192), (1024, 2048), (32_768, 32_768), (40_000, 2048)]
)
def test_the_first_engine_reads_a_whole_prompt_in_one_step_up_to_32k(
    length: int, tokens: int
) -> None:
    """`_set_default_args_v0`: chunked prefill only beyond 32768, then 2048 tokens."""
    found = settings(LLAMA_8B, engine_version=(0, 7, 3), max_model_len=length)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (256, tokens)


@pytest.mark.parametrize(
    ("version", "gpu", "load", "first"),
    [
        ((0, 7, 3), "h100", {}, True),
        ((0, 8, 5), "h100", {}, False),
        ((0, 8, 5), "t4", {}, True),
        ((0, 8, 5), "h100", {"pipeline_parallel_size": 2}, True),
        ((0, 8, 5), "h100", {"kv_cache_dtype": "fp8"}, True),
        ((0, 9, 1), "t4", {"kv_cache_dtype": "fp8"}, False),
    ],
)
def test_the_first_engine_serves_up_to_0_7_and_what_the_second_could_not_yet(
    version: Version, gpu: str, load: dict[str, Any], *, first: bool
) -> None:
    assert settings(LLAMA_8B, gpu, engine_version=version, **load).first_engine is first


def test_tokens_of_a_step_are_no_more_than_all_requests_have() -> None:
    """0.9.1 and later: B = min(S x max_model_len, B), of a default only."""
    found = settings(LLAMA_8B, max_num_seqs=2, max_model_len=1000)
    assert found.max_num_batched_tokens == 2000
    given = settings(LLAMA_8B, max_num_seqs=2, max_model_len=1000, max_num_batched_tokens=5000)
    assert given.max_num_batched_tokens == 5000


@pytest.mark.parametrize(("version", "seqs"), [((0, 10, 0), 1024), ((0, 10, 1), 512)])
def test_default_sequences_follow_the_tokens_from_0_10_1_on(version: Version, seqs: int) -> None:
    found = settings(LLAMA_8B, engine_version=version, max_num_batched_tokens=512)
    assert found.max_num_seqs == seqs


@pytest.mark.parametrize(
    ("version", "share"), [((0, 6, 6), 0.9), ((0, 19, 1), 0.9), ((0, 20, 0), 0.92)]
)
def test_utilisation_is_0_9_and_0_92_from_0_20_on(version: Version, share: float) -> None:
    assert default_utilization(version) == share
    assert settings(LLAMA_8B, engine_version=version).utilization == share
    asked = settings(LLAMA_8B, engine_version=version, gpu_memory_utilization=0.5)
    assert asked.utilization == 0.5


@pytest.mark.parametrize(
    ("version", "gpu", "asked", "path"),
    [
        ((0, 8, 5), "h100", None, "sort"),
        ((0, 11, 0), "h100", "flashinfer", "flashinfer"),
        ((0, 16, 0), "h100", None, "sort"),
        ((0, 17, 1), "h100", None, "triton"),
        ((0, 20, 2), "h100", None, "triton"),
        ((0, 21, 0), "h100", None, "flashinfer"),
        ((0, 21, 0), "v100-16gb", None, "triton"),
        ((0, 21, 0), "h100", "pytorch", "triton"),
        ((0, 12, 0), "h100", "pytorch", "sort"),
    ],
)
def test_the_sampler_sorts_to_0_16_then_triton_and_flashinfer_from_0_21(
    version: Version, gpu: str, asked: str | None, path: str
) -> None:
    found = settings(LLAMA_8B, gpu, engine_version=version, sampler_backend=asked)
    assert found.sampler == path


@pytest.mark.parametrize(
    ("model", "since"),
    [(QWEN3_8B, 22), (LLAMA_8B, 25), (QWEN_7B, 25), (QWEN3_30B, 29), (QWEN3_NEXT, 29)],
)
def test_the_second_model_runner_came_to_qwen3_then_dense_models_then_all(
    model: str, since: int
) -> None:
    for minor in range(9, 34):
        found = settings(model, engine_version=(0, minor, 0))
        assert found.second_runner is (minor >= since), minor


@pytest.mark.parametrize(
    "asked",
    [
        {"kv_cache_quant_algo": "FP8"},
        {"kv_cache_scheme": {"num_bits": 8, "type": "float", "dynamic": False}},
        {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}},
    ],
)
@pytest.mark.parametrize(("version", "kind"), [((0, 13, 0), "auto"), ((0, 14, 0), "fp8")])
def test_an_fp8_cache_that_modelopt_asks_for_is_read_from_0_14_on(
    asked: dict[str, Any], version: Version, kind: str
) -> None:
    quantization = {"quant_method": "modelopt", "quant_algo": "FP8", **asked}
    model = architecture(LLAMA_8B, quantization_config=quantization)
    assert resolve(model, device("h100"), Load(engine_version=version)).kv_dtype == kind


@pytest.mark.parametrize(("version", "kind"), [((0, 14, 1), "auto"), ((0, 15, 0), "fp8")])
def test_an_fp8_cache_that_compressed_tensors_asks_for_is_read_from_0_15_on(
    version: Version, kind: str
) -> None:
    asked = {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
        "kv_cache_scheme": {"num_bits": 8, "type": "float"},
    }
    model = architecture(LLAMA_8B, quantization_config=asked)
    assert resolve(model, device("h100"), Load(engine_version=version)).kv_dtype == kind


def test_an_asked_cache_type_wins_over_the_checkpoint() -> None:
    quantization = {"quant_method": "modelopt", "kv_cache_quant_algo": "FP8"}
    model = architecture(LLAMA_8B, quantization_config=quantization)
    assert resolve(model, device("h100"), Load(kv_cache_dtype="auto")).kv_dtype == "fp8"
    assert resolve(model, device("h100"), Load(kv_cache_dtype="bfloat16")).kv_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("version", "eager", "counted"),
    [((0, 19, 1), False, False), ((0, 20, 0), False, True), ((0, 20, 0), True, False)],
)
def test_cuda_graphs_come_out_of_the_budget_from_0_20_on(
    version: Version, *, eager: bool, counted: bool
) -> None:
    found = settings(LLAMA_8B, engine_version=version, enforce_eager=eager)
    assert found.graphs_counted is counted


@pytest.mark.parametrize(
    ("version", "stages", "batches"),
    [((0, 25, 1), 1, 1), ((0, 26, 0), 1, 2), ((0, 28, 0), 4, 4), ((0, 33, 0), 4, 5)],
)
def test_batches_in_flight_count_from_0_26_on(version: Version, stages: int, batches: int) -> None:
    """`max_concurrent_batches`; a mixture of experts has the second runner from 0.29 on."""
    found = settings(
        GPT_OSS_20B,
        engine_version=version,
        pipeline_parallel_size=stages,
        max_num_batched_tokens=2048,
    )
    assert found.in_flight_tokens == batches * 2048


def test_float32_widens_activations() -> None:
    assert settings(LLAMA_8B, dtype="float32").dtype_bytes == 4
    assert settings(LLAMA_8B, dtype="auto").dtype_bytes == 2


def test_sparse_mla_is_packed_on_hopper_and_not_on_blackwell() -> None:
    assert settings(DEEPSEEK_R1, "h200").packed_latent
    assert not settings(DEEPSEEK_R1, "b200").packed_latent
