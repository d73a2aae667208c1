"""Bytes of weights on the fullest GPU."""

from typing import Unpack

import pytest

from components.core.architecture import ArchitectureError
from components.core.architecture.parameters import count_parameters
from components.core.sizing.request import Load
from components.core.sizing.weights import checkpoint_bytes, weights_per_gpu
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    GIB,
    GPT_OSS_20B,
    LLAMA_8B,
    LLAMA_8B_BYTES,
    QWEN3_30B,
    QWEN_7B,
    QWEN_7B_AWQ,
    QWEN_7B_BYTES,
    Settings,
    architecture,
)

QWEN_EMBEDDING = 152_064 * 3_584
"""Entries of the input embedding, and of the head again."""


def weights(model: str, size: int | None = None, **load: Unpack[Settings]) -> float:
    return weights_per_gpu(architecture(model), size, Load(**load))


def test_qwen_2_5_7b_takes_14_19_gib() -> None:
    """15,231,233,024 bytes of safetensors."""
    assert weights(QWEN_7B, QWEN_7B_BYTES) / GIB == pytest.approx(14.19, abs=0.01)


@pytest.mark.parametrize(
    ("model", "size"),
    [(QWEN_7B, QWEN_7B_BYTES), (LLAMA_8B, LLAMA_8B_BYTES), ("meta-llama--Llama-3.3-70B-Instruct",
      141_107_412_992), ("Qwen--Qwen3-32B", 65_519_726_100), (GPT_OSS_20B, 13_761_264_768)],
)  # fmt: skip
def test_an_estimate_from_the_shape_is_within_two_per_cent_of_the_files(
    model: str, size: int
) -> None:
    """Sizes of `tests/planner/weight_bytes.jsonl`."""
    assert checkpoint_bytes(architecture(model)) == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize("gpus", [2, 4])
def test_gpus_share_what_has_enough_heads(gpus: int) -> None:
    shared = weights(QWEN_7B, QWEN_7B_BYTES, tensor_parallel_size=gpus)
    assert shared == pytest.approx(QWEN_7B_BYTES / gpus, rel=1e-9)


def test_beyond_the_heads_keys_and_values_are_copied() -> None:
    """8 GPUs for 4 heads: a layer's 3584 x 4 x 2 x 128 weights are there twice."""
    shared = weights(QWEN_7B, QWEN_7B_BYTES, tensor_parallel_size=8)
    copies = 28 * 3584 * 4 * 2 * 128 * 2 / 8
    assert shared - QWEN_7B_BYTES / 8 == pytest.approx(copies, rel=0.01)


def test_mla_copies_its_down_projections_to_every_gpu() -> None:
    counted = count_parameters(architecture(DEEPSEEK_R1))
    assert counted.replicated >= 61 * 7168 * (1536 + 576)
    whole = weights(DEEPSEEK_R1, tensor_parallel_size=1)
    assert weights(DEEPSEEK_R1, tensor_parallel_size=8) > whole / 8


@pytest.mark.parametrize(("stages", "layers"), [(2, 14), (3, 9), (4, 7)])
def test_the_fullest_stage_holds_an_embedding_besides_its_layers(stages: int, layers: int) -> None:
    """28 layers on 3 stages are 9, 10 and 9; the outer ones have an embedding of 1.09 GB more,
    and a layer has 0.47."""
    inner = (QWEN_7B_BYTES - 4 * QWEN_EMBEDDING) / 28
    found = weights(QWEN_7B, QWEN_7B_BYTES, pipeline_parallel_size=stages)
    assert found == pytest.approx(layers * inner + 2 * QWEN_EMBEDDING, rel=0.01)


def test_a_float32_checkpoint_is_loaded_in_16_bits() -> None:
    stored = architecture(QWEN_7B, torch_dtype="float32")
    assert weights_per_gpu(stored, 2 * QWEN_7B_BYTES, Load()) == QWEN_7B_BYTES


def test_asking_for_float32_doubles_the_weights() -> None:
    assert weights(QWEN_7B, QWEN_7B_BYTES, dtype="float32") == 2 * QWEN_7B_BYTES


def test_layers_for_multi_token_prediction_stay_on_the_disk() -> None:
    """DeepSeek's model card: 685 B parameters are published, 14 B of them for such a layer."""
    published = 688_586_727_753
    without = weights(DEEPSEEK_R1, published)
    loaded = weights(DEEPSEEK_R1, published, speculative_tokens=1)
    assert (loaded - without) / 1e9 == pytest.approx(14, abs=2)


def test_fp8_while_loading_halves_all_but_embeddings() -> None:
    plain = 4 * QWEN_EMBEDDING
    found = weights(QWEN_7B, QWEN_7B_BYTES, quantization="fp8")
    assert found == pytest.approx(plain + (QWEN_7B_BYTES - plain) / 2, rel=0.001)


def test_a_quantised_checkpoint_is_not_quantised_again() -> None:
    assert weights(QWEN_7B_AWQ, 5 * GIB, quantization="awq") == weights(QWEN_7B_AWQ, 5 * GIB)


@pytest.mark.parametrize(
    ("gpus", "padded"), [(1, 3072 / 2880), (2, 1536 / 1440), (4, 768 / 720), (8, 512 / 360)]
)
def test_mxfp4_experts_are_padded_to_tiles_of_256(gpus: int, padded: float) -> None:
    """gpt-oss: 2880 columns, shared by the GPUs; 24 layers x 32 experts x 3 x 2880 x 2880."""
    experts = 24 * 32 * 3 * 2880 * 2880 * (4 / 8 + 1 / 32)
    found = weights(GPT_OSS_20B, 13_761_264_768, tensor_parallel_size=gpus)
    assert found * gpus == pytest.approx(13_761_264_768 + experts * (padded - 1), rel=0.01)


def test_lora_buffers_grow_with_slots_and_rank() -> None:
    plain = weights(LLAMA_8B, LLAMA_8B_BYTES)
    one = weights(LLAMA_8B, LLAMA_8B_BYTES, max_loras=1) - plain
    assert one > 0
    assert weights(LLAMA_8B, LLAMA_8B_BYTES, max_loras=4) - plain == pytest.approx(4 * one)
    wide = weights(LLAMA_8B, LLAMA_8B_BYTES, max_loras=1, max_lora_rank=64) - plain
    assert wide == pytest.approx(4 * one)


def test_a_lora_slot_holds_both_thin_matrices_of_every_linear_layer() -> None:
    """Rank x (in + out) of q, k, v, o, gate, up and down: k and v are narrower than q, which
    the planner takes for as wide."""
    real = 32 * 16 * 2 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14_336))
    found = weights(LLAMA_8B, LLAMA_8B_BYTES, max_loras=1) - LLAMA_8B_BYTES
    assert real <= found < 1.1 * real


def test_a_draft_model_adds_its_weights() -> None:
    found = weights(LLAMA_8B, LLAMA_8B_BYTES, draft_weight_bytes=1_000_000)
    assert found == LLAMA_8B_BYTES + 1_000_000


def test_data_parallel_ranks_share_experts_alone() -> None:
    """Experts are spread over TP x DP; attention is on every rank."""
    counted = count_parameters(architecture(QWEN3_30B))
    one = weights(QWEN3_30B)
    two = weights(QWEN3_30B, data_parallel_size=2)
    assert one - two == pytest.approx(counted.experts * 2 / 2, rel=0.02)
    assert weights(QWEN_7B, data_parallel_size=4) == weights(QWEN_7B)


def test_an_unknown_quantisation_is_named_with_the_known_ones() -> None:
    with pytest.raises(ArchitectureError, match=r"'q5_k_m' is not known; known are awq"):
        weights(QWEN_7B, quantization="q5_k_m")
