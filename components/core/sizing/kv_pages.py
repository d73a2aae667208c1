"""Bytes and tokens of one block of one layer's KV cache, by vLLM's `v1/kv_cache_interface.py`."""

from collections.abc import Collection

from components.core.architecture.shape import Layer
from components.core.sizing.defaults import Resolved
from components.core.sizing.request import Load, SizingError

_BLOCK_TOKENS = 16
_LATENT_BLOCK_TOKENS = 64
_BLOCK_BY_BACKEND = (0, 18, 0)
"""From here on MLA has blocks of 64 only where FlashMLA serves it: sparse, or an FP8 cache."""
ELEMENT_BYTES = {
    "auto": 0.0, "float16": 2.0, "half": 2.0, "bfloat16": 2.0, "float": 4.0, "float32": 4.0,
    "fp8": 1.0, "fp8_e4m3": 1.0, "fp8_e5m2": 1.0, "fp8_inc": 1.0, "fp8_ds_mla": 1.0,
    "nvfp4": 0.5625, "int8_per_token_head": 1.0, "fp8_per_token_head": 1.0,
    "int4_per_token_head": 0.5, "nvfp4_4over6": 0.5625,
}  # fmt: skip
"""Bytes of a stored element; 0 stands for the model's own dtype. NVFP4 has a scale in 16."""
_TOKEN_HEAD_SCALE_BYTES = {
    "int8_per_token_head": 8, "fp8_per_token_head": 8, "int4_per_token_head": 8,
}  # fmt: skip
_PADDED_LATENT = 640
"""Elements that the first engine stored for a latent of 576, aligned to 256 bytes."""
_PACKED_LATENT_BYTES = 656
"""A token of FP8 sparse MLA: 512 FP8, 4 float32 scales, 64 bfloat16."""


def element_bytes(kv_cache_dtype: str) -> float:
    """Bytes of an element of the KV cache; 0 for the model's own dtype.

    Raises:
        SizingError: The type is not known, or its layout is not a matter of bytes an element.
    """
    if kv_cache_dtype not in ELEMENT_BYTES:
        raise SizingError(
            f"kv_cache_dtype {kv_cache_dtype!r} cannot be sized; these can: "
            f"{', '.join(ELEMENT_BYTES)}"
        )
    return ELEMENT_BYTES[kv_cache_dtype]


def block_tokens(counted: Collection[Layer], load: Load, settings: Resolved) -> int:
    """The block that attention uses; beside recurrent layers it grows to their state's size.

    Args:
        counted: The kinds of a model's layers.
        load: Parallelism, and the block that was asked for.
        settings: The load with its defaults.
    """
    states = [layer for layer in counted if layer.kind == "state"]
    attention = [layer for layer in counted if layer.kind != "state"]
    latent = any(layer.kind == "latent" for layer in attention)
    sparse = any(layer.sparse for layer in attention)
    flash = sparse or element_bytes(settings.kv_dtype) == 1
    long = latent and (flash or settings.version < _BLOCK_BY_BACKEND)
    block = load.block_size or (_LATENT_BLOCK_TOKENS if long else _BLOCK_TOKENS)
    if not states or not attention:
        return block
    page = max(page_bytes(layer, block, load, settings) for layer in states)
    token = max(page_bytes(layer, 1, load, settings) for layer in attention)
    step = max(block, 128) if latent else block
    return max(block, step * -(-page // (step * token)))


def page_bytes(layer: Layer, block: int, load: Load, settings: Resolved) -> int:
    """Bytes of one layer's block of so many tokens on one GPU; a state's are always the same.

    Args:
        layer: What it keeps.
        block: Tokens.
        load: Parallelism.
        settings: The load with its defaults.
    """
    tensor = load.tensor_parallel_size
    if layer.state is not None:
        return layer.state.stored_bytes(tensor, settings.dtype_bytes, load.speculative_tokens)
    element = element_bytes(settings.kv_dtype) or settings.dtype_bytes
    if layer.kind == "latent":
        if layer.sparse and element == 1 and settings.packed_latent:
            return block * (_PACKED_LATENT_BYTES + layer.extra_bytes)
        width = _PADDED_LATENT if settings.first_engine else layer.key_dim
        return block * (round(width * element) + layer.extra_bytes)
    heads = max(1, layer.kv_heads // tensor)
    scales = _TOKEN_HEAD_SCALE_BYTES.get(settings.kv_dtype, 0)
    return block * heads * (round((layer.key_dim + layer.value_dim) * element) + scales)
