"""How much memory and how many CPUs an Ollama server needs for the models that it holds at once."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from components.core.ollama_models import OllamaShape

GIB = 2**30
_BATCH = 512
"""Tokens of a prompt that are computed at once: Ollama's default `num_batch`."""
_CACHE_BYTES = 2 * 2
"""Of a KV cache for each number of a head: a key and a value, 2 bytes each (f16, the default of
OLLAMA_KV_CACHE_TYPE)."""
_FLOAT_BYTES = 4
_RUNNER_BYTES = 0.25 * GIB
"""Of a loaded model's process beside weights, cache and graph: 0.06 GiB resident with a tiny model
on a CPU (0.17.4), the rest is a margin."""
_SERVER_BYTES = 0.25 * GIB
"""Of the server itself: 0.05 GiB resident at rest (0.17.4), the rest is a margin."""
_BYTES_PER_CPU = 1e9
"""Every token reads all weights once, and a core reads some 10 GB/s from memory, so that a core for
each GB gives some 10 tokens a second whatever the model's size; an assumption."""
_LEAST_CPUS = 2
"""One for the server, one for a model."""


@dataclass(frozen=True)
class Held:
    """A model as a server holds it in memory.

    Attributes:
        source: Its `name:tag`.
        size_bytes: Of its files.
        context: Tokens of a request, prompt and answer together.
        shape: Of the model; None where nobody knows it, which counts its files alone.
    """

    source: str
    size_bytes: int
    context: int
    shape: OllamaShape | None

    def cache_bytes(self, parallel: int) -> int:
        """Of the KV cache for so many requests at once."""
        if self.shape is None:
            return 0
        numbers = self.shape.layers * self.shape.kv_heads * self.shape.head_dim
        return numbers * _CACHE_BYTES * self.context * parallel

    def graph_bytes(self, parallel: int) -> int:
        """Of the tensors between the layers.

        Ollama's own estimate for Llama (`GraphSize` in fs/ggml/ggml.go), which is above that for
        Qwen2 and counts attention without flash attention.
        """
        if self.shape is None:
            return 0
        shape, tokens = self.shape, self.context * parallel
        layer = 1 + 4 * shape.hidden + tokens * (1 + shape.heads)
        output = shape.hidden + shape.vocabulary
        return _FLOAT_BYTES * min(_BATCH, tokens) * max(layer, output)

    def memory_bytes(self, parallel: int) -> float:
        """All that the model's process takes."""
        computed = self.cache_bytes(parallel) + self.graph_bytes(parallel)
        return self.size_bytes + computed + _RUNNER_BYTES


@dataclass(frozen=True)
class Need:
    """What a server needs.

    Attributes:
        cpu: CPUs to request.
        memory_gib: Memory of the pod, GiB.
        largest: The models that need most, as many as are held at once.
    """

    cpu: int
    memory_gib: int
    largest: tuple[Held, ...]


def server_need(models: Iterable[Held], *, parallel: int, at_once: int) -> Need:
    """What a server needs whichever of its models it holds.

    Args:
        models: Each model once.
        parallel: Requests that one model answers at once (OLLAMA_NUM_PARALLEL).
        at_once: Models that are in memory together (OLLAMA_MAX_LOADED_MODELS).
    """
    ordered = sorted(models, key=lambda model: model.memory_bytes(parallel), reverse=True)
    largest = tuple(ordered[:at_once])
    memory = sum(model.memory_bytes(parallel) for model in largest) + _SERVER_BYTES
    files = sum(model.size_bytes for model in largest)
    return Need(
        cpu=max(_LEAST_CPUS, math.ceil(files / _BYTES_PER_CPU)),
        memory_gib=math.ceil(memory / GIB),
        largest=largest,
    )
