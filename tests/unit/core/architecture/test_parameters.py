"""Counts of weights against the published ones."""

import pytest

from components.core.architecture.parameters import count_parameters
from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    GPT_OSS_20B,
    LLAMA_8B,
    LLAMA_70B,
    QWEN3_30B,
    QWEN3_32B,
    QWEN3_NEXT,
    QWEN_7B,
    architecture,
)


@pytest.mark.parametrize(
    ("model", "billions"),
    [
        (LLAMA_8B, 8.03),
        (LLAMA_70B, 70.55),
        (QWEN_7B, 7.616),
        (QWEN3_32B, 32.76),
        (QWEN3_30B, 30.53),
        (GPT_OSS_20B, 20.91),
        (DEEPSEEK_R1, 671.0),
        (QWEN3_NEXT, 79.7),
        ("Qwen--Qwen2.5-0.5B-Instruct", 0.494),
    ],
)
def test_the_total_is_the_published_one(model: str, billions: float) -> None:
    """Model cards: 8.03, 70.6, 7.61, 32.8, 30.5, 20.9, 671, 80 and 0.49 billion."""
    found = count_parameters(architecture(model))
    assert found.total / 1e9 == pytest.approx(billions, rel=0.01)


def test_a_dense_model_to_the_weight() -> None:
    """Llama 3.1 8B has 8,030,261,248, of which 65 norms of 4096 are not counted."""
    found = count_parameters(architecture(LLAMA_8B))
    assert found.total == 8_030_261_248 - 65 * 4096
    assert found.embedding == found.head == 128_256 * 4096
    assert found.key_value == 32 * 4096 * 8 * 2 * 128
    assert (found.experts, found.replicated, found.vision, found.draft) == (0, 0, 0, 0)


def test_tied_embeddings_are_counted_once() -> None:
    found = count_parameters(architecture("Qwen--Qwen2.5-0.5B-Instruct"))
    assert found.head == 0
    assert found.embedding == 151_936 * 896


def test_the_layer_for_multi_token_prediction_is_apart() -> None:
    """DeepSeek's card: 14 billion besides the 671."""
    found = count_parameters(architecture(DEEPSEEK_R1))
    assert found.draft / 1e9 == pytest.approx(14, abs=2)


def test_a_tower_for_pictures_is_counted() -> None:
    with_tower = count_parameters(architecture("Qwen--Qwen2.5-VL-7B-Instruct"))
    assert 0.4e9 < with_tower.vision < 0.8e9
