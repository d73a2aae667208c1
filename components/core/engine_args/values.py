"""What a word of vLLM's command line means, by the kind of its flag.

The rules are those of `vllm/utils/argparse_utils.py` and `vllm/engine/arg_utils.py`; messages are
the engine's, so that what is said in preview is what a log would say.
"""

import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import cast

from components.core.engine_args.flags import Flag, Kind


class Reading(Enum):
    """What a command line says where it gives no usable value."""

    ABSENT = "absent"
    EMPTY = "empty"
    AUTO = "auto"
    UNPARSEABLE = "unparseable"
    UNKNOWN = "unknown"


class ValueRefusedError(ValueError):
    """The engine's parser refuses a value; the text has its words."""


def convert(flag: Flag, word: str) -> object:
    """The value that the engine reads out of one word.

    Args:
        flag: The flag before the word.
        word: The word.

    Raises:
        ValueRefusedError: It exits instead.
    """
    if flag.optional and word in {"", "None"}:
        value = None
    else:
        try:
            value = _CONVERSIONS[flag.kind](word)
        except ValueRefusedError:
            raise
        except (ValueError, OverflowError, RecursionError):
            raise ValueRefusedError(_complaint(flag, word)) from None
    if flag.choices is not None and value not in flag.choices:
        choices = ", ".join(map(repr, flag.choices))
        raise ValueRefusedError(f"invalid choice: {value!r} (choose from {choices})")
    return value


def unit_integer(word: str) -> int:
    """As `human_readable_int`: 25.6k is 25600, 1K is 1024, 2M is 2097152.

    Raises:
        ValueRefusedError: A fraction of a binary unit.
        ValueError: No number at all.
        OverflowError: More than a float can hold.
    """
    text = word.strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgGtT])", text)
    if match is None:
        return int(text)
    number, unit = match.groups()
    if unit in _DECIMAL:
        return int(float(number) * _DECIMAL[unit])
    try:
        return int(number) * _BINARY[unit]
    except ValueError:
        raise ValueRefusedError(
            f"Decimals are not allowed with binary suffixes like {unit}. "
            f"Did you mean to use {number}{unit.lower()} instead?"
        ) from None


_DECIMAL = MappingProxyType({"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12})
_BINARY = MappingProxyType({"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40})
AUTO = -1
"""The engine's value for "as long as fits", written `auto` or `-1`."""


def _unit_integer_or_auto(word: str) -> int:
    text = word.strip()
    return AUTO if text == "-1" or text.lower() == "auto" else unit_integer(text)


def _identifier(word: str) -> str:
    return word.lower().replace("-", "_")


def _devices(word: str) -> list[object]:
    """Numbers and names of GPUs; digits such as a superscript two are no number to the engine."""
    parts = [part.strip() for part in word.split(",")]
    return [int(part) if part.isdigit() else part for part in parts]


def _json_or_text(word: str) -> object:
    # The engine's `regex` module takes the separators \x1c to \x1f for no white space.
    if not re.match(r"(?s)^[^\S\x1c-\x1f]*{.*}[^\S\x1c-\x1f]*$", word):
        return word
    return json.loads(word)


def _config(word: str) -> object:
    """The JSON of a configuration, with units outside its texts expanded.

    Which keys and values the configuration has is not checked here: the engine may refuse more.

    Raises:
        ValueError: No JSON, or no object.
    """
    parts = re.split(r'("(?:[^"\\]|\\.)*")', word)
    plain = [
        part if at % 2 else re.sub(r"\b\d+(?:\.\d+)?[kKmMgGtT]\b", _expanded, part)
        for at, part in enumerate(parts)
    ]
    value: object = json.loads("".join(plain))
    if not isinstance(value, dict):
        raise ValueError(word)
    return cast("dict[str, object]", value)


def _expanded(match: re.Match[str]) -> str:
    return str(unit_integer(match.group()))


_CONVERSIONS: Mapping[Kind, Callable[[str], object]] = MappingProxyType(
    {
        "text": str,
        "integer": int,
        "number": float,
        "unit_integer": unit_integer,
        "unit_integer_or_auto": _unit_integer_or_auto,
        "identifier": _identifier,
        "devices": _devices,
        "json": json.loads,
        "json_or_text": _json_or_text,
        "config": _config,
        "lora_modules": str,
    }
)
_NAMES: Mapping[Kind, str] = MappingProxyType(
    {
        "integer": "int",
        "number": "float",
        "unit_integer": "human_readable_int",
        "unit_integer_or_auto": "human_readable_int_or_auto",
        "devices": "<lambda>",
        "json": "JSON",
        "json_or_text": "JSON",
        "config": "JSON",
    }
)
"""What the engine's messages call a kind; it names a parsing function where these say JSON."""


def _complaint(flag: Flag, word: str) -> str:
    name = _NAMES[flag.kind]
    if flag.optional:
        target = f"<class '{name}'>" if flag.kind in {"integer", "number"} else name
        return f"Value {word} cannot be converted to {target}."
    return f"invalid {name} value: {word!r}"
