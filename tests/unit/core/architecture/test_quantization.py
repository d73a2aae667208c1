"""How checkpoints say that their weights are quantised."""

from typing import Any

import pytest

from components.core.architecture import ArchitectureError
from components.core.architecture.quantization import asked_quantization
from components.core.architecture.shape import Quantization
from tests.unit.core.sizing.published import (
    GPT_OSS_20B,
    LLAMA_8B,
    QWEN3_30B_FP8,
    QWEN_7B_AWQ,
    architecture,
)


def stored(**config: object) -> Quantization:
    found = architecture(LLAMA_8B, quantization_config=config).quantization
    assert found is not None
    return found


def test_plain_weights_have_none() -> None:
    assert architecture(LLAMA_8B).quantization is None


@pytest.mark.parametrize(
    ("model", "method", "bits"),
    [(QWEN_7B_AWQ, "awq", 4), (GPT_OSS_20B, "mxfp4", 4), (QWEN3_30B_FP8, "fp8", 8)],
)
def test_published_checkpoints(model: str, method: str, bits: int) -> None:
    found = architecture(model).quantization
    assert found is not None
    assert (found.method, found.bits) == (method, bits)


def test_mxfp4_stores_experts_alone() -> None:
    found = stored(quant_method="mxfp4")
    assert found.experts_only
    assert found.bytes_per_weight == 0.5 + 1 / 32


def test_gptq_says_its_bits_and_group() -> None:
    found = stored(quant_method="gptq", bits=8, group_size=32)
    assert (found.bits, found.group_size) == (8, 32)
    assert found.bytes_per_weight == 1 + (2 + 1) / 32
    assert stored(quant_method="gptq", bits=4, group_size=-1).bytes_per_weight == 0.5


def test_awq_takes_a_scale_and_a_zero_point_for_128_weights() -> None:
    assert stored(quant_method="awq").bytes_per_weight == 0.5 + 2.5 / 128


@pytest.mark.parametrize(("block", "size"), [([128, 128], 128), (None, 0), ([], 0)])
def test_blocks_of_fp8(block: list[int] | None, size: int) -> None:
    found = stored(quant_method="fp8", weight_block_size=block)
    assert (found.block, found.floating, found.activations) == (size, True, True)


@pytest.mark.parametrize(
    ("weights", "inputs", "bits", "floating", "activations"),
    [
        ({"num_bits": 8, "type": "float"}, {"num_bits": 8}, 8, True, True),
        ({"num_bits": 4, "type": "int", "group_size": 128}, None, 4, False, False),
        ({"num_bits": 8, "type": "int"}, {"num_bits": 8}, 8, False, True),
    ],
)
def test_compressed_tensors(
    weights: dict[str, Any], inputs: object, *, bits: int, floating: bool, activations: bool
) -> None:
    groups = {"group_0": {"weights": weights, "input_activations": inputs}}
    found = stored(quant_method="compressed-tensors", config_groups=groups)
    assert (found.bits, found.floating, found.activations) == (bits, floating, activations)
    assert found.group_size == weights.get("group_size", 0)
    assert not found.fp8_kv_cache


def test_nvfp4_has_a_scale_in_sixteen() -> None:
    packed = stored(quant_method="compressed-tensors", format="nvfp4-pack-quantized")
    modelopt = stored(quant_method="modelopt", quant_algo="NVFP4")
    assert packed.bytes_per_weight == modelopt.bytes_per_weight == 0.5 + 1 / 16
    assert modelopt.method == "modelopt_fp4"


def test_modelopt_nests_its_settings_or_not() -> None:
    nested = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}
    flat = stored(quant_method="modelopt", **nested)
    assert flat == stored(quant_method="modelopt", quantization=nested)
    assert flat.fp8_kv_cache
    assert not stored(quant_method="modelopt", quant_algo="FP8").fp8_kv_cache


@pytest.mark.parametrize(
    ("method", "bits"),
    [("fp8", 8), ("awq_marlin", 4), ("int4_per_channel", 4), ("mxfp8", 8), ("fp8_per_tensor", 8)],
)
def test_what_may_be_asked_at_load(method: str, bits: int) -> None:
    assert asked_quantization(method).bits == bits


def test_eight_bits_of_bitsandbytes() -> None:
    assert stored(quant_method="bitsandbytes", load_in_8bit=True).bits == 8
    assert stored(quant_method="bitsandbytes").bits == 4


def test_a_method_that_nobody_knows_is_named() -> None:
    with pytest.raises(ArchitectureError, match="quantization 'magic' is not known; known are"):
        stored(quant_method="magic")
