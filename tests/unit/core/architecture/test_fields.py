"""Access to keys, their aliases and what a config may leave out."""

from typing import Any

import pytest

from components.core.architecture.fields import (
    ArchitectureError,
    Fields,
    as_count,
    as_list,
    as_object,
    known_architectures,
)


def test_the_language_part_of_a_multimodal_model_comes_first() -> None:
    fields = Fields({"model_type": "x", "hidden_size": 1, "text_config": {"hidden_size": 64}})
    assert fields.partial
    assert fields.number("hidden_size") == 64


@pytest.mark.parametrize(
    ("alias", "key"),
    [("n_embd", "hidden_size"), ("n_layer", "num_hidden_layers"), ("n_head", "num_attention_heads"),
     ("multi_query_group_num", "num_key_value_heads"), ("padded_vocab_size", "vocab_size")],
)  # fmt: skip
def test_older_names_are_read(alias: str, key: str) -> None:
    assert Fields({alias: 12}).number(key) == 12


@pytest.mark.parametrize("value", [True, "12", 1.5, [], {}, float("inf"), float("nan")])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(ArchitectureError, match=r"^hidden_size is .*; it must be a whole number$"):
        Fields({"hidden_size": value}).number("hidden_size")


def test_a_float_without_a_fraction_is_a_count() -> None:
    assert Fields({"hidden_size": 64.0}).number("hidden_size") == 64


@pytest.mark.parametrize("value", [-1, 1_000_001, 2**70])
def test_a_count_beyond_any_model_is_refused(value: int) -> None:
    with pytest.raises(ArchitectureError, match="a model has from 0 to 1,000,000"):
        Fields({"hidden_size": value}).number("hidden_size")


@pytest.mark.parametrize(("config", "word"), [({}, "absent"), ({"hidden_size": 0}, "0")])
def test_what_a_model_cannot_do_without(config: dict[str, Any], word: str) -> None:
    with pytest.raises(ArchitectureError, match=f"^hidden_size is {word} in the config of a model"):
        Fields(config).need("hidden_size")


def test_none_of_several_names() -> None:
    with pytest.raises(ArchitectureError, match=r"^one or other is absent in the config of a"):
        Fields({"model_type": "x"}).first("one", "other")
    assert Fields({"other": 3}).first("one", "other") == 3


@pytest.mark.parametrize(
    ("config", "heads"),
    [
        ({"num_attention_heads": 32, "num_key_value_heads": 8}, 8),
        ({"num_attention_heads": 32}, 32),
        ({"model_type": "falcon", "num_attention_heads": 71, "multi_query": True}, 1),
        ({"model_type": "gpt_bigcode", "n_head": 48}, 1),
        ({"model_type": "gpt_bigcode", "n_head": 48, "multi_query": False}, 48),
    ],
)
def test_heads_of_keys_and_values(config: dict[str, Any], heads: int) -> None:
    assert Fields(config).kv_heads == heads


def test_the_width_of_a_head() -> None:
    shape = {"hidden_size": 4096, "num_attention_heads": 32}
    assert Fields(shape).head_dim == 128
    assert Fields(shape | {"head_dim": 256}).head_dim == 256
    divided = shape | {"head_dim": 256, "model_type": "qwen2"}
    assert Fields(divided).head_dim == 128  # its class divides whatever the config says


def test_values_of_other_types_are_empty() -> None:
    assert as_object([1]) == {}
    assert as_list({"a": 1}) == []
    assert [as_count(value) for value in (3, True, None, 1.0, "3")] == [3, 0, 0, 0, 0]
    assert Fields({"layer_types": ["a", 1, None]}).texts("layer_types") == ["a"]


def test_first_versions_come_after_those_without_a_class() -> None:
    def key(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split("."))

    rows = known_architectures()["supported"]
    assert len(rows) > 200
    for name, (first, without, last) in rows.items():
        assert without is None or key(without) < key(first), name
        assert last is None or key(last) >= key(first), name
