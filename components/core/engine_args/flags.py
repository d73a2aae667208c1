"""Every flag of `vllm serve`, as data, and what became of flags that older texts name.

A table is one file a version, `flags-<version>.json`, written by `make lock-flags` out of the
engine's own parser, and held against it by the serving tests.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

PINNED_VERSION = "0.31.0"
"""The engine of the image that stacks deploy (images.json); its table is the default one."""

TABLES = Path(__file__).parent

Takes = Literal["nothing", "one", "at_most_one", "many"]
Kind = Literal[
    "switch",
    "text",
    "integer",
    "number",
    "unit_integer",
    "unit_integer_or_auto",
    "identifier",
    "devices",
    "json",
    "json_or_text",
    "config",
    "lora_modules",
]
"""How a word becomes a value, see `values.convert`; only `switch` takes none."""


class UnknownVersionError(ValueError):
    """No table for that version of the engine."""


@dataclass(frozen=True)
class Flag:
    """One flag.

    Attributes:
        names: What sets it, the first one being the usual name; short ones too.
        setting: The engine's name for the value, `max_model_len`.
        takes: How many words follow.
        kind: What a word means.
        negations: What sets a switch to false.
        optional: Whether the empty text and `None` stand for "not set".
        choices: The only values possible; None where the parser does not ask.
        repeats: Whether each occurrence adds to the ones before, instead of replacing them.
        default: The value where the flag is absent; None where the engine decides later, or where
            a configuration object stands that the table does not hold.
    """

    names: tuple[str, ...]
    setting: str
    takes: Takes = "one"
    kind: Kind = "text"
    negations: tuple[str, ...] = ()
    optional: bool = False
    choices: tuple[object, ...] | None = None
    repeats: bool = False
    default: object = None

    @property
    def title(self) -> str:
        """All its names as the engine's messages have them."""
        return "/".join((self.names[0], *self.negations, *self.names[1:]))


@cache
def flags(version: str = PINNED_VERSION) -> Mapping[str, Flag]:
    """All flags of a version of the engine by the name of their setting.

    Args:
        version: As in the name of the table, `0.31.0`.

    Raises:
        UnknownVersionError: There is no table for it.
    """
    rows = [_flag(row) for row in _table(version)["flags"]]
    return MappingProxyType({flag.setting: flag for flag in rows})


def parsers(setting: str, version: str = PINNED_VERSION) -> tuple[str, ...]:
    """Names that the engine's server takes for `tool_call_parser` or `reasoning_parser`.

    Its command line takes any text there.

    Args:
        setting: One of the two.
        version: As in the name of the table.

    Raises:
        UnknownVersionError: There is no table for it.
    """
    return tuple(_table(version)["parsers"][setting])


@cache
def _table(version: str) -> dict[str, Any]:
    file = TABLES / f"flags-{version}.json"
    if not file.exists():
        known = ", ".join(versions())
        raise UnknownVersionError(
            f"There is no table of the flags of vLLM {version}, only of {known}; "
            f"write it with `make lock-flags`."
        )
    return json.loads(file.read_text(encoding="utf-8"))


def versions() -> tuple[str, ...]:
    """The versions that have a table."""
    return tuple(sorted(file.stem.removeprefix("flags-") for file in TABLES.glob("flags-*.json")))


def _flag(row: dict[str, Any]) -> Flag:
    lists = {name: tuple(row[name]) for name in ("names", "negations", "choices") if name in row}
    takes: Takes = "nothing" if row.get("kind") == "switch" else "one"
    known: dict[str, Any] = {"takes": takes, **row, **lists}
    return Flag(**known)


def remedy(name: str) -> str:
    """What to write instead of a flag that the pinned engine does not have.

    Args:
        name: The flag, `--swap-space`.

    Returns:
        A few words; none where no flag is like it.
    """
    if name in REMOVED:
        return REMOVED[name]
    names = [other for flag in flags().values() for other in (*flag.names, *flag.negations)]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"did you mean {nearest[0]}?" if nearest else ""


REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "--swap-space": "vLLM removed it in 0.18; use --kv-offloading-size (GiB)",
        "--device": "vLLM removed it; the image decides the device",
        "--task": "vLLM removed it; use --runner and --convert",
        "--max-seq-len-to-capture": "vLLM removed it; use --max-cudagraph-capture-size",
        "--cuda-graph-sizes": "vLLM removed it; use --cudagraph-capture-sizes",
        "--guided-decoding-backend": "vLLM removed it; use --structured-outputs-config",
        "--rope-scaling": "vLLM removed it; use --hf-overrides",
        "--speculative-model": "vLLM removed it; use --speculative-config",
        "--enable-reasoning": "vLLM removed it; --reasoning-parser is enough",
        "--disable-log-requests": "vLLM removed it in 0.17; request logging is off by default",
        "--max-num-partial-prefills": "vLLM removed it in 0.27, without a successor",
        "--calculate-kv-scales": "vLLM removed it in 0.28, without a successor",
        "--logits-processor-pattern": "vLLM removed it in 0.17, without a successor",
        **dict.fromkeys(
            (
                *("--num-scheduler-steps", "--use-v2-block-manager", "--preemption-mode"),
                *("--scheduler-delay-factor", "--num-lookahead-slots", "--worker-use-ray"),
                *("--engine-use-ray", "--disable-frontend-multiprocessing"),
                *("--lora-extra-vocab-size", "--disable-mm-preprocessor-cache"),
            ),
            "vLLM removed it, without a successor",
        ),
    }
)
"""Flags of older releases that tutorials still show; each was seen to be refused by 0.33.0."""
