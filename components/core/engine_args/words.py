"""The words after `vllm serve` as argparse gets to see them.

vLLM rewrites a command line before Python's argparse reads it; the steps and their order are those
of `FlexibleArgumentParser.parse_args` (vllm/utils/argparse_utils.py, the same in 0.31 and 0.32).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from components.core.engine_args.values import ValueRefusedError, unit_integer


class LineRefusedError(ValueError):
    """vLLM ends instead of serving; the text has its words."""


def rewritten(words: Sequence[str], config_file: str | None = None) -> list[str]:
    """The words as argparse gets them.

    Args:
        words: What follows `vllm serve`.
        config_file: Text of the file that `--config` names; None where nobody has seen it, then
            the words of the line alone are rewritten.

    Raises:
        LineRefusedError: vLLM ends on the way.
    """
    line = _model_first(list(words))
    if "--config" in line:
        line = _with_config(line, config_file)
    return _with_json(_dashed(line))


def names_model(words: Sequence[str]) -> bool:
    """Whether the line begins with its model, so that no file can come before it.

    Args:
        words: What follows `vllm serve`.

    Raises:
        LineRefusedError: vLLM ends while it looks for the model.
    """
    return not _model_first(list(words))[0].startswith("-")


def _model_first(line: list[str]) -> list[str]:
    """`--model NAME` becomes the positional word that `vllm serve` wants."""
    at = next((at for at, word in enumerate(line) if re.match(r"^--model(=.+|$)", word)), None)
    if at is not None:
        plain = line[at] == "--model"
        if plain and at + 1 == len(line):
            raise LineRefusedError("list index out of range")
        model = line[at + 1] if plain else line[at].removeprefix("--model=")
        line = [model, *line[:at], *line[at + (2 if plain else 1) :]]
    named = any(re.match(r"^--served[-_]model[-_]name(=.+|$)", word) for word in line)
    configured = any(re.match(r"^--config(=.+|$)", word) for word in line)
    if line and line[0].startswith("-") and named and not configured:
        raise LineRefusedError(
            "`model` should be provided as the first positional argument when using `vllm serve`."
            " i.e. `vllm serve <model> --<arg> <value>`."
        )
    return line


def _with_config(line: list[str], config_file: str | None) -> list[str]:
    """Put the words of the file right behind the model, so that those of the line win."""
    if line.count("--config") > 1:
        raise LineRefusedError("More than one config file specified!")
    at = line.index("--config")
    if at + 1 == len(line):
        raise LineRefusedError(
            "No config file specified! Please check your command-line arguments."
        )
    extension = line[at + 1].split(".")[-1]
    if extension not in {"yaml", "yml"}:
        raise LineRefusedError(f"Config file must be of a yaml/yml type. {extension} supplied")
    named = not line[0].startswith("-")
    front, rest = (line[:1] if named else []), line[:at] + line[at + 2 :]
    rest = rest[1:] if named else rest
    if config_file is None:
        return [*front, *rest]
    configured = _config_words(config_file)
    if not named and "--model" not in configured:
        raise LineRefusedError(
            "No model specified! Please specify model either as a positional argument or in a"
            " config file."
        )
    return [*front, *configured, *rest]


def _config_words(text: str) -> list[str]:
    """The file as words.

    A switch that is false says nothing at all: vLLM looks for its `--no-` form among the flags of
    `vllm`, not of `vllm serve`, and finds none.
    """
    import yaml  # noqa: PLC0415 - costs more than all the rest, and few need it

    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date may be a ValueError
        raise LineRefusedError(f"The config file is not YAML: {error}") from None
    if not isinstance(config, dict):
        raise LineRefusedError("The config file is not a mapping of settings to values.")
    words: list[str] = []
    for key, value in cast("Mapping[object, object]", config).items():
        if value is False or value == []:
            continue
        if not isinstance(key, str):
            raise LineRefusedError(f"The config file has the key {key!r}, which is no text.")
        words += [f"--{key}", *_config_value(value)]
    return words


def _config_value(value: object) -> list[str]:
    if value is True:
        return []
    if isinstance(value, list):
        return [str(item) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return [str(value)]
    try:
        return [json.dumps(value)]
    except (TypeError, ValueError) as error:
        raise LineRefusedError(str(error)) from None


def _dashed(line: list[str]) -> list[str]:
    """Underscores of names as dashes, up to the first dot; `-O3` in its long form."""
    result: list[str] = []
    for at, word in enumerate(line):
        following = line[at + 1] if at + 1 < len(line) else ""
        if word.startswith("--help="):
            result.append("--help")
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            head, dot, keys = name.partition(".")
            result.append(head.replace("_", "-") + dot + keys + equals + value)
        elif word.startswith("-O") and word != "-O":
            result += ["--optimization-level", word[3:] if word[2] == "=" else word[2:]]
        elif word == "-O" and following in {"0", "1", "2", "3"}:
            result.append("--optimization-level")
        else:
            result.append(word)
    return result


def _with_json(line: list[str]) -> list[str]:
    """Gather `--flag.key value` per flag into one JSON word, and put those words at the end."""
    plain: list[str] = []
    gathered: dict[str, dict[str, object]] = {}
    rest = iter(line)
    for word in rest:
        name, equals, text = word.partition("=")
        if not (word.startswith("-") and "." in name):
            plain.append(word)
            continue
        if not equals:
            following = next(rest, None)
            if following is None:
                raise LineRefusedError("list index out of range")
            text = following
        if name.endswith("+"):
            name, text = name[:-1], json.dumps(text.split(","))
        flag, *keys = name.split(".")
        value = _loaded(text)
        for key in reversed(keys):
            value = {key: value}
        _merge(gathered.setdefault(flag, {}), value)
    for flag, value in gathered.items():
        plain += [flag, json.dumps(value)]
    return plain


def _loaded(text: str) -> object:
    """JSON where it is some, else a number with a unit, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    except (ValueError, RecursionError) as error:  # digits or nesting beyond Python's limits
        raise LineRefusedError(str(error)) from None
    try:
        return unit_integer(text)
    except OverflowError as error:
        raise LineRefusedError(str(error)) from None
    except (ValueRefusedError, ValueError):
        return text


def _merge(into: dict[str, object], more: object) -> None:
    """Objects merge, lists are joined, anything else replaces what was there."""
    for key, value in cast("dict[str, object]", more).items():
        known = into.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            _merge(cast("dict[str, object]", known), cast("object", value))
        elif isinstance(value, list) and isinstance(known, list):
            cast("list[object]", known).extend(cast("list[object]", value))
        else:
            into[key] = value
