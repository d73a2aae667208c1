"""Access to a config.json: the language model's part, its aliases, and what it may leave out."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

_NESTED = ("text_config", "llm_config", "language_config", "language_model", "text_model")
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "hidden_size": ("n_embd", "d_model", "model_dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "num_key_value_heads": ("n_head_kv", "num_kv_heads", "multi_query_group_num",
                            "num_attention_groups", "num_query_groups"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size"),
    "vocab_size": ("padded_vocab_size",),
}  # fmt: skip
_DIVIDED = ("qwen2", "internlm2", "stablelm")
"""Types whose classes divide the hidden size by the heads whatever the config says."""
_LARGEST = 2**40
"""No count of a real model comes near; a larger one is a slip."""
_LIMITS = {
    "num_hidden_layers": 2_000,
    "num_attention_heads": 4_096,
    "hidden_size": 1_000_000,
    "vocab_size": 10_000_000,
    "head_dim": 65_536,
}
"""More than ten times what any published model has: beyond it a number is a slip."""


def as_object(value: object) -> Mapping[str, object]:
    """A JSON object, empty for anything else."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """A JSON array, empty for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_count(value: object) -> int:
    """A whole number, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


class ArchitectureError(ValueError):
    """A config.json from which no plan can be made; the text is one sentence."""


@cache
def known_architectures() -> Mapping[str, Any]:
    """Data of `architectures.json`.

    `supported`: an engine class to the first engine version that has it, the version looked at
    before that did not, and the first one looked at after its removal. `defaults`: what
    transformers fills in where the config of a model type leaves a key out; `text`: the type of its
    language model.
    """
    return json.loads(Path(__file__).with_name("architectures.json").read_text(encoding="utf-8"))


class Fields:
    """The keys of one model's language part, with aliases and defaults.

    Args:
        config: The whole config.json.

    Raises:
        ArchitectureError: It is not an object that describes a language model.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.root = config
        inner = _inner(config)
        self._own = inner if inner is not None else config
        types = known_architectures()["defaults"]
        outer_type = str(config.get("model_type") or "")
        outer = types.get(outer_type, {})
        fallback = outer.get("text", outer_type)
        own_type = self._own.get("model_type") if inner is not None else outer_type
        self.model_type = str(own_type or fallback)
        self._defaults: Mapping[str, Any] = types.get(self.model_type, {})
        self.partial = inner is not None

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.number("num_attention_heads") or self._default("num_attention_heads") or 0

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values: given, by the type's default, or as many as heads."""
        if self.model_type == "gpt_bigcode":
            return self.heads if self.value("multi_query") is False else 1
        if self.model_type == "falcon" and not self.value("new_decoder_architecture"):
            return 1 if self.value("multi_query") in {None, True} else self.heads
        given = self.number("num_key_value_heads")
        if given is None and self.number("num_attention_heads") is None:
            given = self._default("num_key_value_heads")
        return given or self.heads

    @property
    def head_dim(self) -> int:
        """Elements of a head: given, by the type's default, or the hidden size over the heads."""
        if self.model_type.startswith(_DIVIDED):
            return self.need("hidden_size") // self.heads if self.heads else 0
        for key in ("head_dim", "attention_head_dim", "hidden_size_per_head"):
            given = self.number(key)
            if given:
                return given
        default = self._default("head_dim") if self.model_type not in {"deepseek_v3"} else None
        if default:
            return default
        return self.need("hidden_size") // self.heads if self.heads else 0

    def value(self, key: str) -> object:
        """The value as published, of the language part first; None where absent."""
        for name in (key, *_ALIASES.get(key, ())):
            if self._own.get(name) is not None:
                return self._own[name]
        return self.root.get(key) if self.partial else None

    def number(self, key: str) -> int | None:
        """A count, None where absent.

        Raises:
            ArchitectureError: It is not a whole number, or absurd.
        """
        value = self.value(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ArchitectureError(f"{key} is {value!r}; it must be a whole number")
        limit = _LIMITS.get(key, _LARGEST)
        if not 0 <= value <= limit:
            raise ArchitectureError(f"{key} is {value}; a model has from 0 to {limit:,}")
        return value

    def need(self, key: str) -> int:
        """A count above zero that the model cannot do without.

        Raises:
            ArchitectureError: It is absent where the published config must have it.
        """
        value = self.number(key)
        if value is None and (self.partial or key not in _LIMITS):
            value = self._default(key)
        if not value:
            raise ArchitectureError(
                f"{key} is {'0' if value == 0 else 'absent'} in the config of a "
                f"{self.model_type or 'model'}; take the whole config.json of the model's revision"
            )
        return value

    def need_layers(self) -> int:
        """Decoder layers; LongCat counts attention twice a layer."""
        if self.model_type == "longcat_flash":
            return 2 * self.need("num_layers")
        return self.need("num_hidden_layers")

    def first(self, *keys: str) -> int:
        """The first of several names of one count.

        Raises:
            ArchitectureError: None of them is there.
        """
        for key in keys:
            value = self.number(key)
            if value is not None:
                return value
        defaults = [self._default(key) for key in keys]
        known = next((value for value in defaults if value), None)
        if known is None:
            raise ArchitectureError(
                f"{' or '.join(keys)} is absent in the config of a {self.model_type}; take the "
                "whole config.json of the model's revision"
            )
        return known

    def default(self, key: str) -> int | None:
        """A count as published, else what the model type's own class fills in."""
        value = self.number(key)
        return self._default(key) if value is None else value

    def flag(self, key: str) -> bool:
        """A switch: as published, else by the model type's default, else off."""
        value = self.value(key)
        return bool(self._defaults.get(key) if value is None else value)

    def texts(self, key: str) -> list[str]:
        """A list of texts; empty where absent or of another type."""
        return [item for item in as_list(self.value(key)) if isinstance(item, str)]

    def _default(self, key: str) -> int | None:
        value = self._defaults.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def _inner(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    outer = as_object(config.get("thinker_config")) or config
    found = (as_object(outer.get(key)) for key in _NESTED)
    return next((inner for inner in found if inner), None)
