"""Bytes and blocks of the KV cache, by the formulas of vLLM's `v1/kv_cache_interface.py`."""

from collections import Counter
from dataclasses import replace

import pytest

from components.core.architecture import ArchitectureError
from components.core.architecture.shape import Layer
from components.core.sizing.kv_cache import cache_layout
from components.core.sizing.request import Load, SizingError
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    DEEPSEEK_V32,
    GEMMA3_27B,
    GIB,
    GLM_52,
    GPT_OSS_20B,
    LLAMA_8B,
    NEMOTRON_SUPER,
    QWEN3_8B,
    QWEN3_32B,
    QWEN3_NEXT,
    QWEN_7B,
    architecture,
    layout,
    settings,
)


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (LLAMA_8B, 131_072),  # 32 layers x 8 heads x 2 x 128 x 2 bytes
        (QWEN_7B, 57_344),  # 28 x 4 x 2 x 128 x 2
        (QWEN3_32B, 262_144),  # 64 x 8 x 2 x 128 x 2
        (QWEN3_8B, 147_456),  # 36 x 8 x 2 x 128 x 2
        (DEEPSEEK_R1, 70_272),  # 61 x (512 + 64) x 2
        (DEEPSEEK_V32, 78_324),  # 61 x ((512 + 64) x 2 + 132 of the index)
    ],
)
@pytest.mark.parametrize("version", [(0, 11, 2), (0, 20, 0), (0, 20, 2), (0, 33, 0)])
def test_a_token_takes_the_bytes_of_its_layers(
    model: str, size: int, version: tuple[int, int, int]
) -> None:
    found = layout(model, engine_version=version, max_model_len=32_768)
    assert found.bytes_per_token() == size


@pytest.mark.parametrize(
    ("gpus", "size"), [(1, 131_072), (2, 65_536), (4, 32_768), (8, 16_384), (16, 16_384)]
)
def test_gpus_share_heads_and_beyond_their_number_each_keeps_a_copy(gpus: int, size: int) -> None:
    """Llama 3.1 8B has 8 heads: `max(1, kv_heads // TP)`."""
    assert layout(LLAMA_8B, tensor_parallel_size=gpus).bytes_per_token() == size


@pytest.mark.parametrize("gpus", [2, 8])
def test_a_latent_is_not_shared_by_gpus(gpus: int) -> None:
    assert layout(DEEPSEEK_R1, tensor_parallel_size=gpus).bytes_per_token() == 70_272


@pytest.mark.parametrize("kind", ["fp8", "fp8_e4m3", "fp8_e5m2"])
@pytest.mark.parametrize("model", [LLAMA_8B, QWEN3_32B, DEEPSEEK_R1])
def test_an_fp8_cache_takes_half(model: str, kind: str) -> None:
    plain = layout(model).bytes_per_token()
    assert layout(model, kv_cache_dtype=kind).bytes_per_token() == plain / 2


def test_a_float32_model_keeps_a_cache_of_float32() -> None:
    assert layout(LLAMA_8B, dtype="float32").bytes_per_token() == 2 * 131_072


def test_scales_of_every_token_and_head_take_eight_bytes() -> None:
    """`customize_spec` of 0.28: (k + v) x 1 + 8 bytes a token and head."""
    found = layout(LLAMA_8B, kv_cache_dtype="fp8_per_token_head")
    assert found.bytes_per_token() == 32 * 8 * (2 * 128 + 8)


def test_nvfp4_takes_half_a_byte_and_a_scale_in_sixteen() -> None:
    """head // 2 + head // 16 bytes each for key and value."""
    found = layout(LLAMA_8B, "b200", kv_cache_dtype="nvfp4")
    assert found.bytes_per_token() == 32 * 8 * 2 * (64 + 8)


@pytest.mark.parametrize(("stages", "layers"), [(1, 28), (2, 14), (3, 10), (4, 7), (5, 6)])
def test_the_fullest_stage_of_a_pipeline_counts(stages: int, layers: int) -> None:
    """`get_pp_indices`: 28 layers on 3 stages are 9, 10 and 9."""
    assert layout(QWEN_7B, pipeline_parallel_size=stages).bytes_per_token() == layers * 2_048


@pytest.mark.parametrize(("gpu", "size"), [("h200", 61 * (656 + 132)), ("b200", 61 * (576 + 132))])
def test_sparse_mla_packs_an_fp8_token_with_its_scales_on_hopper_alone(gpu: str, size: int) -> None:
    """`fp8_ds_mla`: 512 FP8, 4 float32 scales and 64 bfloat16 are 656 bytes."""
    found = layout(DEEPSEEK_V32, gpu, kv_cache_dtype="fp8", max_model_len=32_768)
    assert found.bytes_per_token() == size


def test_the_first_engine_pads_a_latent_to_640() -> None:
    found = layout(DEEPSEEK_R1, engine_version=(0, 7, 3), max_model_len=32_768)
    assert found.bytes_per_token() == 61 * 640 * 2


def test_layers_of_glm_5_2_share_an_index() -> None:
    """Its config names 57 of 78 layers `shared`."""
    owners = [layer for layer in architecture(GLM_52).layers if layer.extra_bytes]
    assert len(architecture(GLM_52).layers) == 78
    assert len(owners) == 21
    found = layout(GLM_52, kv_cache_dtype="bfloat16", max_model_len=32_768)
    assert found.bytes_per_token() == 78 * 1152 + 21 * 132


def test_gpt_oss_has_a_group_of_windows_and_a_group_of_full_attention() -> None:
    found = layout(GPT_OSS_20B)
    assert Counter(g.layer.kind for g in found.groups) == {"sliding": 1, "full": 1}
    assert {len(group.stages) for group in found.groups} == {12}
    assert found.block_bytes == 12 * 16 * 8 * 2 * 64 * 2


def test_gemma_3_27b_has_one_full_group_and_six_of_windows() -> None:
    """52 sliding and 10 full layers: groups of 10, of which one is padded."""
    found = layout(GEMMA3_27B)
    assert Counter(g.layer.kind for g in found.groups) == {"sliding": 6, "full": 1}
    assert max(len(group.stages) for group in found.groups) == 10
    assert found.block_bytes == 10 * 16 * 16 * 2 * 128 * 2


def test_qwen3_next_pages_are_as_large_as_its_recurrent_state() -> None:
    """A state of 8192 x 3 + 32 x 128 x 128 elements needs 536 tokens, in steps of 16: 544."""
    found = layout(QWEN3_NEXT, engine_version=(0, 11, 0))
    assert Counter(g.layer.kind for g in found.groups) == {"state": 3, "full": 1}
    assert {len(group.stages) for group in found.groups} == {12}
    assert [g.block_tokens for g in found.groups if g.layer.kind == "full"] == [544]


@pytest.mark.parametrize(
    ("version", "length", "available", "tokens"),
    [
        ((0, 18, 0), 10_000, 64.7, 5_649_280),  # 679 blocks of 8320
        ((0, 18, 0), 8_192, 64.7, 5_562_368),  # 679 blocks of 8192, the length asked
        ((0, 17, 1), 8_192, 64.72, 5_562_368),
        ((0, 20, 0), 262_144, 64.07, 5_591_040),
    ],
)
def test_nemotron_3_super_has_pages_of_8320_tokens(
    version: tuple[int, int, int], length: int, available: float, tokens: int
) -> None:
    """Printed by the servers in `tests/planner/logs/more.jsonl`, to two decimals of a GiB."""
    found = layout(
        NEMOTRON_SUPER,
        "h200",
        engine_version=version,
        tensor_parallel_size=2,
        max_model_len=length,
        kv_cache_dtype="fp8",
        prefix_caching=False,
    )
    full = [group.block_tokens for group in found.groups if group.layer.kind == "full"]
    assert full == [8320]
    assert found.capacity(available * GIB) == pytest.approx(tokens, rel=0.002)


@pytest.mark.parametrize(
    ("version", "windows", "groups"),
    [
        ((0, 11, 2), 10, 2),
        ((0, 11, 2), 11, 3),
        ((0, 12, 0), 12, 2),
        ((0, 12, 0), 13, 3),
        ((0, 18, 1), 14, 2),
        ((0, 18, 1), 15, 3),
    ],
)
def test_kinds_of_nearly_equal_number_form_one_group_each(
    version: tuple[int, int, int], windows: int, groups: int
) -> None:
    """Beside 10 full layers: as few as the rarest kind; from 0.12 on as many as the commonest
    where it is below 1.25, from 0.18 on 1.5 times the rarest."""
    full = Layer("full", 8, 128, 128)
    layers = (full,) * 10 + (replace(full, kind="sliding", window=1024),) * windows
    model = replace(architecture(LLAMA_8B), layers=layers)
    load = Load(engine_version=version)
    found = cache_layout(model, load, settings(LLAMA_8B, engine_version=version))
    assert len(found.groups) == groups


def test_before_0_9_windows_are_kept_like_full_attention() -> None:
    found = layout(GPT_OSS_20B, engine_version=(0, 8, 5))
    assert found.bytes_per_token() == 24 * 8 * 2 * 64 * 2


@pytest.mark.parametrize(("version", "groups"), [((0, 13, 0), 1), ((0, 14, 0), 4)])
def test_chunked_attention_saves_memory_from_0_14_on(
    version: tuple[int, int, int], groups: int
) -> None:
    """VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE turned from 0 to 1: 12 full layers, 36."""
    found = layout("meta-llama--Llama-4-Maverick-17B-128E-Instruct", engine_version=version)
    assert len(found.groups) == groups


def test_groups_are_made_of_the_whole_model_and_then_shared_by_stages() -> None:
    """62 layers on 3 stages: a group of 10 full layers has 4, 3 and 3 of them on a stage."""
    found = layout(GEMMA3_27B, pipeline_parallel_size=3)
    assert [len(group.stages) for group in found.groups] == [9, 9, 9, 9, 8, 8, 10]
    assert found.block_bytes == 4 * 16 * 16 * 2 * 128 * 2


def test_mamba_2_keeps_a_checkpoint_besides_from_0_32_on() -> None:
    """126 blocks of attention, and 3 instead of 2 for each of four groups of Mamba layers."""
    model = "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-FP8"
    blocks = {
        version: layout(model, engine_version=version, kv_cache_dtype="bfloat16").request_blocks(
            262_144
        )
        for version in [(0, 31, 0), (0, 32, 0)]
    }
    assert blocks == {(0, 31, 0): 134, (0, 32, 0): 138}


def test_an_unknown_cache_type_is_named_with_those_that_can_be_sized() -> None:
    with pytest.raises(SizingError, match=r"'turboquant_k3v4' cannot be sized.*fp8"):
        layout(LLAMA_8B, kv_cache_dtype="turboquant_k3v4")


def test_a_cache_that_is_compressed_layer_by_layer_is_not_sized() -> None:
    with pytest.raises(ArchitectureError, match="compress_ratios"):
        architecture("deepseek-ai--DeepSeek-V4-Pro")
