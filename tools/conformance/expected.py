"""What a stack document lets expect of its deployment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.document import ROOT
from components.document.gateway_routing import RequestLimits
from tools.conformance.target import Expected
from tools.problem import ToolError

_CHATS = "generate"


def read_platform(path: Path) -> Mapping[str, Any]:
    """The document in a stack file.

    Args:
        path: `Pulumi.<stack>.yaml`.

    Raises:
        ToolError: It cannot be read, or holds none.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))["config"][ROOT]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ToolError(f"{path} is no stack file with {ROOT} in it: {error}") from error


def aliases_of(platform: Mapping[str, Any]) -> frozenset[str]:
    """Every name that its gateway lists: models, their adapters, and further names.

    Args:
        platform: The document.
    """
    models: Mapping[str, Any] = platform["models"]
    adapters = (name for model in models.values() for name in model.get("adapters", ()))
    return frozenset((*models, *adapters, *platform["gateway"].get("model_aliases", ())))


def chat_model_of(platform: Mapping[str, Any]) -> str:
    """The first model that chats; empty where none does.

    Args:
        platform: The document.
    """
    models: Mapping[str, Any] = platform["models"]
    chats = (alias for alias, model in models.items() if model.get("task", _CHATS) == _CHATS)
    return next(chats, "")


def expected_of(platform: Mapping[str, Any], model: str) -> Expected:
    """What holds for one model of a document.

    Args:
        platform: The document.
        model: Its alias, or a further name of it.

    Raises:
        pydantic.ValidationError: Its limits are no limits of a document.
    """
    gateway: Mapping[str, Any] = platform["gateway"]
    limits = RequestLimits.model_validate(gateway.get("limits", {}))
    models: Mapping[str, Any] = platform["models"]
    meant = gateway.get("model_aliases", {}).get(model, model)
    several: list[str] = [meant] if isinstance(meant, str) else meant
    lengths = [models[each].get("max_model_len") for each in several if each in models]
    return Expected(
        aliases=aliases_of(platform),
        # A name of several models leads to one that the prompt fits into, so the longest counts.
        model_len=max(lengths) if lengths and all(lengths) else None,
        request_mib=limits.request_mib,
        output_tokens=limits.output_tokens,
        choices=limits.choices,
    )
