"""A LoRA adapter's adapter_config.json as values, and what the engine cannot load of it.

The rules are vLLM's own (vllm/lora/peft_helper.py and vllm/config/lora.py of 0.31).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

MAX_RANK = 512
"""The largest choice of `--max-lora-rank`."""
_HEADS = frozenset({"classifier", "score"})
"""Modules that may be saved whole, those of a classifier."""


class AdapterError(ValueError):
    """An adapter that the engine would refuse; the text says which field and what to do."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter.

    Attributes:
        base: What it was trained on: mostly a hub id, sometimes a folder of its author's.
        rank: Inner width of its matrices.
        alpha: Its scaling is alpha over the rank.
        target_modules: The layers it changes; a single name can be a pattern or `all-linear`.
    """

    base: str
    rank: int
    alpha: float
    target_modules: tuple[str, ...]


def is_adapter(config: Mapping[str, Any]) -> bool:
    """Whether a repository's main config is an adapter's and not a model's.

    Args:
        config: config.json or adapter_config.json.
    """
    return "peft_type" in config


def read_adapter(config: Mapping[str, Any]) -> Adapter:
    """Read an adapter_config.json.

    Args:
        config: The file's object.

    Raises:
        AdapterError: A field is missing or wrong, or vLLM does not load such an adapter.
    """
    fault = next(chain(_unsupported(config), _malformed(config)), None)
    if fault:
        raise AdapterError(fault)
    targets = config["target_modules"]
    return Adapter(
        base=config["base_model_name_or_path"],
        rank=config["r"],
        alpha=float(config["lora_alpha"]),
        target_modules=(targets,) if isinstance(targets, str) else tuple(targets),
    )


def _unsupported(config: Mapping[str, Any]) -> Iterator[str]:
    """What vLLM refuses, or would scale wrongly."""
    kind = config.get("peft_type")
    if kind != "LORA":
        yield f"peft_type is {kind!r}, and vLLM loads LORA alone: choose a LoRA adapter"
    if config.get("use_dora"):
        yield "use_dora is set, and vLLM does not load DoRA: merge it into its base model"
    saved = [name for name in _names(config.get("modules_to_save")) if name not in _HEADS]
    if saved:
        yield (
            f"modules_to_save is {', '.join(saved)}, and vLLM loads whole modules of classifiers "
            "(classifier, score) alone: merge it into its base model"
        )
    if config.get("bias", "none") != "none":
        yield f"bias is {config['bias']!r}, and vLLM loads none: merge it into its base model"
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        yield (
            "rank_pattern or alpha_pattern is set, and vLLM scales every layer by the one r and "
            "lora_alpha: merge it into its base model"
        )


def _malformed(config: Mapping[str, Any]) -> Iterator[str]:
    """What an adapter has to say of itself."""
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if type(rank) is not int or not 0 < rank <= MAX_RANK:
        yield f"r is {rank!r}, and vLLM takes ranks from 1 to {MAX_RANK}: choose another adapter"
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        yield f"lora_alpha is {alpha!r} and no number: choose another revision"
    if not _names(config.get("target_modules")):
        yield "target_modules names no layer: choose another revision"
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        yield "base_model_name_or_path names no model: choose another revision"


def _names(value: object) -> list[str]:
    """A name or names as a list; what is neither is none."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        return []
    return [item for item in cast("list[object]", items) if isinstance(item, str) and item]
