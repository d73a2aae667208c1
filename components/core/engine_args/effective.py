"""What vLLM would run with, given any command line and environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from components.core.engine_args.flags import PINNED_VERSION, flags
from components.core.engine_args.parser import MODEL_TAG, Parsed, read
from components.core.engine_args.values import AUTO, Reading
from components.core.engine_args.words import LineRefusedError, names_model, rewritten
from components.core.launch import Word

MAX_MODEL_LEN_CAP = 32768
"""Tokens; default of the policies' cap, the longest context of the platform's model catalogue."""


@dataclass(frozen=True)
class Effective:
    """The settings that take effect.

    Attributes:
        settings: Every setting of the engine's version by the engine's own name, such as
            `tensor_parallel_size`. A Reading stands where there is no value: UNPARSEABLE where
            the engine refuses it, UNKNOWN where an unseen word or file decides. None and the
            absent keys of a configuration leave it to the engine.
        given: The settings that the line or its file sets; all others have their default.
        api_key: The first key that requests may carry; EMPTY or ABSENT leave the server open.
        switches: Safety-relevant variables of the environment, whether they are on.
        refused: The engine's words where it ends instead of serving; None where its parser
            accepts. Values inside configurations and other late checks are not judged here.
    """

    settings: Mapping[str, object]
    given: frozenset[str]
    api_key: str | Reading
    switches: Mapping[str, bool | Reading]
    refused: str | None = None


def effective(
    words: Sequence[Word],
    environment: Mapping[str, Word] = MappingProxyType({}),
    config_file: str | None = None,
    version: str = PINNED_VERSION,
) -> Effective:
    """Read a command line by vLLM's own rules.

    Args:
        words: What follows `vllm serve`.
        environment: The variables of the process.
        config_file: Text of the file that `--config` names; None where nobody has seen it, then
            what the line does not set itself is UNKNOWN.
        version: The engine's version, one that has a table.

    Raises:
        UnknownVersionError: There is no table for the version.
    """
    known = [word for word in words if isinstance(word, str)]
    if len(known) < len(words):
        return _all(Reading.UNKNOWN, environment, version)
    if "--omni" in known:
        omni = "--omni flag requires a valid instance of vllm-omni to be installed."
        return _all(Reading.UNPARSEABLE, environment, version, omni)
    try:
        parsed = read(rewritten(known, config_file), version)
    except LineRefusedError as error:
        return _all(Reading.UNPARSEABLE, environment, version, str(error))
    unseen = config_file is None and "--config" in known
    settings = _settings(parsed, version, unseen=unseen)
    if unseen and not names_model(known):  # the file's last flag may take the model as its value
        settings["model"] = Reading.UNKNOWN
    return Effective(
        settings=MappingProxyType(settings),
        given=frozenset(parsed.given) & frozenset(settings),
        api_key=_api_key(settings["api_key"], environment),
        switches=_switches(environment),
        refused=next(iter(parsed.refusals), None),
    )


def max_model_len(line: Effective) -> int | Reading:
    """The context length in tokens that a line asks for; ABSENT leaves it to the model."""
    tokens = line.settings["max_model_len"]
    if tokens == AUTO:
        return Reading.AUTO
    if tokens is None:
        return Reading.ABSENT
    if isinstance(tokens, Reading):
        return tokens
    return tokens if isinstance(tokens, int) and tokens > 0 else Reading.UNPARSEABLE


def port(line: Effective) -> int | Reading:
    """The port of the API server."""
    number = line.settings["port"]
    return number if isinstance(number, int | Reading) else Reading.UNPARSEABLE


def _all(
    reading: Reading, environment: Mapping[str, Word], version: str, refused: str | None = None
) -> Effective:
    """No value can be told."""
    settings = dict.fromkeys(flags(version), reading)
    return Effective(
        MappingProxyType(settings), frozenset(), reading, _switches(environment), refused
    )


def _settings(parsed: Parsed, version: str, *, unseen: bool) -> dict[str, object]:
    """Every setting, UNKNOWN where an unseen file decides.

    The file stands before the line, so plain values of the line win; of what adds up (lists that
    repeat, JSON that merges) it may have more.
    """
    settings: dict[str, object] = {}
    for name, flag in flags(version).items():
        adds = flag.repeats or flag.kind in {"json", "json_or_text", "config"}
        if unseen and (adds or name not in parsed.given):
            settings[name] = Reading.UNKNOWN
        else:
            settings[name] = parsed.given.get(name, flag.default)
    if MODEL_TAG in parsed.given:
        settings["model"] = parsed.given[MODEL_TAG]
    return settings


def _api_key(values: object, environment: Mapping[str, Word]) -> str | Reading:
    """The flag comes before VLLM_API_KEY, even when it is empty or `None`: then nobody is asked."""
    if isinstance(values, Reading):
        return values
    if isinstance(values, list) and values:
        keys = cast("list[object]", values)
        return next((key for key in keys if isinstance(key, str) and key), Reading.EMPTY)
    variable = environment.get("VLLM_API_KEY")
    if variable is None:
        return Reading.ABSENT
    return (variable or Reading.EMPTY) if isinstance(variable, str) else Reading.UNKNOWN


_WORD_SWITCHES = ("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "VLLM_ALLOW_RUNTIME_LORA_UPDATING")
_NUMBER_SWITCHES: Mapping[str, bool] = MappingProxyType(
    {
        "VLLM_SERVER_DEV_MODE": False,
        "VLLM_ALLOW_INSECURE_SERIALIZATION": False,
        "VLLM_USE_FLASHINFER_SAMPLER": True,
    }
)
"""With their defaults; these two lists follow vllm/envs.py, the same in 0.31 and 0.32."""


def _switches(environment: Mapping[str, Word]) -> Mapping[str, bool | Reading]:
    switches: dict[str, bool | Reading] = {}
    for name in _WORD_SWITCHES:
        text = environment.get(name, "0")
        on = isinstance(text, str) and text.strip().lower() in {"1", "true"}
        switches[name] = on if isinstance(text, str) else Reading.UNKNOWN
    for name, default in _NUMBER_SWITCHES.items():
        text = environment.get(name, str(int(default)))
        switches[name] = _number_switch(text) if isinstance(text, str) else Reading.UNKNOWN
    return MappingProxyType(switches)


def _number_switch(text: str) -> bool | Reading:
    try:
        return bool(int(text))
    except ValueError:
        return Reading.UNPARSEABLE
