"""How a checkpoint stores its weights, from its `quantization_config`."""

from collections.abc import Mapping
from dataclasses import replace

from components.core.architecture.fields import (
    ArchitectureError,
    Fields,
    as_count,
    as_list,
    as_object,
)
from components.core.architecture.shape import Quantization

_PLAIN: Mapping[str, Quantization] = {
    "fp8": Quantization("fp8", 8, floating=True, activations=True),
    "fbgemm_fp8": Quantization("fbgemm_fp8", 8, floating=True, activations=True),
    "mxfp4": Quantization("mxfp4", 4, 32, floating=True, experts_only=True),
    "mxfp8": Quantization("mxfp8", 8, 32, floating=True, activations=True),
    "bitsandbytes": Quantization("bitsandbytes", 4, 64),
    "awq": Quantization("awq", 4, 128),
    "gptq": Quantization("gptq", 4, 128),
    "experts_int8": Quantization("experts_int8", 8, experts_only=True),
    "modelopt": Quantization("modelopt", 8, floating=True, activations=True),
    "modelopt_fp4": Quantization("modelopt_fp4", 4, 16, floating=True),
    "gguf": Quantization("gguf", 4, 32),
    "torchao": Quantization("torchao", 8),
    "quark": Quantization("quark", 8, floating=True, activations=True),
    "inc": Quantization("inc", 4, 128),
}
_BYTE = 8
_EIGHT_BITS = ("fp8", "int8", "w8a8", "mxfp8", "modelopt_mxfp8")
_FAMILIES = {
    "awq_marlin": "awq",
    "auto_awq": "awq",
    "gptq_marlin": "gptq",
    "auto_gptq": "gptq",
    "moe_wna16": "gptq",
    "auto-round": "inc",
    "auto_round": "inc",
    "intel/auto-round": "inc",
    "gpt_oss_mxfp4": "mxfp4",
    "deepseek_v4_fp8": "fp8",
    "modelopt_mixed": "modelopt",
    "fp8_per_tensor": "fp8",
    "fp8_per_block": "fp8",
    "fp8_per_channel": "fp8",
    "online": "fp8",
    "ptpc_fp8": "fp8",
}


def asked_quantization(method: str) -> Quantization:
    """What `--quantization METHOD` does to a checkpoint that is not quantised yet.

    Raises:
        ArchitectureError: No such method is known.
    """
    plain = _PLAIN.get(_FAMILIES.get(method, method))
    if plain is None and "int4" in method:
        return Quantization(method, 4, 32)
    if plain is None and method.startswith(_EIGHT_BITS):
        return Quantization(method, _BYTE)
    if plain is None:
        raise ArchitectureError(
            f"quantization {method!r} is not known; known are {', '.join(sorted(_PLAIN))}"
        )
    return plain


def read_quantization(fields: Fields) -> Quantization | None:
    """The checkpoint's own quantisation; None where its weights are plain.

    Raises:
        ArchitectureError: A method whose storage is not known.
    """
    config = as_object(
        fields.root.get("quantization_config")
        or fields.value("quantization_config")
        or fields.root.get("compression_config")
    )
    if not config:
        return None
    method = str(config.get("quant_method") or config.get("quant_algo") or "").lower()
    if method == "compressed-tensors" or (not method and "config_groups" in config):
        return _compressed_tensors(config)
    if method.startswith(("modelopt", "nvfp4", "fp8_pb")):
        return _modelopt(config)
    if method == "bitsandbytes":
        return Quantization(method, 8 if config.get("load_in_8bit") else 4, 64)
    if method in {"fp8", "deepseek_v4_fp8"}:
        return Quantization(
            method,
            8,
            floating=True,
            activations=True,
            block=_first(config.get("weight_block_size")),
        )
    plain = asked_quantization(method)
    bits = as_count(config.get("bits") or config.get("w_bit"))
    group = config.get("group_size")
    return replace(
        plain,
        method=method,
        bits=bits if 0 < bits <= _BYTE else plain.bits,
        group_size=group if isinstance(group, int) else plain.group_size,
    )


def _first(sizes: object) -> int:
    return as_count(next(iter(as_list(sizes)), 0))


def _compressed_tensors(config: Mapping[str, object]) -> Quantization:
    groups = as_object(config.get("config_groups"))
    first = as_object(next(iter(groups.values()), None))
    weights = as_object(first.get("weights"))
    packed = "nvfp4" in str(config.get("format"))
    return Quantization(
        "compressed-tensors",
        as_count(weights.get("num_bits")) or (4 if packed else _BYTE),
        as_count(weights.get("group_size")) or (16 if packed else 0),
        floating=weights.get("type") == "float" or packed,
        activations=bool(first.get("input_activations")),
        fp8_kv_cache=bool(config.get("kv_cache_scheme")),
        block=_first(weights.get("block_structure")),
    )


def _modelopt(config: Mapping[str, object]) -> Quantization:
    inner = as_object(config.get("quantization")) or config
    algorithm = str(inner.get("quant_algo") or config.get("quant_algo") or "FP8").upper()
    scheme = inner.get("kv_cache_scheme") or config.get("kv_cache_scheme")
    asked = str(inner.get("kv_cache_quant_algo") or config.get("kv_cache_quant_algo") or "")
    small = "FP4" in algorithm or "MIXED" in algorithm
    return Quantization(
        "modelopt_fp4" if small else "modelopt",
        4 if small else _BYTE,
        (as_count(inner.get("group_size")) or 16) if small else 0,
        floating=True,
        activations=not small,
        fp8_kv_cache=bool(scheme) or asked.upper().startswith("FP8"),
    )
