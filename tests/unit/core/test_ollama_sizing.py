"""What an Ollama server needs, by hand and against published shapes."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.ollama_models import OllamaShape, locked_ollama_models
from components.core.ollama_sizing import GIB, Held, server_need

CONFIGS = Path(__file__).parents[2] / "planner" / "configs"
MODELS = locked_ollama_models()
PUBLISHED = {
    "qwen2.5:7b": "Qwen--Qwen2.5-7B-Instruct",
    "qwen2.5-coder:7b": "Qwen--Qwen2.5-7B-Instruct",
    "qwen2.5:3b": "Qwen--Qwen2.5-3B-Instruct-AWQ",
    "qwen2.5-coder:3b": "Qwen--Qwen2.5-3B-Instruct-AWQ",
}


def _held(source: str, context: int = 4096) -> Held:
    return Held(source, MODELS[source].size_bytes, context, MODELS[source].shape)


@pytest.mark.parametrize("source", PUBLISHED)
def test_a_locked_shape_is_that_of_the_hubs_config(source: str) -> None:
    config = json.loads((CONFIGS / f"{PUBLISHED[source]}.json").read_text(encoding="utf-8"))
    heads = config["num_attention_heads"]
    assert MODELS[source].shape == OllamaShape(
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config["num_key_value_heads"],
        head_dim=config["hidden_size"] // heads,
        hidden=config["hidden_size"],
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
    )


def test_the_cache_of_a_7b_model_by_hand() -> None:
    """28 layers x 4 heads x 128 numbers x (key + value) x 2 bytes = 56 KiB a token."""
    assert _held("qwen2.5:7b").cache_bytes(1) == 56 * 1024 * 4096
    assert _held("qwen2.5:7b").cache_bytes(3) == 3 * 56 * 1024 * 4096


def test_a_7b_model_by_hand() -> None:
    """Row A3: 4.36 GiB of files, 0.22 of cache, 0.30 of graph, 0.5 of processes; 4.7 GB of CPUs."""
    need = server_need([_held("qwen2.5:7b")], parallel=1, at_once=1)
    assert (need.cpu, need.memory_gib) == (5, 6)


def test_only_the_largest_count_that_are_held_at_once() -> None:
    models = [_held("qwen2.5:3b"), _held("qwen2.5:7b"), _held("llama3.2:3b")]
    one, two, all_of_them = (
        server_need(models, parallel=1, at_once=number) for number in (1, 2, 9)
    )
    assert [model.source for model in one.largest] == ["qwen2.5:7b"]
    assert [model.source for model in two.largest] == ["qwen2.5:7b", "llama3.2:3b"]
    assert one.memory_gib < two.memory_gib < all_of_them.memory_gib
    assert all_of_them.cpu == math.ceil(sum(model.size_bytes for model in models) / 1e9)


def test_a_small_model_with_a_long_context_may_be_the_largest() -> None:
    models = [_held("llama3.2:3b", 131_072), _held("qwen2.5:7b")]
    need = server_need(models, parallel=1, at_once=1)
    assert need.largest[0].source == "llama3.2:3b"
    assert need.memory_gib > 14 + 2  # 14 GiB of cache alone


def test_of_a_model_that_nobody_knows_the_files_count() -> None:
    need = server_need([Held("own:1b", 10 * GIB, 8192, None)], parallel=4, at_once=1)
    assert need.memory_gib == 11


@given(
    context=st.integers(1, 32_768),
    parallel=st.integers(1, 8),
    at_once=st.integers(1, 3),
    more=st.integers(0, 4096),
)
def test_more_of_anything_never_needs_less(
    context: int, parallel: int, at_once: int, more: int
) -> None:
    def memory(context: int, parallel: int, at_once: int) -> int:
        models = [_held(source, context) for source in PUBLISHED]
        return server_need(models, parallel=parallel, at_once=at_once).memory_gib

    least = memory(context, parallel, at_once)
    assert least <= memory(context + more, parallel, at_once)
    assert least <= memory(context, parallel + 1, at_once)
    assert least <= memory(context, parallel, at_once + 1)
    assert least * GIB >= MODELS["qwen2.5:7b"].size_bytes
