"""Write down every flag of the installed `vllm serve`: `describe_flags.py TABLE.json`.

Nothing is typed by hand: the table is read from the parser itself. A flag of a sort that is not
known here is an error, so that a new release cannot be described wrongly without a word.
"""

# ruff: noqa: SLF001 - argparse tells what sort an entry is by classes that have no public name
import argparse
import dataclasses
import enum
import json
import sys
from pathlib import Path

from serve_parser import command_parser, version
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager

_KINDS = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "human_readable_int": "unit_integer",
    "human_readable_int_or_auto": "unit_integer_or_auto",
    "loads": "json",
    "union_dict_and_str": "json_or_text",
    "parse_dataclass": "config",
}


def describe(action: argparse.Action) -> dict[str, object]:
    """One flag as a row of the table; what a reader would assume is left out.

    Args:
        action: The parser's entry.

    Raises:
        ValueError: A flag of a sort that the table has no word for.
    """
    names = [name for name in action.option_strings if not _negates(action, name)]
    kind, optional = _kind(action)
    row: dict[str, object] = {
        "names": names,
        "negations": [name for name in action.option_strings if name not in names],
        "setting": action.dest,
        "takes": _takes(action),
        "kind": kind,
        "optional": optional,
        "choices": None if action.choices is None else list(action.choices),
        "repeats": isinstance(action, argparse._AppendAction),
        "default": plain(action.default),
    }
    usual = {"negations": [], "takes": "nothing" if kind == "switch" else "one", "kind": "text"}
    usual |= {"optional": False, "choices": None, "repeats": False, "default": None}
    return {key: value for key, value in row.items() if key not in usual or value != usual[key]}


def plain(value: object) -> object:
    """A value of the parser as JSON can hold it; a configuration left alone is an empty object."""
    if value == argparse.SUPPRESS:
        return None
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    return {} if dataclasses.is_dataclass(value) else value


def _negates(action: argparse.Action, name: str) -> bool:
    return isinstance(action, argparse.BooleanOptionalAction) and name.startswith("--no-")


def _takes(action: argparse.Action) -> str:
    if isinstance(action, (argparse._StoreTrueAction, argparse.BooleanOptionalAction)):
        return "nothing"
    if action.nargs == "?" and action.const is True:
        return "at_most_one"
    known = {None: "one", "+": "many"}
    if action.nargs not in known:
        raise ValueError(f"{action.option_strings}: nargs {action.nargs!r} is new")
    return known[action.nargs]


def _kind(action: argparse.Action) -> tuple[str, bool]:
    """The word for a flag's type, and whether the empty text and `None` stand for nothing."""
    if _takes(action) == "nothing":
        return "switch", False
    convert, optional = action.type or str, False
    while (name := convert.__qualname__) in {
        "optional_type.<locals>._optional_type",
        "parse_type.<locals>._parse_type",
    }:
        optional = optional or name.startswith("optional_type")
        (convert,) = (cell.cell_contents for cell in convert.__closure__)
    if type(action).__name__ == "LoRAParserAction":
        return "lora_modules", optional
    name = convert.__name__
    if name == "<lambda>":
        name = _lambda_kind(convert)
        return name, optional
    if name not in _KINDS:
        raise ValueError(f"{action.option_strings}: type {name} is new")
    return _KINDS[name], optional


def _lambda_kind(convert: object) -> str:
    """Which of the engine's two anonymous types it is, by what it does."""
    said = convert("A-1, 2")
    known = {"a_1, 2": "identifier", "['A-1', 2]": "devices"}
    if str(said) not in known:
        raise ValueError(f"an anonymous type is new: it makes {said!r} of 'A-1, 2'")
    return known[str(said)]


def main(table: Path) -> None:
    """Write the table, one flag a line.

    Args:
        table: File to write.
    """
    _, serve = command_parser()
    rows = [
        describe(action)
        for action in serve._actions
        if action.option_strings and not isinstance(action, argparse._HelpAction)
    ]
    lines = ",\n".join("    " + json.dumps(row) for row in rows)
    head = f'{{\n  "engine": "vllm",\n  "version": "{version()}",\n  "flags": [\n'
    tail = f'  ],\n  "parsers": {json.dumps(_parsers())}\n}}\n'
    table.write_text(f"{head}{lines}\n{tail}", encoding="utf-8")


def _parsers() -> dict[str, list[str]]:
    """Names that the server takes, which the command line does not ask for."""
    return {
        "reasoning_parser": sorted(ReasoningParserManager.list_registered()),
        "tool_call_parser": sorted(ToolParserManager.list_registered()),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
