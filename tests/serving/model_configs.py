"""Random config.json files of the kinds of model that differ in what their layers keep."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Config = dict[str, Any]

_WIDTHS = st.sampled_from([64, 96, 128, 256])
_LENGTHS = st.sampled_from([1000, 4096, 32_768, 131_072])


@st.composite
def _common(draw: st.DrawFn) -> Config:
    """What every kind has; keys and values have a divisor of the heads."""
    heads = draw(st.sampled_from([4, 8, 12, 16, 24, 32]))
    shared = draw(st.sampled_from([n for n in (1, 2, 4, 8) if heads % n == 0]))
    return {
        "hidden_size": 768,
        "intermediate_size": 1024,
        "num_hidden_layers": draw(st.integers(1, 14)),
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "head_dim": draw(_WIDTHS),
        "vocab_size": draw(st.sampled_from([1000, 32_000, 32_001])),
        "max_position_embeddings": draw(_LENGTHS),
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
        "rms_norm_eps": 1e-6,
    }


def _named(architecture: str, model_type: str) -> Config:
    return {"architectures": [architecture], "model_type": model_type}


def _plain(architecture: str, model_type: str, **more: object) -> st.SearchStrategy[Config]:
    return _common().map(lambda common: common | _named(architecture, model_type) | more)


@st.composite
def _sliding(draw: st.DrawFn) -> Config:
    """Windows on some layers, in the patterns that published models have."""
    kind = draw(st.sampled_from([
        ("Gemma2ForCausalLM", "gemma2"), ("Gemma3ForCausalLM", "gemma3_text"),
        ("GptOssForCausalLM", "gpt_oss"), ("Cohere2ForCausalLM", "cohere2"),
        ("Exaone4ForCausalLM", "exaone4"),
    ]))  # fmt: skip
    config = draw(_common()) | _named(*kind)
    config["sliding_window"] = draw(st.sampled_from([16, 128, 1000, 4096]))
    if kind[1] == "cohere2":
        config |= {"sliding_window_pattern": 4, "logit_scale": 0.5, "layer_norm_eps": 1e-5}
    if kind[1] == "exaone4":
        config |= {"sliding_window_pattern": 4}
    if kind[1] == "gpt_oss":
        config |= {"num_local_experts": 8, "num_experts_per_tok": 2}
    if kind[1].startswith("gemma"):
        config |= {"query_pre_attn_scalar": 64}
    if draw(st.booleans()):
        names = st.sampled_from(["full_attention", "sliding_attention"])
        count = config["num_hidden_layers"]
        config["layer_types"] = draw(st.lists(names, min_size=count, max_size=count))
    return config


@st.composite
def _windowed(draw: st.DrawFn) -> Config:
    """One window on every layer."""
    config = draw(_common()) | _named("MistralForCausalLM", "mistral")
    return config | {"sliding_window": draw(st.sampled_from([64, 1000, 4096]))}


@st.composite
def _latent(draw: st.DrawFn) -> Config:
    config = draw(_common()) | _named("DeepseekV3ForCausalLM", "deepseek_v3")
    del config["head_dim"]
    config["num_key_value_heads"] = config["num_attention_heads"]
    return config | {
        "kv_lora_rank": draw(st.sampled_from([256, 512])),
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
        "q_lora_rank": draw(st.sampled_from([None, 768])),
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": 1,
        "moe_intermediate_size": 512,
        "first_k_dense_replace": draw(st.integers(0, 3)),
    }


@st.composite
def _delta(draw: st.DrawFn) -> Config:
    """Gated delta networks with attention now and then."""
    config = draw(_common()) | _named("Qwen3NextForCausalLM", "qwen3_next")
    config["num_hidden_layers"] = 4 * draw(st.integers(1, 5))
    keys = draw(st.sampled_from([8, 16]))
    return config | {
        "linear_num_key_heads": keys,
        "linear_num_value_heads": keys * draw(st.sampled_from([1, 2])),
        "linear_key_head_dim": draw(st.sampled_from([64, 128])),
        "linear_value_head_dim": draw(st.sampled_from([64, 128])),
        "linear_conv_kernel_dim": 4,
        "full_attention_interval": 4,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "decoder_sparse_step": 1,
        "norm_topk_prob": True,
        "mlp_only_layers": [],
    }


@st.composite
def _mamba2(draw: st.DrawFn) -> Config:
    """Nemotron-H: Mamba 2, attention and feed-forward layers in any order."""
    pattern = draw(st.text("M*-", min_size=2, max_size=14).filter(lambda p: {"M", "*"} <= set(p)))
    config = draw(_common()) | _named("NemotronHForCausalLM", "nemotron_h")
    heads = draw(st.sampled_from([16, 64]))
    return config | {
        "num_hidden_layers": len(pattern),
        "hybrid_override_pattern": pattern,
        "mamba_num_heads": heads,
        "mamba_head_dim": draw(st.sampled_from([64, 128])),
        "ssm_state_size": draw(st.sampled_from([64, 128])),
        "n_groups": draw(st.sampled_from([1, 8])),
        "conv_kernel": 4,
        "expand": 2,
        "mamba_hidden_act": "silu",
        "mlp_hidden_act": "relu2",
        "mamba_proj_bias": False,
        "use_conv_bias": True,
        "chunk_size": 128,
        "layer_norm_epsilon": 1e-5,
        "rescale_prenorm_residual": True,
    }


_SHARED: Config = {
    "hidden_size": 1024,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 32_000,
    "max_position_embeddings": 32_768,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
    "rms_norm_eps": 1e-6,
}
_RARE: tuple[Config, ...] = (
    _named("JambaForCausalLM", "jamba") | {
        "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2,
        "expert_layer_offset": 1, "num_experts": 8, "num_experts_per_tok": 2, "mamba_d_state": 16,
        "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 64,
    },
    _named("GraniteMoeHybridForCausalLM", "granitemoehybrid") | {
        "layer_types": ["mamba"] * 5 + ["attention"] + ["mamba"] * 2, "mamba_n_heads": 32,
        "mamba_d_head": 64, "mamba_n_groups": 1, "mamba_d_state": 128, "mamba_d_conv": 4,
        "mamba_expand": 2, "num_local_experts": 0, "num_experts_per_tok": 0,
        "shared_intermediate_size": 2048, "embedding_multiplier": 12, "logits_scaling": 6,
        "residual_multiplier": 0.2, "attention_multiplier": 0.01,
        "position_embedding_type": "nope",
    },
    _named("Lfm2ForCausalLM", "lfm2") | {
        "conv_L_cache": 3, "conv_dim": 1024, "conv_bias": False, "norm_eps": 1e-5,
        "layer_types": ["conv", "conv", "full_attention"] * 2 + ["conv", "full_attention"],
        "block_dim": 1024, "block_ff_dim": 2048, "block_multiple_of": 256,
        "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": True,
    },
    _named("FalconH1ForCausalLM", "falcon_h1") | {
        "mamba_n_heads": 32, "mamba_d_head": 64, "mamba_n_groups": 1, "mamba_d_state": 128,
        "mamba_d_conv": 4, "mamba_d_ssm": 2048, "mamba_expand": 2, "head_dim": 64,
        "attention_in_multiplier": 1.0, "attention_out_multiplier": 1.0,
    },
    _named("FalconMambaForCausalLM", "falcon_mamba") | {
        "state_size": 16, "conv_kernel": 4, "expand": 2, "time_step_rank": 64,
    },
    _named("KimiLinearForCausalLM", "kimi_linear") | {
        "linear_attn_config": {
            "full_attn_layers": [4, 8], "kda_layers": [1, 2, 3, 5, 6, 7], "num_heads": 16,
            "head_dim": 128, "short_conv_kernel_size": 4,
        },
        "kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128, "head_dim": 72,
        "qk_rope_head_dim": 64, "v_head_dim": 128, "mla_use_nope": True, "num_experts": 8,
        "num_experts_per_token": 2, "moe_intermediate_size": 512, "num_shared_experts": 1,
        "first_k_dense_replace": 1, "moe_layer_freq": 1, "num_expert_group": 1, "topk_group": 1,
        "moe_router_activation_func": "sigmoid", "moe_renormalize": True, "use_grouped_topk": True,
        "routed_scaling_factor": 2.4, "num_nextn_predict_layers": 0,
    },
    _named("Llama4ForCausalLM", "llama4_text") | {
        "head_dim": 64, "attention_chunk_size": 1024, "num_local_experts": 8,
        "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "intermediate_size_mlp": 2048,
    },
    _named("Phi3ForCausalLM", "phi3") | {"sliding_window": 2047, "pad_token_id": 0},
    _named("GemmaForCausalLM", "gemma") | {"head_dim": 256},
)  # fmt: skip
"""Kinds with a rule of their own, in one shape each."""
_OLD: tuple[Config, ...] = (
    _named("GPTBigCodeForCausalLM", "gpt_bigcode") | {
        "n_embd": 1024, "n_head": 16, "n_layer": 8, "n_positions": 2048, "vocab_size": 50_257,
        "multi_query": True,
    },
    _named("GPT2LMHeadModel", "gpt2") | {
        "n_embd": 1024, "n_head": 16, "n_layer": 8, "n_positions": 1024, "vocab_size": 50_257,
    },
    _named("FalconForCausalLM", "falcon") | {
        "hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 8,
        "vocab_size": 32_000, "multi_query": True, "new_decoder_architecture": False,
    },
    _named("OPTForCausalLM", "opt") | {
        "hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 8, "ffn_dim": 4096,
        "vocab_size": 50_272, "max_position_embeddings": 2048, "word_embed_proj_dim": 1024,
    },
)  # fmt: skip
"""Kinds that name their numbers otherwise."""


def _moe(**more: object) -> Mapping[str, object]:
    return {"num_experts_per_tok": 2, "moe_intermediate_size": 512, **more}


CONFIGS: Mapping[str, st.SearchStrategy[Config]] = {
    "llama": _plain("LlamaForCausalLM", "llama"),
    "qwen2": _plain("Qwen2ForCausalLM", "qwen2"),
    "qwen3": _plain("Qwen3ForCausalLM", "qwen3"),
    "mixtral": _plain("MixtralForCausalLM", "mixtral", num_local_experts=8, num_experts_per_tok=2),
    "qwen3_moe": _plain("Qwen3MoeForCausalLM", "qwen3_moe",
                        **_moe(num_experts=8, norm_topk_prob=True)),
    "sliding": _sliding(),
    "windowed": _windowed(),
    "latent": _latent(),
    "delta": _delta(),
    "mamba2": _mamba2(),
    "rare": st.sampled_from([_SHARED | rare for rare in _RARE]),
    "old": st.sampled_from(_OLD),
}  # fmt: skip
