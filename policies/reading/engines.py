"""Which containers are engines, and how the command line of vLLM's server is found."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from components.core.conventions import GPU_RESOURCE, PART_OF, PRELOAD_PROGRAM, Role
from components.core.launch import Launch, Word
from policies.reading.objects import Container, Pod

NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
PART_OF_LABEL = "app.kubernetes.io/part-of"
ENGINE_NAMES = frozenset({"vllm", "ollama"})

_MENTION = re.compile(r"\bvllm\s+serve\b|\bvllm\.entrypoints\b")
_OWN_FLAG = re.compile(r"--(max[_-]model[_-]len|gpu[_-]memory[_-]util|served[_-]model[_-]name)")
_API_SERVER = re.compile(r"vllm\.entrypoints\.(\w+\.)*(api|grpc)_server")
_COMMAND_LINES = frozenset({"vllm", "vllm.entrypoints.cli.main"})
_OWN_PROGRAM = "the image's own program"
_HELPERS = frozenset(
    {"hf", "huggingface-cli", "huggingface_hub", "vllm.entrypoints.openai.run_batch"}
)
"""Programs of vLLM's image that end by themselves and serve nobody."""
_HELPER_COMMANDS = frozenset({"bench", "chat", "complete", "collect-env", "run-batch"})
"""Subcommands of `vllm` of which the same holds."""


@dataclass(frozen=True)
class OtherProgram:
    """The container runs something that is known not to be vLLM's server."""


@dataclass(frozen=True)
class Opaque:
    """Nobody can say from the manifest what the container runs."""

    why: str


def has_role(labels: Mapping[str, str], role: Role) -> bool:
    """Whether labels give a part of this platform that role; other charts use the words too."""
    return labels.get(COMPONENT_LABEL) == role and labels.get(PART_OF_LABEL) == PART_OF


def is_engine_pod(pod: Pod) -> bool:
    """Whether a pod serves a model: by our labels, by an image, or by what it starts."""
    return (
        pod.labels.get(COMPONENT_LABEL) == "engine"
        or pod.labels.get(NAME_LABEL) in ENGINE_NAMES
        or any(_engine_container(container, pod) for container in pod.containers)
    )


def vllm_server(container: Container, pod: Pod) -> Launch | Opaque | None:
    """What a container starts that is, or may be, vLLM's server.

    Returns:
        The words after `vllm serve` and its variables; Opaque when it should be one and cannot be
        read; None for another container.
    """
    if _fetches_weights(container, pod):
        return None
    named = "vllm" in container.repository or _alone_in_vllm_pod(container, pod)
    flags = any(_OWN_FLAG.search(word) for word in _texts(container))
    entrypoint = ("vllm", "serve") if named or flags else (_OWN_PROGRAM,)
    started = container.launched(*entrypoint)
    meaning = _serve_words(started)
    if isinstance(meaning, tuple):
        return replace(started, words=meaning)
    if isinstance(meaning, OtherProgram):
        return None
    mentioned = bool(_MENTION.search(" ".join(_texts(container))))
    return meaning if mentioned or flags or (named and container.serves) else None


def _fetches_weights(container: Container, pod: Pod) -> bool:
    """Whether it is the platform's own program for weights, in a pod that our labels say is one.

    It is mounted, so its path alone says little: a container with a GPU is never taken for it.
    """
    words = container.launched(_OWN_PROGRAM).words
    ours = has_role(pod.labels, "preload") or has_role(pod.labels, "collect")
    return ours and words[:3] == ("python3", "-m", PRELOAD_PROGRAM) and not _wants_gpu(container)


def _serve_words(started: Launch) -> tuple[Word, ...] | OtherProgram | Opaque:
    """The words after `vllm serve` or `python -m vllm.entrypoints...`, if the launch is one."""
    words = list(started.words)
    if started.opaque or not words or not isinstance(words[0], str):
        return Opaque(started.opaque or "its program is unknown")
    program = started.program
    own = _is_images_own(words[0])
    if re.fullmatch(r"python[\d.]*", program):
        words = python_target(words)
        program = str(words[0]).rpartition("/")[2] if words else program
        own = own and bool(words) and _is_images_own(words[0])
    if _API_SERVER.fullmatch(program):
        return tuple(words[1:])
    if program in _COMMAND_LINES:
        return _subcommand(words, own=own)
    return OtherProgram() if own and program in _HELPERS else Opaque("it starts another program")


def _is_images_own(word: Word) -> bool:
    """Whether a program is the image's, as far as its path tells: a mounted one may be anything."""
    if not isinstance(word, str) or ".." in word:
        return False
    return "/" not in word or word.startswith("/usr/")


def _subcommand(words: Sequence[Word], *, own: bool) -> tuple[Word, ...] | OtherProgram | Opaque:
    subcommand = words[1] if len(words) > 1 else ""
    if subcommand == "serve":
        return tuple(words[2:])
    known = own and subcommand in _HELPER_COMMANDS
    return OtherProgram() if known else Opaque("it gives vllm a subcommand that may serve")


def python_target(words: Sequence[Word]) -> list[Word]:
    """Words from the module of `python -m MODULE` or the file of `python FILE` on."""
    for position, word in enumerate(words[1:], start=1):
        if word == "-m":
            return list(words[position + 1 :])
        if word == "-c":
            return []
        if not (isinstance(word, str) and word.startswith("-")):
            file = f"./{word}" if isinstance(word, str) and "/" not in word else word
            return [file, *words[position + 1 :]]
    return []


def _texts(container: Container) -> list[str]:
    """The words of `command` and `args` as they stand in the manifest."""
    parts = (container.node.at("command"), container.node.at("args"))
    return [word.text for part in parts for word in part.elements() if word.text]


def _engine_container(container: Container, pod: Pod) -> bool:
    if "ollama" in container.repository:
        return container.serves
    return container.serves and vllm_server(container, pod) is not None


def _alone_in_vllm_pod(container: Container, pod: Pod) -> bool:
    """Whether our labels say vLLM and no other container could be meant."""
    name = pod.labels.get(NAME_LABEL)
    labelled = name == "vllm" or (name not in ENGINE_NAMES and has_role(pod.labels, "engine"))
    others = [other for other in pod.containers if other.role == "main" and other != container]
    return labelled and container.role == "main" and (not others or _wants_gpu(container))


def _wants_gpu(container: Container) -> bool:
    resources = container.node.at("resources")
    return any(not resources.at(part, GPU_RESOURCE).absent for part in ("limits", "requests"))
