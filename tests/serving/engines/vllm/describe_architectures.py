"""Print what the installed vLLM and transformers know of architectures, as one JSON object.

`version`: vLLM's. `registered`: the classes that it serves. `removed`: those it names as gone, with
the last version that had them. `defaults`: for every model type what its configuration class fills
in, or the type of the language model inside it as `text`. A default that follows another value is
left out: it cannot be told without that value.
"""

import json
import logging
import sys
import warnings

from serve_parser import version
from transformers import PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES
from vllm.model_executor.models.registry import _PREVIOUSLY_SUPPORTED_MODELS, ModelRegistry

_KEYS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings"),
    *("tie_word_embeddings", "sliding_window", "use_sliding_window", "kv_lora_rank"),
    *("q_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "num_local_experts"),
    *("num_experts", "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"),
    *("shared_expert_intermediate_size", "n_shared_experts", "first_k_dense_replace"),
    *("decoder_sparse_step", "linear_num_value_heads", "linear_num_key_heads"),
    *("linear_key_head_dim", "linear_value_head_dim", "linear_conv_kernel_dim"),
    *("mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel"),
    *("mamba_d_state", "mamba_d_conv", "mamba_expand", "mamba_n_groups", "mamba_n_heads"),
    *("mamba_d_head", "attention_chunk_size", "global_head_dim", "num_global_key_value_heads"),
    *("num_kv_shared_layers", "attn_layer_period", "attn_layer_offset", "expert_layer_period"),
    *("expert_layer_offset", "conv_L_cache", "attention_k_eq_v", "hidden_size_per_layer_input"),
    *("vocab_size_per_layer_input", "laurel_rank"),
)
_FOLLOWERS = {"num_key_value_heads": "num_attention_heads", "head_dim": "hidden_size"}


def describe(model_type: str) -> dict[str, object]:
    """Defaults of a model type; empty where it is no language model.

    Args:
        model_type: As in a config.json.
    """
    kind = CONFIG_MAPPING[model_type]
    made = _made(kind)
    if made is None:
        return {}
    inner = getattr(type(getattr(made, "text_config", None)), "model_type", None)
    if inner and inner != model_type:
        return {"text": inner}
    found = {key: value for key in _KEYS if (value := _value(made, key)) is not None}
    for follower, leader in _FOLLOWERS.items():
        if not {follower, leader} <= found.keys():
            continue
        other = _made(kind, **{leader: 2 * found[leader]})
        if other and _value(other, follower) != found[follower]:
            del found[follower]
    needed = {"num_hidden_layers", "vocab_size", "hidden_size"}
    return found if needed <= found.keys() else {}


def _made(kind: type[PretrainedConfig], **values: int) -> PretrainedConfig | None:
    """A configuration; None where the class does not take these values: each raises its own."""
    try:
        return kind(**values)
    except Exception:
        return None


def _value(made: PretrainedConfig, key: str) -> object:
    try:
        value = getattr(made, key, None)
    except RuntimeError:  # of a kind whose layers differ in it
        return None
    return value if isinstance(value, (int, float)) else None


def main() -> None:
    """Print it."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    defaults = {kind: found for kind in CONFIG_MAPPING_NAMES if (found := describe(kind))}
    answer = {
        "version": version(),
        "registered": sorted(ModelRegistry.get_supported_archs()),
        "removed": dict(_PREVIOUSLY_SUPPORTED_MODELS),
        "defaults": defaults,
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
