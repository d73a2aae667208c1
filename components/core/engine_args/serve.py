"""A model server's settings as vLLM's arguments and environment."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.core.engine_args.effective import effective
from components.core.engine_args.flags import PINNED_VERSION, Flag, flags, remedy

Setting = str | int | float | bool | tuple[str, ...] | Mapping[str, object]
"""A value of a setting: one word, a switch, several words, or what is written as JSON."""


@dataclass(frozen=True)
class ServeArguments:
    """Arguments of a container whose image starts `vllm serve` (its ENTRYPOINT, without CMD).

    Attributes:
        model: Hub id or path of the model.
        settings: Values by the engine's own names, such as `max_model_len`, in the order of the
            command line. What is not there is the engine's own default.
        extra_args: Further flags as they are, for instance `("--seed=1",)`; none of the settings.

    Raises:
        ValueError: A setting that the pinned engine does not have, a value that it refuses or that
            a command line cannot carry, or an extra flag that is unknown or says a setting again.
    """

    model: str
    settings: Mapping[str, Setting]
    extra_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self.model)
        for name in _words_of(self.settings.get("served_model_name", ())):
            _check_name(name)
        unknown = next((name for name in self.settings if name not in flags()), None)
        if unknown is not None:
            raise ValueError(f"vLLM {PINNED_VERSION} has no setting {unknown}")
        _check_extra(self.extra_args, self.settings)
        refused = effective(self.render()).refused
        if refused is not None:
            raise ValueError(f"vLLM {PINNED_VERSION} refuses these settings: {refused}")

    def render(self) -> tuple[str, ...]:
        """The container's `args`."""
        words = (word for name, value in self.settings.items() for word in _words(name, value))
        return (self.model, *words, *self.extra_args)


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
        """The container's variables; no network to the hub, no usage statistics.

        Every folder that the engine and its libraries write to lies below `home`, because the
        image's own ones are read-only (named in vLLM pull request 38552).
        """
        cache = f"{self.home}/.cache"
        return {
            "HOME": self.home,
            "XDG_CACHE_HOME": cache,
            "XDG_CONFIG_HOME": f"{self.home}/.config",
            "HF_HOME": f"{cache}/huggingface",
            "VLLM_CACHE_ROOT": f"{cache}/vllm",
            "VLLM_CONFIG_ROOT": f"{self.home}/.config/vllm",
            "TRITON_CACHE_DIR": f"{cache}/vllm/triton",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/vllm/inductor",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_ENGINE_READY_TIMEOUT_S": str(self.startup_seconds),
            "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(self.keep_alive_seconds),
        }


def _words(name: str, value: Setting) -> tuple[str, ...]:
    """One setting as it stands on the line."""
    flag = flags()[name]
    if isinstance(value, bool):
        return (flag.names[0] if value else flag.negations[0],)
    if isinstance(value, tuple):
        return (flag.names[0], *value)
    if isinstance(value, Mapping):
        value = json.dumps(value, separators=(",", ":"))
    return (f"{flag.names[0]}={value}",)


def _words_of(value: Setting) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _all_names(flag: Flag) -> tuple[str, ...]:
    return (*flag.names, *flag.negations)


def _check_name(text: str) -> None:
    if text in {"", "None"} or text.startswith("-") or "$" in text:
        raise ValueError(
            f"{text!r} cannot be a model or served name; it must not be empty, start with"
            ' "-" (a flag), contain "$" (Kubernetes expands it) or be "None" (vLLM reads nothing)'
        )


def _check_extra(extra: Sequence[str], settings: Mapping[str, Setting]) -> None:
    """Extra flags must be known to the engine, and not say again what the settings say."""
    if not extra:
        return
    if not extra[0].startswith("-"):
        raise ValueError(f"extra_args start with {extra[0]!r}; begin with a flag such as --seed=1")
    for word in extra:
        if word == "--" or word.partition("=")[0] == "--config" or "$" in word:
            raise ValueError(f"extra_args cannot hold {word!r}; write flags with literal values")
    line = effective(("model", *extra))
    repeated = sorted(line.given & settings.keys())
    if repeated:
        raise ValueError(f"extra_args repeat {flags()[repeated[0]].names[0]}")
    if line.refused is not None:
        raise ValueError(_explained(extra, line.refused))


def _explained(extra: Sequence[str], refused: str) -> str:
    """The engine's words, and what to write instead of a flag that it does not know."""
    names = {name for flag in flags().values() for name in _all_names(flag)}
    unknown = (word for word in _flags_of(extra) if word not in names)
    better = next((text for word in unknown if (text := remedy(word))), None)
    return f"vLLM {PINNED_VERSION} refuses extra_args: {refused}" + (
        f" ({better})" if better else ""
    )


def _flags_of(words: Sequence[str]) -> Iterator[str]:
    return (re.split(r"[=.]", word)[0].replace("_", "-") for word in words if word[:2] == "--")
