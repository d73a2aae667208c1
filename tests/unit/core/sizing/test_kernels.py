"""What quantised kernels refuse: old GPUs, other dtypes, weights that would be cut."""

from typing import Any, Unpack

import pytest

from components.core.sizing.kernels import kernel_refusals
from components.core.sizing.refusal import Refusal
from components.core.sizing.request import Device, Load
from tests.unit.core.sizing.published import (
    GPT_OSS_20B,
    LLAMA_8B,
    QWEN3_30B_FP8,
    QWEN3_235B_FP8,
    QWEN_7B,
    QWEN_7B_AWQ,
    Settings,
    architecture,
    device,
)

Version = tuple[int, int, int]
FP8 = {"quant_method": "fp8"}
FP8_BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def found(
    model: str, gpu: str, stored: dict[str, Any] | None = None, **load: Unpack[Settings]
) -> list[Refusal]:
    changes = {"quantization_config": stored} if stored else {}
    return list(kernel_refusals(architecture(model, **changes), device(gpu), Load(**load)))


def only(
    model: str, gpu: str, stored: dict[str, Any] | None = None, **load: Unpack[Settings]
) -> Refusal:
    refusals = found(model, gpu, stored, **load)
    assert len(refusals) == 1, refusals
    return refusals[0]


@pytest.mark.parametrize(
    ("method", "gpu", "version", "least"),
    [
        ("awq", "v100-16gb", (0, 33, 0), 75),
        ("mxfp4", "t4", (0, 33, 0), 80),
        ("fp8", "v100-16gb", (0, 33, 0), 75),
        ("fp8", "t4", (0, 11, 0), 80),
        ("modelopt", "a100-80gb", (0, 11, 0), 89),
        ("experts_int8", "t4", (0, 33, 0), 80),
        ("fbgemm_fp8", "t4", (0, 33, 0), 80),
    ],
)
def test_a_gpu_too_old_for_a_method(method: str, gpu: str, version: Version, least: int) -> None:
    """`get_min_capability` of each method in 0.32, and in 0.11 for FP8 and modelopt."""
    refusal = only(LLAMA_8B, gpu, {"quant_method": method}, engine_version=version)
    capability = device(gpu).compute_capability
    assert capability is not None
    assert refusal.error == (
        f"The quantization method {method} is not supported for the current GPU. Minimum "
        f"capability: {least}. Current capability: {capability[0]}{capability[1]}."
    )


@pytest.mark.parametrize(
    ("method", "gpu"),
    [("awq", "t4"), ("gptq", "v100-16gb"), ("fp8", "t4"), ("fp8", "a100-80gb"), ("mxfp4", "h100")],
)
def test_a_gpu_new_enough_for_a_method(method: str, gpu: str) -> None:
    """FP8 weights run weight-only below 8.9 in later versions."""
    assert found(LLAMA_8B, gpu, {"quant_method": method}) == []


def test_a_gpu_that_nobody_knows_is_taken_to_be_new() -> None:
    unknown = Device("mine", 80.0)
    model = architecture(LLAMA_8B, quantization_config={"quant_method": "mxfp4"})
    assert list(kernel_refusals(model, unknown, Load(dtype="bfloat16"))) == []


def test_a_t4_has_no_bfloat16() -> None:
    refusal = only(LLAMA_8B, "t4", dtype="bfloat16")
    assert refusal.reason.endswith("set dtype to float16")
    assert "at least 8.0" in refusal.error
    assert found(LLAMA_8B, "t4", dtype="auto") == []
    assert found(LLAMA_8B, "t4", dtype="half") == []


@pytest.mark.parametrize("dtype", ["float16", "half", "float32"])
def test_mxfp4_runs_in_bfloat16_alone(dtype: str) -> None:
    name = "float32" if dtype == "float32" else "float16"
    refusal = only(GPT_OSS_20B, "h100", dtype=dtype)
    assert refusal.error.startswith(f"torch.{name} is not supported for quantization method mxfp4.")


def test_awq_does_not_run_in_float32() -> None:
    assert "set dtype to auto" in only(QWEN_7B_AWQ, "l4", dtype="float32").reason
    assert found(QWEN_7B_AWQ, "l4", dtype="float16") == []


@pytest.mark.parametrize(
    ("stored", "asked", "says"),
    [
        ("awq", "gptq", True),
        ("awq", "awq_marlin", False),
        ("awq", "awq", False),
        ("awq", "moe_wna16", False),
        ("gptq", "gptq_marlin", False),
        ("fp8", "awq", True),
    ],
)
def test_a_method_that_is_not_the_checkpoint_s(stored: str, asked: str, *, says: bool) -> None:
    refusals = found(LLAMA_8B, "h100", {"quant_method": stored}, quantization=asked)
    assert bool(refusals) is says
    if says:
        assert refusals[0].error == (
            f"Quantization method specified in the model config ({stored}) does not match the "
            f"quantization method specified in the `quantization` argument ({asked})."
        )


@pytest.mark.parametrize(
    ("kind", "gpu", "version", "says"),
    [
        ("fp8_per_token_head", "h100", (0, 19, 1), True),
        ("fp8_per_token_head", "h100", (0, 20, 0), False),
        ("nvfp4", "h100", (0, 33, 0), True),
        ("nvfp4", "b200", (0, 33, 0), False),
        ("fp8", "h100", (0, 9, 1), False),
    ],
)
def test_young_cache_types_need_their_version_and_gpu(
    kind: str, gpu: str, version: Version, *, says: bool
) -> None:
    refusals = found(LLAMA_8B, gpu, kv_cache_dtype=kind, engine_version=version)
    assert bool(refusals) is says


def test_awq_groups_that_gpus_would_cut() -> None:
    """18944 columns of Qwen2.5-7B in groups of 128 are 148: 8 GPUs would cut them."""
    assert found(QWEN_7B_AWQ, "l4", tensor_parallel_size=4) == []
    refusal = only(QWEN_7B_AWQ, "l4", tensor_parallel_size=8)
    assert refusal.error.startswith(
        "The input size is not aligned with the quantized weight shape. This can be caused by too "
        "large tensor parallel size."
    )
    assert "groups of 128" in refusal.reason


def test_gptq_groups_that_gpus_would_cut() -> None:
    stored = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    assert found(QWEN_7B, "l4", stored, tensor_parallel_size=4) == []
    assert "use fewer GPUs" in only(QWEN_7B, "l4", stored, tensor_parallel_size=8).reason


def test_one_scale_for_a_whole_column_is_never_cut() -> None:
    stored = {"quant_method": "gptq", "bits": 4, "group_size": -1}
    assert found(QWEN_7B, "l4", stored, tensor_parallel_size=8) == []
    assert found(QWEN_7B, "l4", FP8, tensor_parallel_size=8) == []


def test_fp8_blocks_of_a_dense_model_that_gpus_would_cut() -> None:
    assert found(QWEN_7B, "l4", FP8_BLOCKS, tensor_parallel_size=4) == []
    refusal = only(QWEN_7B, "l4", FP8_BLOCKS, tensor_parallel_size=8)
    assert refusal.error == (
        "Weight input_size_per_partition = 2368 is not divisible by weight quantization "
        "block_k = 128."
    )


def test_fp8_blocks_of_experts_that_gpus_would_cut() -> None:
    """Qwen3-235B has experts of 1536 columns: 12 blocks of 128, so 4 GPUs but not 8."""
    assert found(QWEN3_235B_FP8, "h200", FP8_BLOCKS, tensor_parallel_size=4) == []
    refusal = only(QWEN3_235B_FP8, "h200", FP8_BLOCKS, tensor_parallel_size=8)
    assert refusal.error == (
        "The output_size of gate's and up's weight = 192 is not divisible by weight quantization "
        "block_n = 128."
    )
    assert "expert parallelism" in refusal.reason


def test_whole_experts_are_not_cut() -> None:
    shared: Settings = {"tensor_parallel_size": 8, "expert_parallel": True}
    assert found(QWEN3_235B_FP8, "h200", FP8_BLOCKS, **shared) == []
    assert found(QWEN3_30B_FP8, "h100", FP8_BLOCKS, tensor_parallel_size=1) == []
