"""vLLM's command line in both directions: settings to arguments, and arguments to their meaning.

The component renders `ServeArguments`; the policies read any command line, ours or foreign, with
the engine's own rules. Both live here so that what is written and what is checked cannot drift.
Rules were read from vLLM's `vllm/utils/argparse_utils.py` (FlexibleArgumentParser), on top of
Python's argparse: underscores in a flag are dashes up to the first dot, `--flag=value` and
`--flag value`, unambiguous beginnings of a flag are that flag, the last duplicate wins, options of
`--config FILE` come before all others and those of `--config=FILE` are never read.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from components.core.launch import Word

_Option = tuple[str, tuple[str, ...]]
MAX_MODEL_LEN_CAP = 32768
"""Tokens; default of the policies' cap, the longest context of the platform's model catalogue."""


@dataclass(frozen=True)
class ServeArguments:
    """Arguments of a container whose image starts `vllm serve` (its ENTRYPOINT, without CMD).

    Every flag exists in vLLM 0.31 to 0.33.

    Attributes:
        model: Hub id or path of the model.
        served_model_names: Names that clients may ask for; the first labels the metrics.
        max_model_len: Tokens of prompt and answer together.
        gpu_memory_utilization: Share of the GPU's total memory, above 0, at most 1.
        port: TCP port of the API server.
        shutdown_timeout_seconds: Time for streams to end after SIGTERM; the engine's default, 0,
            cuts them.
        tensor_parallel_size: GPUs that share one copy of the model.
        extra_args: Further flags as they are, for instance `("--enforce-eager",)`; none of those
            above.

    Raises:
        ValueError: A value the command line cannot carry, or an extra flag that is set elsewhere.
    """

    model: str
    served_model_names: tuple[str, ...]
    max_model_len: int
    gpu_memory_utilization: float
    port: int
    shutdown_timeout_seconds: int
    tensor_parallel_size: int = 1
    extra_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.served_model_names:
            raise ValueError("served_model_names is empty; name at least one model")
        for text in (self.model, *self.served_model_names):
            if not text or text.startswith("-") or "$" in text:
                raise ValueError(
                    f"{text!r} cannot be a model or served name; it must not be empty, start with"
                    ' "-" (a flag) or contain "$" (Kubernetes expands it)'
                )
        _check_extra(self.extra_args)

    def render(self) -> tuple[str, ...]:
        """The container's `args`."""
        gpus = self.tensor_parallel_size
        return (
            self.model,
            "--served-model-name",
            *self.served_model_names,
            f"--max-model-len={self.max_model_len}",
            f"--gpu-memory-utilization={self.gpu_memory_utilization}",
            *((f"--tensor-parallel-size={gpus}",) if gpus > 1 else ()),
            f"--port={self.port}",
            f"--shutdown-timeout={self.shutdown_timeout_seconds}",
            *self.extra_args,
        )

    @classmethod
    def parse(cls, args: Sequence[str]) -> "ServeArguments":
        """Read back what `render` wrote.

        Raises:
            ValueError: The arguments are not of that form.
        """
        line = _known_line(list(args))
        owned = {flag: line.values(flag) for flag in _OWNED}
        foreign = [at for at, word in enumerate(args) if _is_flag(word) and not _owned_by(word)]
        try:
            return cls(
                model=line.positionals[0],
                served_model_names=_texts(owned["--served-model-name"]),
                max_model_len=int(_texts(owned["--max-model-len"])[-1]),
                gpu_memory_utilization=float(_texts(owned["--gpu-memory-utilization"])[-1]),
                port=int(_texts(owned["--port"])[-1]),
                shutdown_timeout_seconds=int(_texts(owned["--shutdown-timeout"])[-1]),
                tensor_parallel_size=int((*_texts(owned["--tensor-parallel-size"]), "1")[0]),
                extra_args=tuple(args[foreign[0] :]) if foreign else (),
            )
        except IndexError:
            raise ValueError("an argument that render always writes is missing") from None


class Reading(Enum):
    """What a command line says where it gives no usable value."""

    ABSENT = "absent"
    EMPTY = "empty"
    AUTO = "auto"
    UNPARSEABLE = "unparseable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ServeLine:
    """A command line after `vllm serve`, as the engine's parser sees it.

    Attributes:
        options: Flag and its values, in the order in which they take effect.
        positionals: Words that belong to no flag; the first is the model.
        config_file: Whether options of an unseen file come before `options`.
    """

    options: tuple[_Option, ...]
    positionals: tuple[str, ...]
    config_file: bool = False

    def values(self, flag: str) -> tuple[str, ...] | Reading:
        """Values of the last `flag`, ABSENT, or UNKNOWN when only a file could have set it.

        A beginning of the flag counts as the flag: if it is ambiguous the engine exits, which
        is no reason to let it pass here.
        """
        for name, values in reversed(self.options):
            if name == flag or (len(name) >= _SHORTEST_BEGINNING and flag.startswith(name)):
                return values
        return Reading.UNKNOWN if self.config_file else Reading.ABSENT


def serve_line(words: Sequence[Word]) -> ServeLine | Reading:
    """Split the words after `vllm serve`; UNKNOWN if one of them is, since it may be any flag."""
    known = [word for word in words if isinstance(word, str)]
    return Reading.UNKNOWN if len(known) < len(words) else _known_line(known)


def _known_line(known: list[str]) -> ServeLine:
    config_file = "--config" in known
    if config_file:
        at = known.index("--config")
        del known[at : at + 2]
    plain, dotted = _without_dotted([_dashed(word) for word in known])
    options: list[tuple[str, list[str]]] = []
    positionals: list[str] = []
    for at, word in enumerate(plain):
        if word == "--":
            positionals += plain[at + 1 :]
            break
        if _is_flag(word):
            name, equals, value = word.partition("=")
            options.append((name, [value] if equals else []))
        elif options and not (at and "=" in plain[at - 1] and _is_flag(plain[at - 1])):
            options[-1][1].append(word)
        else:
            positionals.append(word)
    read = [(name, tuple(values)) for name, values in options]
    model = next((values[:1] for name, values in read if name == "--model"), ())
    return ServeLine((*read, *dotted), (*model, *positionals), config_file)


def max_model_len(line: ServeLine | Reading) -> int | Reading:
    """The context length in tokens that a command line asks for, by the engine's own rules."""
    text = _first(line, "--max-model-len")
    return text if isinstance(text, Reading) else _tokens(text)


def port(line: ServeLine | Reading) -> int | Reading:
    """The port of the API server; ABSENT means the engine's default, 8000."""
    text = _first(line, "--port")
    if isinstance(text, Reading):
        return text
    return int(text) if text.isdecimal() else Reading.UNPARSEABLE


def api_key(line: ServeLine | Reading, environment: Mapping[str, Word]) -> str | Reading:
    """The key that requests need: the flag comes before VLLM_API_KEY, even when it is empty.

    Returns:
        The key; EMPTY (the server is open); ABSENT (open as well); UNKNOWN, also for a reference
        to a Secret, whose value is never seen.
    """
    values = line if isinstance(line, Reading) else line.values("--api-key")
    if values is Reading.UNKNOWN:
        return Reading.UNKNOWN
    if isinstance(values, tuple) and values:
        return next((key for key in values if key), Reading.EMPTY)
    variable = environment.get("VLLM_API_KEY")
    if variable is None:
        return Reading.ABSENT
    return (variable or Reading.EMPTY) if isinstance(variable, str) else Reading.UNKNOWN


_OWNED = {
    "--served-model-name": "served_model_names",
    "--max-model-len": "max_model_len",
    "--gpu-memory-utilization": "gpu_memory_utilization",
    "--tensor-parallel-size": "tensor_parallel_size",
    "--port": "port",
    "--shutdown-timeout": "shutdown_timeout_seconds",
}
_SHORTEST_BEGINNING = 5
"""Letters, with the dashes; shorter beginnings fit too many flags for the engine to accept."""
_NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _first(line: ServeLine | Reading, flag: str) -> str | Reading:
    values = line if isinstance(line, Reading) else line.values(flag)
    return values if isinstance(values, Reading) else next(iter(values), Reading.UNPARSEABLE)


def _tokens(value: str) -> int | Reading:
    """As `human_readable_int_or_auto`: 25.6k is 25600, 1K is 1024, -1 and auto are AUTO."""
    text = value.strip()
    if text.lower() in {"-1", "auto"}:
        return Reading.AUTO
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgGtT])", text)
    try:
        if match and match[2] in _DECIMAL:
            number = int(float(match[1]) * _DECIMAL[match[2]])
        elif match:
            number = int(match[1]) * _BINARY[match[2]]
        else:
            number = int(text)
    except (ValueError, OverflowError):
        return Reading.UNPARSEABLE
    return number if number > 0 else Reading.UNPARSEABLE


def _dashed(word: str) -> str:
    """Underscores of a flag's name become dashes, up to its first dot."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    head, dot, rest = name.partition(".")
    return head.replace("_", "-") + dot + rest + equals + value


def _without_dotted(words: list[str]) -> tuple[list[str], list[_Option]]:
    """Take `--flag.key value` out; the engine gives them back as JSON, after all others."""
    plain: list[str] = []
    dotted: list[_Option] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not (word.startswith("-") and "." in name):
            plain.append(word)
            continue
        following = value if equals else next(rest, "")
        flag, _, key = name.partition(".")
        dotted.append((flag, (json.dumps({key: following}),)))
    return plain, dotted


def _is_flag(word: str) -> bool:
    """argparse: a dash in front, and neither a negative number nor a text with a space."""
    return (
        len(word) > 1
        and word.startswith("-")
        and not _NEGATIVE_NUMBER.fullmatch(word)
        and not (" " in word and "=" not in word)
    )


def _owned_by(word: str) -> str | None:
    """The flag of `ServeArguments` that a word sets, also by a beginning of its name."""
    name = _dashed(word).partition("=")[0].partition(".")[0]
    if len(name) < _SHORTEST_BEGINNING:
        return None
    return next((flag for flag in _OWNED if flag.startswith(name)), None)


def _check_extra(extra: Sequence[str]) -> None:
    """Extra flags must not say again, or hide, what the settings say."""
    if extra and not _is_flag(extra[0]):
        raise ValueError(f"extra_args start with {extra[0]!r}; begin with a flag such as --seed=1")
    for word in extra:
        name = _dashed(word).partition("=")[0]
        owner = _owned_by(word) if _is_flag(word) else None
        if owner:
            raise ValueError(f"extra_args repeat {owner}; change {_OWNED[owner]} instead")
        if name in {"--", "--config", "--model"} or "$" in word:
            raise ValueError(f"extra_args cannot hold {name!r}; write flags with literal values")


def _texts(values: tuple[str, ...] | Reading) -> tuple[str, ...]:
    return () if isinstance(values, Reading) else values
