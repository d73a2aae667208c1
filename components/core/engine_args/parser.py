"""Python's own argparse with vLLM's flags: abbreviations, short forms and arity as in the engine.

vLLM's parser is an argparse parser, so its rules are not written down again here: the same module
of the standard library runs over the flags of the table. What argparse would store is kept as text
and converted one by one, so that a line of which one value is refused can still be read.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Never, cast

from components.core.engine_args.flags import PINNED_VERSION, Flag, flags
from components.core.engine_args.values import Reading, ValueRefusedError, convert
from components.core.engine_args.words import LineRefusedError

MODEL_TAG = "model_tag"
"""The engine's name for the model that stands on the line without a flag."""


@dataclass
class Parsed:
    """What a line sets; filled while argparse goes through it.

    Attributes:
        given: Values by the name of their setting, UNPARSEABLE where the engine refuses one.
        refusals: The engine's words for each value that it refuses, the first one first.
    """

    given: dict[str, object] = field(default_factory=dict[str, object])
    refusals: list[str] = field(default_factory=list[str])


def read(words: Sequence[str], version: str = PINNED_VERSION) -> Parsed:
    """Read words that `words.rewritten` has made.

    Args:
        words: All of them.
        version: The engine's version, one that has a table.

    Raises:
        LineRefusedError: The engine ends, and not even the other values can be told.
    """
    parsed = Parsed()
    namespace = argparse.Namespace(parsed=parsed)
    try:
        _, unknown = _parser(version).parse_known_args(list(words), namespace)
    except LineRefusedError as error:
        # argparse goes from left to right: a value refused before was the engine's first word.
        raise LineRefusedError(parsed.refusals[0] if parsed.refusals else str(error)) from None
    if unknown:
        parsed.refusals.append(f"unrecognized arguments: {' '.join(unknown)}")
    return parsed


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        raise LineRefusedError(message)


class _Help(argparse.Action):
    def __call__(self, *_: object) -> None:
        raise LineRefusedError("It prints its help and ends.")


class _Store(argparse.Action):
    """Convert what belongs to one flag, and keep it."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        flag: Flag,
        **_: object,  # argparse says more of a positional word
    ) -> None:
        nargs = {"nothing": 0, "one": None, "at_most_one": "?", "many": "+"}[flag.takes]
        super().__init__(option_strings, dest, nargs, const=True, default=argparse.SUPPRESS)
        self.flag = flag

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse calls with these
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        parsed: Parsed = namespace.parsed
        try:
            value = self._value(values, option_string)
        except ValueRefusedError as error:
            parsed.refusals.append(f"argument {self.flag.title}: {error}")
            value = Reading.UNPARSEABLE
        if self.flag.repeats and value is not Reading.UNPARSEABLE:
            known = parsed.given.get(self.dest)
            value = [*(cast("list[object]", known) if isinstance(known, list) else []), value]
        parsed.given[self.dest] = value

    def _value(self, values: object, option_string: str | None) -> object:
        if self.flag.takes == "nothing":
            return option_string not in self.flag.negations
        if values is True:  # what argparse gives for `at_most_one` without a word
            return True
        if isinstance(values, str):
            return convert(self.flag, values)
        # Also for `--flag=--`: argparse drops the dashes, and the value is an empty list.
        return [convert(self.flag, word) for word in cast("Sequence[str]", values)]


@cache
def _parser(version: str) -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("-h", "--help", action=_Help, nargs=0)
    model = Flag(names=(), setting=MODEL_TAG, takes="at_most_one")
    parser.add_argument(MODEL_TAG, action=_Store, flag=model)
    for flag in flags(version).values():
        names = (flag.names[0], *flag.negations, *flag.names[1:])
        parser.add_argument(*names, dest=flag.setting, action=_Store, flag=flag)
    return parser
