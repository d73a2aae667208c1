"""Which layers a model has: full, sliding or recurrent, as vLLM builds them from config.json.

Every rule was read from the class of that name under `vllm/model_executor/models/` (0.31 to 0.33)
and, for keys that a published config may omit, from the config classes of transformers.
"""

from collections.abc import Sequence
from dataclasses import replace

from components.core.architecture.fields import (
    ArchitectureError,
    Fields,
    as_count,
    as_list,
    as_object,
)
from components.core.architecture.shape import Layer, State

LATENT_TYPES = frozenset({
    "axk1", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots3_note",
    "glm5_next", "glm5_next_text", "glm_moe_dsa", "glm4_moe_lite", "kimi_k2",
    "kimi_linear", "longcat_flash", "pangu_ultra_moe", "bailing_hybrid", "hy_v4",
    "kimi_k25", "deepseek_vl_v2", "minicpm3_mla",
})  # fmt: skip
"""`model_type`s that vLLM serves with multi-head latent attention (`is_deepseek_mla`)."""

_DELTA_TYPES = frozenset({
    "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text",
    "qwen3_6", "qwen3_6_text", "qwen3_6_moe", "qwen3_6_moe_text", "olmo_hybrid",
})  # fmt: skip
_INDEX_BYTES = 132
"""A token's index of sparse MLA: 128 FP8 elements and one float32 scale."""
_FULL = {"full_attention", "attention", "full", "global", "hybrid", "nope"}
_STATE = {"linear_attention", "mamba", "mamba2", "conv", "linear", "recurrent", "mamba1"}
_SLIDING = {"sliding_attention", "sliding", "local", "swa", "sliding_window", "compressed_sliding"}
_ALL_ALIKE = {"mamba": "mamba", "mamba2": "mamba", "falcon_mamba": "mamba", "falcon_h1": "full"}
_PATTERN = {"M": "mamba", "*": "full", "-": "none", "E": "none"}
"""Nemotron-H writes its layers as one text."""


def read_layers(fields: Fields) -> tuple[Layer, ...]:
    """What each decoder layer keeps, in order.

    Raises:
        ArchitectureError: A layer of a kind that is not known, or a shape without its fields.
    """
    model_type = fields.model_type
    if as_list(fields.value("compress_ratios")):
        raise ArchitectureError(
            f"{model_type} compresses its KV cache layer by layer (compress_ratios), which this "
            "planner cannot size: measure it on a GPU"
        )
    if model_type in LATENT_TYPES and fields.number("kv_lora_rank"):
        attention = _latent(fields)
    else:
        attention = _attention(fields)
    names = _names(fields)
    shared = fields.number("num_kv_shared_layers") or 0
    kept = len(names) - shared
    if kept < 1:
        raise ArchitectureError(
            f"num_kv_shared_layers is {shared}, but the model has {len(names)} layers"
        )
    return tuple(
        _with_own_index(fields, _layer(fields, name, index, attention), index)
        if index < kept
        else Layer("none")
        for index, name in enumerate(names)
    )


def _with_own_index(fields: Fields, layer: Layer, index: int) -> Layer:
    """Of layers that share a sparse attention's index, only the first keeps it."""
    return replace(layer, extra_bytes=0) if _shares_index(fields, index) else layer


def _shares_index(fields: Fields, index: int) -> bool:
    kinds = as_list(fields.value("indexer_types"))
    pattern = fields.value("index_topk_pattern")
    if isinstance(pattern, str) or kinds:
        listed = kinds or list(str(pattern))
        return index < len(listed) and str(listed[index]) in {"shared", "S"}
    offset = fields.number("index_skip_topk_offset")
    past = max(0, index - (2 if offset is None else offset) + 1)
    return past % (fields.number("index_topk_freq") or 1) != 0


def _layer(fields: Fields, name: str, index: int, attention: Layer) -> Layer:
    if name in _STATE:
        return Layer("state", state=_state(fields))
    if name == "chunked_attention":
        window = fields.need("attention_chunk_size")
        return Layer("chunked", attention.kv_heads, attention.key_dim, attention.value_dim, window)
    if name in _SLIDING:
        return _sliding(fields, attention)
    if name in _FULL:
        parallel = _state(fields) if fields.model_type in {"falcon_h1", "zamba2"} else None
        return _global(fields, attention, parallel)
    if name in {"none", "moe", "mlp", "no_op"}:
        return Layer("none")
    raise ArchitectureError(
        f"layer {index} is of kind {name!r}, whose memory is not known: give the model an explicit "
        "architecture in the stack document, or measure it on a GPU"
    )


def _attention(fields: Fields) -> Layer:
    key = fields.head_dim
    value = fields.number("v_head_dim") if fields.model_type.startswith("mimo_v2") else None
    return Layer("full", fields.kv_heads, key, value or key)


def _latent(fields: Fields) -> Layer:
    width = fields.need("kv_lora_rank") + fields.need("qk_rope_head_dim")
    index = _INDEX_BYTES if fields.number("index_topk") or fields.number("index_head_dim") else 0
    return Layer("latent", 1, width, 0, extra_bytes=index, sparse=index > 0)


def _sliding(fields: Fields, attention: Layer) -> Layer:
    window = fields.number("sliding_window") or fields.number("sliding_window_size")
    if window is None:
        raise ArchitectureError("layer_types has sliding layers, but sliding_window is absent")
    extra = 1 if fields.model_type == "cohere2" else 0
    heads = fields.number("swa_num_key_value_heads") or attention.kv_heads
    key = fields.number("swa_head_dim") or attention.key_dim
    value = fields.number("swa_v_head_dim") or (
        attention.value_dim if key == attention.key_dim else key
    )
    return Layer("sliding", heads, key, value, window + extra)


def _global(fields: Fields, attention: Layer, parallel: State | None) -> Layer:
    """Gemma 4's full layers are wider, and have fewer heads, than its sliding ones."""
    wide = fields.number("global_head_dim")
    if not wide:
        return replace(attention, state=parallel)
    fewer = fields.number("num_global_key_value_heads") if fields.flag("attention_k_eq_v") else None
    return Layer("full", fewer or attention.kv_heads, wide, wide)


def _names(fields: Fields) -> Sequence[str]:
    """The kind of every layer by name, from a list where there is one, else from the rule."""
    for key in ("layer_types", "layers_block_type"):
        listed = fields.texts(key)
        if listed and fields.model_type != "gpt_oss":  # vLLM's class alternates by itself
            return _without_unused_windows(fields, listed)
    pattern = fields.value("hybrid_override_pattern")
    if isinstance(pattern, str) and pattern:
        return [_PATTERN.get(letter, letter) for letter in pattern]
    count = fields.need_layers()
    return [_by_rule(fields, index, count) for index in range(count)]


def _without_unused_windows(fields: Fields, listed: Sequence[str]) -> Sequence[str]:
    if fields.value("use_sliding_window") is False:
        return ["full_attention" if name in _SLIDING else name for name in listed]
    return listed


def _by_rule(fields: Fields, index: int, count: int) -> str:
    model_type = fields.model_type
    if model_type in _DELTA_TYPES:
        period = fields.number("full_attention_interval") or 4
        return "full" if (index + 1) % period == 0 else "linear"
    if model_type.startswith("gemma") or model_type in {"gpt_oss", "cohere2", "exaone4"}:
        return _alternating(fields, index)
    if model_type == "llama4_text":
        return "full" if (index + 1) % 4 == 0 else "chunked_attention"
    if model_type in {"jamba", "bamba", "kimi_linear"} or fields.value("attn_layer_indices"):
        return _sparse_attention(fields, index)
    if model_type.startswith(("minimax_text", "minimax_m1")):
        kinds = as_list(fields.value("attn_type_list"))
        return "full" if not kinds or kinds[index] == 1 else "linear"
    return _ALL_ALIKE.get(model_type) or _listed_window(fields, index, count)


def _alternating(fields: Fields, index: int) -> str:
    model_type = fields.model_type
    if not fields.number("sliding_window"):
        return "full"
    if model_type in {"gemma2", "gpt_oss"}:
        return "sliding" if index % 2 == 0 else "full"
    if model_type == "gemma":
        return "full"
    pattern = fields.value("sliding_window_pattern") or fields.value("_sliding_window_pattern")
    if isinstance(pattern, str):
        return "sliding" if pattern[index % len(pattern)] == "L" else "full"
    period = (
        pattern if isinstance(pattern, int) else {"cohere2": 4, "exaone4": 4}.get(model_type, 6)
    )
    return "full" if period <= 0 or (index + 1) % period == 0 else "sliding"


def _sparse_attention(fields: Fields, index: int) -> str:
    """A few layers of attention among many recurrent ones."""
    linear = as_object(fields.value("linear_attn_config"))
    if linear:
        return "full" if index + 1 in as_list(linear.get("full_attn_layers")) else "linear"
    indices = as_list(fields.value("attn_layer_indices"))
    if indices:
        return "full" if index in indices else "mamba"
    period, offset = fields.need("attn_layer_period"), fields.number("attn_layer_offset") or 0
    return "full" if index % period == offset else "mamba"


def _listed_window(fields: Fields, index: int, count: int) -> str:
    """A plain `sliding_window` holds for all layers, a list of windows for each in turn."""
    window = fields.value("sliding_window")
    if fields.value("use_sliding_window") is False or not window:
        return "full"
    windows = as_list(window)
    if windows:
        return "sliding" if windows[index % len(windows)] else "full"
    if fields.model_type.startswith(("qwen2", "qwen3")):
        first = fields.number("max_window_layers")
        return "full" if first is None or index < first else "sliding"
    return "sliding" if count else "full"


def _state(fields: Fields) -> State:
    """The recurrent state by the shape calculators of vLLM's `mamba_utils.py`."""
    model_type = fields.model_type
    if fields.number("linear_num_value_heads"):
        return _delta_state(fields)
    if model_type.startswith("lfm2"):
        width = fields.number("conv_dim") or fields.need("hidden_size")
        return State(width, fields.need("conv_L_cache") - 1, 0, 0)
    if model_type == "kimi_linear":
        return _kimi_state(fields)
    if model_type in {"jamba", "mamba", "falcon_mamba"}:
        inner = fields.number("intermediate_size") if model_type != "jamba" else None
        inner = inner or fields.need("mamba_expand") * fields.need("hidden_size")
        size = fields.first("mamba_d_state", "state_size")
        return State(inner, fields.first("mamba_d_conv", "conv_kernel") - 1, inner, size)
    if model_type.startswith(("minimax", "bailing")):
        return State(0, 0, fields.heads, fields.head_dim**2, wide=True)
    return _mamba2_state(fields)


def _delta_state(fields: Fields) -> State:
    keys, values = fields.need("linear_num_key_heads"), fields.need("linear_num_value_heads")
    key, value = fields.need("linear_key_head_dim"), fields.need("linear_value_head_dim")
    kernel = fields.number("linear_conv_kernel_dim") or 4
    wide = fields.value("mamba_ssm_dtype") == "float32"
    return State(2 * key * keys + value * values, kernel - 1, values, key * value, wide=wide)


def _kimi_state(fields: Fields) -> State:
    linear = as_object(fields.value("linear_attn_config"))
    heads, dim = as_count(linear.get("num_heads")), as_count(linear.get("head_dim"))
    kernel = as_count(linear.get("short_conv_kernel_size")) or 4
    return State(3 * heads * dim, kernel - 1, heads, dim * dim, wide=True)


def _mamba2_state(fields: Fields) -> State:
    heads = fields.first("mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "num_heads")
    dim = fields.first("mamba_head_dim", "mamba_d_head", "mamba_headdim", "head_dim")
    groups = fields.first("n_groups", "mamba_n_groups", "mamba_ngroups")
    size = fields.first("ssm_state_size", "mamba_d_state", "state_size")
    kernel = fields.first("conv_kernel", "mamba_d_conv")
    channels = heads * dim + 2 * groups * size
    wide = fields.value("mamba_ssm_cache_dtype") == "float32" or (
        fields.model_type == "nemotron_h" and fields.value("mamba_ssm_cache_dtype") is None
    )
    return State(channels, kernel - 1, heads, dim * size, wide, groups, 2 * size)
