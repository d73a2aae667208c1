"""A model server's settings as vLLM's arguments and environment, and back."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, cast

from components.core.engine_args.effective import Effective, effective
from components.core.engine_args.flags import PINNED_VERSION, Flag, flags, remedy


@dataclass(frozen=True)
class ServeArguments:
    """Arguments of a container whose image starts `vllm serve` (its ENTRYPOINT, without CMD).

    Every flag exists in vLLM 0.31 to 0.33. None leaves a setting to the engine and renders nothing.

    Attributes:
        model: Hub id or path of the model.
        served_model_names: Names that clients may ask for; the first labels the metrics.
        max_model_len: Tokens of prompt and answer together.
        gpu_memory_utilization: Share of the GPU's total memory, above 0, at most 1.
        port: TCP port of the API server.
        shutdown_timeout_seconds: Time for streams to end after SIGTERM; the engine's default, 0,
            cuts them.
        tensor_parallel_size: GPUs that share every layer of one copy of the model.
        pipeline_parallel_size: Groups of GPUs that each hold some layers of it.
        data_parallel_size: Copies of the model behind this one server.
        max_num_seqs: Requests that are worked on at once.
        max_num_batched_tokens: Tokens of one step of the engine.
        kv_cache_dtype: Type of the KV cache's entries.
        quantization: How the weights are quantised, where the model's own files do not say.
        dtype: Type of weights and activations.
        block_size: Tokens of one block of the KV cache.
        enforce_eager: Whether to run without CUDA graphs.
        extra_args: Further flags as they are, for instance `("--seed=1",)`; none of those above.

    Raises:
        ValueError: A value the command line cannot carry, or an extra flag that the engine does
            not know or that is set elsewhere.
    """

    model: str
    served_model_names: tuple[str, ...]
    max_model_len: int
    gpu_memory_utilization: float
    port: int
    shutdown_timeout_seconds: int
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_cache_dtype: str | None = None
    quantization: str | None = None
    dtype: str | None = None
    block_size: int | None = None
    enforce_eager: bool | None = None
    extra_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.served_model_names:
            raise ValueError("served_model_names is empty; name at least one model")
        for text in (self.model, *self.served_model_names):
            _check_name(text)
        _check_extra(self.extra_args)
        refused = effective(self.render()).refused
        if refused is not None:
            raise ValueError(f"vLLM {PINNED_VERSION} refuses these settings: {refused}")

    def render(self) -> tuple[str, ...]:
        """The container's `args`."""
        numbers = (word for name in _NUMBERS for word in self._words(name))
        return (
            self.model,
            "--served-model-name",
            *self.served_model_names,
            *numbers,
            *self.extra_args,
        )

    def _words(self, name: str) -> tuple[str, ...]:
        """One setting; nothing where it is the engine's own default."""
        value: object = getattr(self, name)
        flag = _flag(name)
        if value is None or (name == "tensor_parallel_size" and value == flag.default):
            return ()
        if isinstance(value, bool):
            return (flag.names[0] if value else flag.negations[0],)
        return (f"{flag.names[0]}={value}",)

    @classmethod
    def parse(cls, args: Sequence[str]) -> "ServeArguments":
        """Read back what `render` wrote.

        Raises:
            ValueError: The arguments are not of that form.
        """
        extra = _first_extra(args)
        line = effective(args[:extra])
        values = {field.name: _value(line, field.name) for field in fields(cls) if field.init}
        missing = [name for name in _REQUIRED if values[name] is None]
        if line.refused is not None or missing:
            why = line.refused or f"{_flag(missing[0]).names[0]} is missing"
            raise ValueError(f"The arguments are not a rendered line: {why}")
        kept = {name: value for name, value in values.items() if value is not None}
        known: dict[str, Any] = kept | {"extra_args": tuple(args[extra:])}
        arguments = cls(**known)
        if arguments.render() != tuple(args):
            raise ValueError("The arguments are not a rendered line: they are in another form")
        return arguments


@dataclass(frozen=True)
class ServeEnvironment:
    """Variables of a vLLM server that has its model's files already.

    Attributes:
        home: Folder that it may write to.
        startup_seconds: After this time vLLM ends its own start (its default is 600 s).
        keep_alive_seconds: How long an idle connection stays open (its default is 5 s).
    """

    home: str
    startup_seconds: int
    keep_alive_seconds: int

    def render(self) -> dict[str, str]:
        """The container's variables; no network to the hub, no usage statistics."""
        return {
            "HOME": self.home,
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_ENGINE_READY_TIMEOUT_S": str(self.startup_seconds),
            "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(self.keep_alive_seconds),
        }

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "ServeEnvironment":
        """Read back what `render` wrote, among other variables.

        Raises:
            KeyError: A variable is missing.
            ValueError: A time is no number.
        """
        return cls(
            home=environment["HOME"],
            startup_seconds=int(environment["VLLM_ENGINE_READY_TIMEOUT_S"]),
            keep_alive_seconds=int(environment["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"]),
        )


_SETTINGS: Mapping[str, str] = MappingProxyType(
    {"served_model_names": "served_model_name", "shutdown_timeout_seconds": "shutdown_timeout"}
)
"""Fields whose name says more than the engine's own."""
_NUMBERS = (
    *("max_model_len", "gpu_memory_utilization", "tensor_parallel_size", "pipeline_parallel_size"),
    *("data_parallel_size", "max_num_seqs", "max_num_batched_tokens", "kv_cache_dtype"),
    *("quantization", "dtype", "block_size", "enforce_eager", "port", "shutdown_timeout_seconds"),
)
"""Fields of one word each, in the order of the command line."""
_OWNED: Mapping[str, str] = MappingProxyType(
    {
        _SETTINGS.get(field.name, field.name): field.name
        for field in fields(ServeArguments)
        if field.name != "extra_args"
    }
)
_REQUIRED = (
    *("served_model_names", "max_model_len", "gpu_memory_utilization", "port"),
    "shutdown_timeout_seconds",
)


def _flag(field: str) -> Flag:
    return flags()[_SETTINGS.get(field, field)]


def _value(line: Effective, field: str) -> object:
    """The value of a field where the line gives one."""
    setting = _SETTINGS.get(field, field)
    if setting == "model":
        return line.settings["model"]
    value = line.settings[setting] if setting in line.given else None
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def _first_extra(args: Sequence[str]) -> int:
    """Where the extra flags begin: at the first flag that no field renders."""
    owned = {name for field in _OWNED.values() for name in _all_names(_flag(field))}
    for at, word in enumerate(args):
        if word.startswith("-") and word.partition("=")[0] not in owned:
            return at
    return len(args)


def _all_names(flag: Flag) -> tuple[str, ...]:
    return (*flag.names, *flag.negations)


def _check_name(text: str) -> None:
    if text in {"", "None"} or text.startswith("-") or "$" in text:
        raise ValueError(
            f"{text!r} cannot be a model or served name; it must not be empty, start with"
            ' "-" (a flag), contain "$" (Kubernetes expands it) or be "None" (vLLM reads nothing)'
        )


def _check_extra(extra: Sequence[str]) -> None:
    """Extra flags must be known to the engine, and not say again what the settings say."""
    if not extra:
        return
    if not extra[0].startswith("-"):
        raise ValueError(f"extra_args start with {extra[0]!r}; begin with a flag such as --seed=1")
    for word in extra:
        if word in {"--", "--config"} or "$" in word:
            raise ValueError(f"extra_args cannot hold {word!r}; write flags with literal values")
    line = effective(("model", *extra))
    repeated = sorted(line.given & _OWNED.keys())
    if repeated:
        field = _OWNED[repeated[0]]
        raise ValueError(f"extra_args repeat {_flag(field).names[0]}; change {field} instead")
    if line.refused is not None:
        raise ValueError(_explained(extra, line.refused))


def _explained(extra: Sequence[str], refused: str) -> str:
    """The engine's words, and what to write instead of a flag that it does not know."""
    known = flags().values()
    names = {name for flag in known for name in _all_names(flag)}
    words = (re.split(r"[=.]", word)[0].replace("_", "-") for word in extra if word[:2] == "--")
    better = next((text for word in words if word not in names and (text := remedy(word))), None)
    return f"vLLM {PINNED_VERSION} refuses extra_args: {refused}" + (
        f" ({better})" if better else ""
    )
