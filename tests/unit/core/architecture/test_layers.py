"""Which layers a model has, by list or by its class's rule."""

from collections import Counter

import pytest

from components.core.architecture import ArchitectureError
from components.core.architecture.shape import State
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    DEEPSEEK_V32,
    GEMMA3_27B,
    GEMMA4_26B,
    GLM_52,
    GPT_OSS_20B,
    LLAMA_8B,
    NEMOTRON_SUPER,
    QWEN3_NEXT,
    QWEN_7B,
    architecture,
)


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        (LLAMA_8B, {"full": 32}),
        (QWEN_7B, {"full": 28}),  # use_sliding_window is false
        (DEEPSEEK_R1, {"latent": 61}),
        (GPT_OSS_20B, {"sliding": 12, "full": 12}),
        (GEMMA3_27B, {"sliding": 52, "full": 10}),
        (GEMMA4_26B, {"sliding": 25, "full": 5}),
        (QWEN3_NEXT, {"state": 36, "full": 12}),
        ("meta-llama--Llama-4-Maverick-17B-128E-Instruct", {"chunked": 36, "full": 12}),
        ("Qwen--Qwen3.5-9B", {"state": 24, "full": 8}),
    ],
)
def test_kinds_of_layers(model: str, kinds: dict[str, int]) -> None:
    assert Counter(layer.kind for layer in architecture(model).layers) == kinds


def test_nemotron_writes_its_layers_as_one_text() -> None:
    found = architecture(NEMOTRON_SUPER)
    assert found.count("full") == 8
    assert found.count("state") == 40
    assert found.experts is not None
    assert found.count("none") == len(found.experts.layers)


def test_qwen3_next_has_full_attention_in_every_fourth_layer() -> None:
    kinds = [layer.kind for layer in architecture(QWEN3_NEXT).layers]
    assert kinds[3::4] == ["full"] * 12


def test_sparse_mla_keeps_an_index_of_132_bytes() -> None:
    """128 FP8 elements and a float32 scale."""
    assert {layer.extra_bytes for layer in architecture(DEEPSEEK_V32).layers} == {132}
    assert {layer.extra_bytes for layer in architecture(DEEPSEEK_R1).layers} == {0}


def test_full_layers_of_gemma_4_are_wider_and_have_fewer_heads() -> None:
    layers = {layer.kind: layer for layer in architecture(GEMMA4_26B).layers}
    assert (layers["sliding"].kv_heads, layers["sliding"].key_dim) == (8, 256)
    assert (layers["full"].kv_heads, layers["full"].key_dim) == (2, 512)
    assert layers["sliding"].window == 1024


def test_a_window_that_is_switched_off_is_none() -> None:
    windows = {"sliding_window": 4096, "max_window_layers": 20}
    on = architecture(QWEN_7B, use_sliding_window=True, layer_types=None, **windows)
    assert (on.count("full"), on.count("sliding")) == (20, 8)
    off = architecture(QWEN_7B, use_sliding_window=False, layer_types=None, **windows)
    assert off.count("full") == 28


def test_a_plain_window_holds_for_all_layers() -> None:
    found = architecture(LLAMA_8B, sliding_window=4096)
    assert {(layer.kind, layer.window) for layer in found.layers} == {("sliding", 4096)}


def test_layers_that_share_another_s_cache_keep_nothing() -> None:
    found = architecture(LLAMA_8B, num_kv_shared_layers=12)
    assert (found.count("full"), found.count("none")) == (20, 12)
    with pytest.raises(ArchitectureError, match="num_kv_shared_layers is 32"):
        architecture(LLAMA_8B, num_kv_shared_layers=32)


def test_a_kind_that_is_not_known_is_named_with_its_place() -> None:
    kinds = ["full_attention"] * 31 + ["hologram"]
    with pytest.raises(ArchitectureError, match="layer 31 is of kind 'hologram'"):
        architecture(LLAMA_8B, layer_types=kinds)


def test_sliding_layers_need_their_window() -> None:
    kinds = ["sliding_attention"] * 32
    with pytest.raises(ArchitectureError, match="sliding_window is absent"):
        architecture(LLAMA_8B, layer_types=kinds)


@pytest.mark.parametrize(("gpus", "speculative"), [(1, 0), (2, 0), (1, 2)])
def test_the_state_of_a_gated_delta_layer(gpus: int, speculative: int) -> None:
    """(2 x 16 x 128 + 32 x 128) channels x 3 steps, and 32 heads of 128 x 128; bfloat16."""
    state = architecture(QWEN3_NEXT).layers[0].state
    assert state is not None
    expected = (8192 // gpus * (3 + speculative) + 32 // gpus * 128 * 128) * 2
    assert state.stored_bytes(gpus, 2, speculative) == expected


def test_groups_of_mamba_2_are_copied_where_gpus_exceed_them() -> None:
    """n_groups + (TP - n_groups) where TP does not divide them."""
    state = State(1024 + 2 * 64, 3, 16, 64 * 64, groups=1, group_channels=128)
    assert state.stored_bytes(1, 2) == (1152 * 3 + 16 * 4096) * 2
    assert state.stored_bytes(4, 2) == ((1152 + 3 * 128) // 4 * 3 + 4 * 4096) * 2


def test_a_wide_state_is_float32() -> None:
    narrow, wide = State(0, 0, 4, 100), State(0, 0, 4, 100, wide=True)
    assert (narrow.stored_bytes(1, 2), wide.stored_bytes(1, 2)) == (800, 1600)


@pytest.mark.parametrize("key", ["mlp_only_layers", "indexer_types"])
@pytest.mark.parametrize("value", [[[1]], [{}], [None]])
def test_a_list_of_what_is_no_layer_says_nothing_of_the_layers(key: str, value: object) -> None:
    """A config with such a slip is still planned; GLM 5.2 has experts and shared indexes."""
    changed = architecture(GLM_52, **{key: value})
    assert changed.count("latent") == 78
    assert changed.experts is not None


@pytest.mark.parametrize(
    "rule",
    [
        {"index_topk_freq": 4, "index_skip_topk_offset": 3},
        {"index_topk_pattern": "FFFSSSFSSSFSSS"},
        {"indexer_types": ["full"] * 3 + ["shared"] * 3 + (["full"] + ["shared"] * 3) * 2},
    ],
)
def test_layers_share_an_index_by_rule_or_by_list(rule: dict[str, object]) -> None:
    """`DeepseekV2MLAAttention`: a layer that skips the choice of tokens keeps no index."""
    layers = architecture(GLM_52, **{"indexer_types": None, "num_hidden_layers": 14} | rule).layers
    assert [n for n, layer in enumerate(layers) if layer.extra_bytes] == [0, 1, 2, 6, 10]
    assert all(layer.sparse for layer in layers)
