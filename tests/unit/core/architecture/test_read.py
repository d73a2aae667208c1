"""Shapes of published models as their config.json tells them."""

import re

import pytest

from components.core.architecture import ArchitectureError, read_architecture
from tests.unit.core.sizing.published import (
    CONFIGS,
    DEEPSEEK_R1,
    GPT_OSS_20B,
    LLAMA_8B,
    QWEN3_8B,
    QWEN3_30B,
    QWEN3_NEXT,
    QWEN_7B,
    architecture,
    config,
)

UNSIZED = {"deepseek-ai--DeepSeek-V4-Pro"}
"""Its cache is compressed layer by layer."""


@pytest.mark.parametrize(
    ("model", "layers", "hidden", "heads", "kv_heads", "head", "vocabulary", "length"),
    [
        (LLAMA_8B, 32, 4096, 32, 8, 128, 128_256, 131_072),
        (QWEN_7B, 28, 3584, 28, 4, 128, 152_064, 32_768),
        (QWEN3_8B, 36, 4096, 32, 8, 128, 151_936, 40_960),
        (GPT_OSS_20B, 24, 2880, 64, 8, 64, 201_088, 131_072),
        (QWEN3_NEXT, 48, 2048, 16, 2, 256, 151_936, 262_144),
    ],
)
def test_a_published_model_is_read(  # noqa: PLR0917 - a row of the table
    model: str, layers: int, hidden: int, heads: int, kv_heads: int, head: int,
    vocabulary: int, length: int,
) -> None:  # fmt: skip
    found = architecture(model)
    assert len(found.layers) == layers
    assert (found.hidden_size, found.vocab_size) == (hidden, vocabulary)
    assert (found.heads, found.kv_heads, found.head_dim) == (heads, kv_heads, head)
    assert found.max_position == length


@pytest.mark.parametrize("name", sorted({path.stem for path in CONFIGS.glob("*.json")} - UNSIZED))
def test_every_collected_config_is_read(name: str) -> None:
    found = architecture(name)
    assert found.layers
    assert any(layer.kind != "none" for layer in found.layers)


def test_experts_of_a_mixture() -> None:
    found = architecture(QWEN3_30B).experts
    assert found is not None
    assert (found.count, found.per_token, found.intermediate_size) == (128, 8, 768)
    assert len(found.layers) == 48
    deepseek = architecture(DEEPSEEK_R1).experts
    assert deepseek is not None
    assert (deepseek.count, deepseek.per_token) == (256, 8)
    assert deepseek.shared_intermediate_size == 2048
    assert deepseek.layers == frozenset(range(3, 61))  # first_k_dense_replace is 3
    assert architecture(LLAMA_8B).experts is None


def test_mla_and_its_layer_for_multi_token_prediction() -> None:
    found = architecture(DEEPSEEK_R1)
    assert found.latent_ranks == (1536, 576)
    assert found.draft_layers == 1
    assert architecture(LLAMA_8B).latent_ranks is None


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("architectures", "architectures is absent or empty in config.json"),
        ("hidden_size", "hidden_size is absent in the config of a llama"),
        ("vocab_size", "vocab_size is absent in the config of a llama"),
        ("num_hidden_layers", "num_hidden_layers is absent in the config of a llama"),
        ("num_attention_heads", "num_attention_heads is absent in the config of a llama"),
        ("intermediate_size", "intermediate_size is absent in the config of a llama"),
    ],
)
def test_a_shape_with_a_missing_field_names_it(key: str, words: str) -> None:
    with pytest.raises(ArchitectureError, match=f"^{re.escape(words)}"):
        architecture(LLAMA_8B, **{key: None})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 1_000_000}, "num_hidden_layers is 1000000; a model has from 0 to"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"hidden_size": "wide"}, "hidden_size is 'wide'; it must be a whole number"),
        ({"vocab_size": 2**70}, "vocab_size is"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0; a model with attention has"),
        ({"num_key_value_heads": 5}, "num_key_value_heads is 5, which does not divide the 32"),
        ({"hidden_size": 16, "head_dim": None}, "32 heads leave nothing of a hidden_size of 16"),
        ({"rope_scaling": {"rope_type": "linear", "factor": -2}}, "rope scaling has a factor of"),
        ({"layer_types": ["full_attention"] * 3}, "layer_types has 3 entries, but"),
        ({"layer_types": ["full_attention"] * 5000}, "layer_types has 5,000 entries"),
        ({"architectures": ["NobodyForCausalLM"]}, "architecture 'NobodyForCausalLM' is not known"),
    ],
)
def test_an_absurd_shape_is_refused_in_a_sentence(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ArchitectureError, match=f"^{re.escape(words)}") as caught:
        architecture(LLAMA_8B, **changes)
    assert "\n" not in str(caught.value)


def test_an_unknown_architecture_may_be_taken_for_a_known_one() -> None:
    own = config(LLAMA_8B, architectures=["MyLlama"])
    assert read_architecture(own, assume="LlamaForCausalLM").name == "LlamaForCausalLM"
    with pytest.raises(ArchitectureError, match="architecture 'Mine' is not known"):
        read_architecture(own, assume="Mine")


@pytest.mark.parametrize(
    ("scaling", "length"),
    [
        (None, 8192),
        ({"rope_type": "linear", "factor": 4.0}, 32_768),
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}, 16_384),
        ({"rope_type": "llama3", "factor": 8.0}, 8192),
        ({"rope_type": "dynamic", "factor": 2.0}, 8192),
        ({"rope_type": "longrope", "factor": 32.0}, 8192),
    ],
)
def test_rope_scaling_lengthens_what_a_model_was_made_for(
    scaling: dict[str, object] | None, length: int
) -> None:
    """`_get_and_verify_max_len`: not for llama3 and longrope; yarn from its original length."""
    found = architecture(LLAMA_8B, max_position_embeddings=8192, rope_scaling=scaling)
    assert found.max_position == length


def test_without_any_length_2048_is_taken() -> None:
    """The engine's own default where no key of a length is found."""
    shape = config("Qwen--Qwen2.5-0.5B", max_position_embeddings=None, model_type="llama_unknown")
    assert read_architecture(shape).max_position == 2048


@pytest.mark.parametrize(
    ("dtype", "width"), [("float32", 4), ("bfloat16", 2), ("torch.float16", 2), (None, 2)]
)
def test_the_dtype_of_the_files(dtype: str | None, width: int) -> None:
    assert architecture(LLAMA_8B, torch_dtype=dtype).stored_dtype_bytes == width
    assert architecture(LLAMA_8B, torch_dtype=dtype).dtype_bytes == 2


def test_tied_embeddings() -> None:
    assert architecture("Qwen--Qwen2.5-0.5B-Instruct").tied_embeddings
    assert not architecture(LLAMA_8B).tied_embeddings


def test_a_tower_for_pictures() -> None:
    assert architecture("Qwen--Qwen2.5-VL-7B-Instruct").vision is not None
    assert architecture(LLAMA_8B).vision is None
