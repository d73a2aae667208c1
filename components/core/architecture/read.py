"""A model's config.json to its architecture."""

from collections.abc import Mapping
from typing import Any

from components.core.architecture.fields import (
    ArchitectureError,
    Fields,
    as_count,
    as_list,
    as_object,
    known_architectures,
)
from components.core.architecture.layers import LATENT_TYPES, read_layers
from components.core.architecture.quantization import read_quantization
from components.core.architecture.shape import Architecture, Experts, Layer, Vision

_WIDTHS = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "float8_e4m3fn": 1}
_LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length",
            "model_max_length", "max_sequence_length", "max_seq_length", "seq_len")  # fmt: skip
_NO_ROPE_SCALING = {"longrope", "su", "mrope", "default", "llama3", "proportional", "dynamic"}
"""Kinds of rope scaling that leave the derived length as it is (`_get_and_verify_max_len`)."""
_LARGEST_ROPE_FACTOR = 1_000_000
_MOST_LAYERS = 2_000
_WITHOUT_ATTENTION = {"mamba", "mamba2", "falcon_mamba"}
_UNGATED = {"gpt2", "gpt_bigcode", "opt", "bloom", "gpt_neox", "phi", "falcon", "starcoder2",
            "nemotron", "nemotron_h", "mpt", "stablelm_epoch", "gptj", "codegen", "bert",
            "roberta", "xlm-roberta"}  # fmt: skip


def read_architecture(config: Mapping[str, Any], *, assume: str | None = None) -> Architecture:
    """Read a model's shape from its config.json.

    Args:
        config: The file's object, of a text or multimodal model.
        assume: Class of the engine to take the model for when its own is not known.

    Raises:
        ArchitectureError: A field is missing or absurd, or the architecture is not known.
    """
    name = assume or _name(config)
    if name not in known_architectures()["supported"]:
        raise ArchitectureError(
            f"architecture {name!r} is not known to any engine version from 0.6 to 0.33: check "
            "`architectures` in config.json, or name a known one that it can be served as"
        )
    fields = Fields(config)
    hidden, vocabulary = fields.need("hidden_size"), fields.need("vocab_size")
    layers = _checked_layers(fields)
    _check_heads(fields, layers)
    stored = _WIDTHS.get(_dtype(fields), 2)
    return Architecture(
        name=name,
        model_type=fields.model_type,
        hidden_size=hidden,
        intermediate_size=_intermediate(fields, hidden),
        heads=fields.heads,
        kv_heads=fields.kv_heads,
        head_dim=fields.head_dim,
        vocab_size=vocabulary,
        max_position=_max_position(fields),
        dtype_bytes=2,
        stored_dtype_bytes=stored if stored in {2, 4} else 2,
        tied_embeddings=_tied(fields),
        layers=layers,
        experts=_experts(fields, len(layers)),
        quantization=read_quantization(fields),
        vision=_vision(fields),
        draft_layers=fields.number("num_nextn_predict_layers")
        or fields.number("mtp_num_hidden_layers")
        or 0,
        latent_ranks=_latent_ranks(fields),
        per_layer_embedding=_per_layer_embedding(fields),
        gated=fields.model_type not in _UNGATED,
    )


def _checked_layers(fields: Fields) -> tuple[Layer, ...]:
    """All layers of the model; a list of kinds that is shorter would hide some of them."""
    asked = fields.number("num_hidden_layers")
    for key in ("layer_types", "layers_block_type"):
        listed = as_list(fields.value(key))
        if asked is not None and listed and len(listed) < asked:
            raise ArchitectureError(
                f"{key} has {len(listed)} entries, but num_hidden_layers is {asked}; take the "
                "whole config.json of the model's revision"
            )
        if len(listed) > _MOST_LAYERS:
            raise ArchitectureError(
                f"{key} has {len(listed):,} entries; a model has {_MOST_LAYERS:,} at most"
            )
    if fields.number("num_attention_heads") == 0 and fields.model_type not in _WITHOUT_ATTENTION:
        raise ArchitectureError("num_attention_heads is 0; a model with attention has at least 1")
    return read_layers(fields)


def _check_heads(fields: Fields, layers: tuple[Layer, ...]) -> None:
    attention = [layer for layer in layers if layer.kind not in {"state", "none"}]
    if not attention:
        return
    heads = fields.heads if fields.partial else fields.need("num_attention_heads")
    if min(layer.key_dim for layer in attention) < 1:
        raise ArchitectureError(
            f"{heads} heads leave nothing of a hidden_size of {fields.need('hidden_size')}; take "
            "the whole config.json of the model's revision"
        )
    if fields.kv_heads and heads % fields.kv_heads:
        raise ArchitectureError(
            f"num_key_value_heads is {fields.kv_heads}, which does not divide the {heads} of "
            "num_attention_heads"
        )


def _name(config: Mapping[str, Any]) -> str:
    name = next(iter(as_list(config.get("architectures"))), None)
    if not isinstance(name, str):
        raise ArchitectureError(
            "architectures is absent or empty in config.json; take the whole file of the model's "
            "revision"
        )
    return name


def _dtype(fields: Fields) -> str:
    return str(fields.value("dtype") or fields.value("torch_dtype") or "bfloat16").split(".")[-1]


def _tied(fields: Fields) -> bool:
    """The whole model's word counts, then the language part's."""
    for holder in (fields.root.get("tie_word_embeddings"), fields.value("tie_word_embeddings")):
        if isinstance(holder, bool):
            return holder
    return fields.flag("tie_word_embeddings")


def _intermediate(fields: Fields, hidden: int) -> int:
    widths = as_list(fields.value("intermediate_size"))
    if widths:  # Gemma 3n has one a layer
        return max(map(as_count, widths))
    given = fields.number("intermediate_size")
    if given is None and not fields.partial and fields.default("intermediate_size"):
        raise ArchitectureError(
            f"intermediate_size is absent in the config of a {fields.model_type}; take the whole "
            "config.json of the model's revision"
        )
    return given or fields.default("intermediate_size") or 4 * hidden


def _max_position(fields: Fields) -> int:
    lengths = [n for key in _LENGTHS if (n := fields.number(key))]
    length = min(lengths, default=fields.default("max_position_embeddings") or 2048)
    scaling = fields.value("rope_scaling") or fields.value("rope_parameters")
    rope = as_object(scaling)
    kind = str(rope.get("rope_type") or rope.get("type") or "default")
    factor = rope.get("factor")
    if kind in _NO_ROPE_SCALING or not isinstance(factor, int | float):
        return length
    if not 0 < factor <= _LARGEST_ROPE_FACTOR:
        raise ArchitectureError(
            f"rope scaling has a factor of {factor}; it must be above 0 and at most "
            f"{_LARGEST_ROPE_FACTOR:,}"
        )
    original = rope.get("original_max_position_embeddings")
    base = original if kind == "yarn" and isinstance(original, int) else length
    return int(base * factor)


def _experts(fields: Fields, layers: int) -> Experts | None:
    count = _first(fields, "num_experts", "n_routed_experts", "num_local_experts",
                   "moe_num_experts", "num_moe_experts")  # fmt: skip
    if not count or count == 1:
        return None
    width = (
        fields.number("moe_intermediate_size")
        or fields.number("expert_ffn_hidden_size")
        or fields.default("intermediate_size")
    )
    per_token = _first(fields, "num_experts_per_tok", "num_experts_per_token", "top_k_experts",
                       "moe_topk", "moe_top_k") or 1  # fmt: skip
    shared = fields.number("shared_expert_intermediate_size")
    shared = shared or fields.number("moe_shared_expert_intermediate_size")
    if not shared:
        shared = (_first(fields, "n_shared_experts", "num_shared_experts") or 0) * (width or 0)
    return Experts(
        count=count,
        per_token=per_token,
        intermediate_size=width or fields.need("intermediate_size"),
        hidden_size=fields.number("moe_latent_size") or fields.need("hidden_size"),
        shared_intermediate_size=shared,
        layers=_expert_layers(fields, layers),
    )


def _first(fields: Fields, *keys: str) -> int | None:
    for key in keys:
        value = fields.value(key)
        value = next(iter(as_list(value)), value)
        if as_count(value):
            return as_count(value)
    return next((n for key in keys if (n := fields.default(key))), None)


def _expert_layers(fields: Fields, layers: int) -> frozenset[int]:
    pattern = fields.value("hybrid_override_pattern")
    if isinstance(pattern, str) and pattern:
        return frozenset(i for i, letter in enumerate(pattern) if letter == "E")
    dense = fields.number("first_k_dense_replace") or 0
    excluded = as_list(fields.value("mlp_only_layers"))
    step = fields.number("decoder_sparse_step") or fields.number("interleave_moe_layer_step") or 1
    period, offset = fields.number("expert_layer_period"), fields.number("expert_layer_offset")
    if period:
        return frozenset(i for i in range(layers) if i % period == (offset or 0))
    return frozenset(i for i in range(dense, layers) if i not in excluded and (i + 1) % step == 0)


def _vision(fields: Fields) -> Vision | None:
    thinker = as_object(fields.root.get("thinker_config"))
    vision = as_object(fields.root.get("vision_config")) or as_object(thinker.get("vision_config"))
    if not vision:
        return None
    hidden = _number(vision, "hidden_size", "embed_dim", "width") or 1024
    depth = _number(vision, "num_hidden_layers", "depth", "layers") or 24
    return Vision(hidden, depth, _number(vision, "intermediate_size") or 4 * hidden)


def _number(config: Mapping[str, object], *keys: str) -> int:
    return next((count for key in keys if (count := as_count(config.get(key)))), 0)


def _per_layer_embedding(fields: Fields) -> int:
    """Only Gemma has one; a type's default must not give it to others."""
    if not fields.model_type.startswith(("gemma3n", "gemma4")):
        return 0
    return fields.default("hidden_size_per_layer_input") or 0


def _latent_ranks(fields: Fields) -> tuple[int, int] | None:
    latent = fields.number("kv_lora_rank")
    if fields.model_type not in LATENT_TYPES or not latent:
        return None
    rope = fields.number("qk_rope_head_dim") or 0
    return fields.number("q_lora_rank") or 0, latent + rope
