"""What a stack's Ollama models come to: their pins, and what their server needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.core.ollama_models import LockedOllamaModel, locked_ollama_models
from components.core.ollama_sizing import GIB, Held, Need, server_need
from components.document.ollama_models import OllamaModelSettings, OllamaServerSettings
from components.document.whole import ROOT, PlatformSettings

_KEY = f"{ROOT}.ollama"


@dataclass(frozen=True)
class OllamaPlan:
    """What the Ollama server of a checked document runs.

    Attributes:
        pins: SHA-256 of each model's manifest by `name:tag`, in alphabetical order.
        cpu: CPUs to request.
        memory_gib: Memory of the pod, GiB.
        context: Longest context of its models in tokens, for requests that ask for none.
        size_bytes: Of all models' files, which are read before the server starts.
    """

    pins: Mapping[str, str]
    cpu: int
    memory_gib: int
    context: int
    size_bytes: int


def ollama_plan(document: PlatformSettings, server: OllamaServerSettings) -> OllamaPlan:
    """The plan of a document that `disagreements` has nothing to say about."""
    models = document.ollama_models
    pins = {model.source: _digest(model) for model in models.values()}
    need = _need(document, server)
    return OllamaPlan(
        pins={source: digest for source, digest in sorted(pins.items()) if digest is not None},
        cpu=server.cpu or need.cpu,
        memory_gib=server.memory_gib or need.memory_gib,
        context=max(model.max_model_len for model in models.values()),
        size_bytes=sum(model.size_bytes for model in _held(document)),
    )


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """What is wrong with the models' pins, and with what the server gets for them."""
    unpinned = list(_unpinned(document.ollama_models))
    yield from unpinned
    yield from _too_long(document.ollama_models)
    if document.ollama is not None and document.ollama_models and not unpinned:
        yield from _too_little(document, document.ollama)


def _locked(model: OllamaModelSettings) -> LockedOllamaModel | None:
    """What the lock knows of a model; another digest is another model."""
    known = locked_ollama_models().get(model.source)
    return known if known is not None and model.digest in {None, known.digest} else None


def _digest(model: OllamaModelSettings) -> str | None:
    known = _locked(model)
    return known.digest if known else model.digest


def _size_bytes(model: OllamaModelSettings) -> int | None:
    known = _locked(model)
    if model.size_gb is not None:
        return int(model.size_gb * 1e9)
    return known.size_bytes if known else None


def _unpinned(models: Mapping[str, OllamaModelSettings]) -> Iterator[str]:
    pins: dict[str, tuple[str, str]] = {}
    for alias, model in models.items():
        key = f"{ROOT}.models.{alias}"
        digest = _digest(model)
        if digest is None:
            yield (
                f"{key}.digest is missing: {model.source} is not locked (locked: "
                f"{', '.join(locked_ollama_models())}), and its tag may move; add {key}.digest and "
                f"{key}.size_gb as /api/tags and `ollama list` show them where it was tried"
            )
            continue
        if _size_bytes(model) is None:
            yield (
                f"{key}.size_gb is missing: {model.source} with this digest is not locked, so "
                f"nothing is known of its size; add {key}.size_gb as `ollama list` prints it"
            )
        other, pin = pins.setdefault(model.source, (key, digest))
        if pin != digest:
            yield (
                f"{other} and {key} pin {model.source} to two digests, but a name has one "
                f"manifest on the volume: make {key}.digest the other's"
            )


def _too_long(models: Mapping[str, OllamaModelSettings]) -> Iterator[str]:
    for alias, model in models.items():
        known = _locked(model)
        if known and model.max_model_len > known.shape.context:
            key = f"{ROOT}.models.{alias}.max_model_len"
            yield (
                f"{key} is {model.max_model_len:,}, but {model.source} was made for "
                f"{known.shape.context:,} tokens and Ollama gives it no more: set {key} to "
                f"{known.shape.context}"
            )


def _held(document: PlatformSettings) -> list[Held]:
    """Each model of the server once, with the longest context that an alias gives it."""
    held: dict[str, Held] = {}
    for model in document.ollama_models.values():
        known = _locked(model)
        longest = held[model.source].context if model.source in held else 0
        held[model.source] = Held(
            source=model.source,
            size_bytes=_size_bytes(model) or 0,
            context=max(longest, model.max_model_len),
            shape=known.shape if known else None,
        )
    return list(held.values())


def _need(document: PlatformSettings, server: OllamaServerSettings) -> Need:
    return server_need(_held(document), parallel=server.parallel, at_once=server.max_loaded_models)


def _too_little(document: PlatformSettings, server: OllamaServerSettings) -> Iterator[str]:
    held, need = _held(document), _need(document, server)
    unknown = [model.source for model in held if model.shape is None]
    if unknown and server.memory_gib is None:
        yield (
            f"{_KEY}.memory_gib is missing: nothing is known of the KV cache of "
            f"{', '.join(unknown)}, so the memory does not follow from the models; add it, above "
            f"the {need.memory_gib} GiB that are known of"
        )
    if server.memory_gib is not None and server.memory_gib < need.memory_gib:
        yield (
            f"{_KEY}.memory_gib is {server.memory_gib}, but {_largest(need, server.parallel)} "
            f"take {need.memory_gib} GiB with the server: raise it to {need.memory_gib}, or leave "
            "it out"
        )
    if server.cpu is not None and server.cpu < len(need.largest):
        yield (
            f"{_KEY}.cpu is {server.cpu}, but max_loaded_models lets {len(need.largest)} models "
            "compute at once, a CPU each at least: raise it, leave it out, or lower "
            f"{_KEY}.max_loaded_models"
        )
    files = -(-sum(model.size_bytes for model in held) // GIB)
    if server.cache.size_gib < files:
        yield (
            f"{_KEY}.cache.size_gib is {server.cache.size_gib}, but the files of "
            f"{', '.join(model.source for model in held)} take {files} GiB: raise it to {files} "
            "at least"
        )


def _largest(need: Need, parallel: int) -> str:
    """The models that decide, each with what it consists of."""
    return " and ".join(
        f"{model.source} ({model.size_bytes / GIB:.1f} GiB of files, "
        f"{model.cache_bytes(parallel) / GIB:.1f} of KV cache for {parallel} x "
        f"{model.context:,} tokens)"
        for model in need.largest
    )
