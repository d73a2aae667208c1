"""What the engine refuses whatever the memory: lengths, divisibility, compute capability."""

from collections.abc import Iterator

from components.core.architecture import Architecture
from components.core.architecture.fields import known_architectures
from components.core.sizing.defaults import Resolved
from components.core.sizing.kernels import kernel_refusals
from components.core.sizing.refusal import Refusal
from components.core.sizing.request import BETWEEN_RELEASES, Device, Load

_CONTEXT_GIB = 0.22
"""GiB of a CUDA context, the least that is gone from a GPU before the engine looks at it: 0.2 to
0.5 in logs that print free and total memory."""
_GEMMA_PICTURE_TOKENS = 2496
"""A video frame set of Gemma 4, as the engine's refusal in 0.20.1 prints it."""
_PICTURES_WHOLE, _ROOM_FOR_PICTURES = (0, 20, 0), (0, 22, 0)
_LENGTH_AS_FLOAT = (0, 14, 0)


def refusals(
    model: Architecture, device: Device, load: Load, settings: Resolved
) -> Iterator[Refusal]:
    """Everything that is wrong whatever the memory; the first is what the engine says first."""
    yield from _known(model, load)
    yield from _length(model, settings)
    yield from _batch(settings)
    yield from _heads(model, load)
    yield from kernel_refusals(model, device, load)
    yield from _pictures(model, load, settings)
    yield from _free_memory(device, settings)


def _known(model: Architecture, load: Load) -> Iterator[Refusal]:
    row = known_architectures()["supported"].get(model.name)
    if not row:
        return
    first, without, gone = row
    released = load.engine_version[2] != BETWEEN_RELEASES
    if released and without and load.engine_version <= _version(without):
        asked = ".".join(str(part) for part in load.engine_version)
        yield Refusal(
            f"vLLM {asked} does not know {model.name}; it is there from {first} on",
            f"Model architectures ['{model.name}'] are not supported for now.",
        )
    by_transformers = model.model_type in known_architectures()["defaults"]
    if gone and load.engine_version >= _version(gone) and not by_transformers:
        yield Refusal(
            f"vLLM removed {model.name} before {gone}, and transformers has no such model to fall "
            "back to; take an older engine_version",
            f"Model architecture {model.name} was supported in vLLM until",
        )


def _version(text: str) -> tuple[int, int, int]:
    parts = [int(part) for part in text.split(".")[:3]]
    return parts[0], parts[1], parts[2] if len(parts) > 2 else 0  # noqa: PLR2004 - a patch level


def _length(model: Architecture, settings: Resolved) -> Iterator[Refusal]:
    asked, most = settings.max_model_len, model.max_position
    if asked > most:
        printed = f"{most}.0" if settings.version >= _LENGTH_AS_FLOAT else str(most)
        yield Refusal(
            f"max_model_len is {asked:,}, but the model was made for {most:,} tokens",
            f"User-specified max_model_len ({asked}) is greater than the derived max_model_len "
            f"(max_position_embeddings={printed} or model_max_length=None in model's config.json).",
        )


def _heads(model: Architecture, load: Load) -> Iterator[Refusal]:
    tensor, stages = load.tensor_parallel_size, load.pipeline_parallel_size
    if model.heads % tensor:
        fitting = ", ".join(str(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 16) if not model.heads % n)
        yield Refusal(
            f"{model.heads} attention heads cannot be shared by {tensor} GPUs; "
            f"tensor_parallel_size can be {fitting}",
            f"Total number of attention heads ({model.heads}) must be divisible by tensor parallel "
            f"size ({tensor}).",
        )
    if model.kv_heads and model.kv_heads % tensor and tensor % model.kv_heads:
        yield Refusal(
            f"{model.kv_heads} key and value heads can be neither shared nor copied by {tensor} "
            "GPUs; one number must divide the other",
            "AssertionError: total_num_kv_heads % tp_size",
        )
    if -(-model.vocab_size // 64) * 64 % tensor:
        yield Refusal(
            f"the vocabulary of {model.vocab_size:,} tokens, padded to 64, cannot be shared by "
            f"{tensor} GPUs; choose a power of two",
            f"AssertionError: {-(-model.vocab_size // 64) * 64} is not divisible by {tensor}",
        )
    if stages > len(model.layers):
        yield Refusal(
            f"pipeline_parallel_size is {stages}, but the model has {len(model.layers)} layers",
            "ValueError: pipeline stages without layers",
        )


def _batch(settings: Resolved) -> Iterator[Refusal]:
    tokens, seqs = settings.max_num_batched_tokens, settings.max_num_seqs
    if tokens < seqs:
        yield Refusal(
            f"max_num_batched_tokens is {tokens:,}, less than the {seqs:,} of max_num_seqs; raise "
            "the one or lower the other",
            f"max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs "
            f"({seqs}).",
        )


def _pictures(model: Architecture, load: Load, settings: Resolved) -> Iterator[Refusal]:
    """Gemma 4 reads a picture in one step, which early versions did not make room for."""
    whole = model.model_type.startswith("gemma4") and model.vision is not None
    tokens = settings.max_num_batched_tokens
    if (
        not whole
        or load.language_model_only
        or not _PICTURES_WHOLE <= settings.version < _ROOM_FOR_PICTURES
    ):
        return
    if tokens < _GEMMA_PICTURE_TOKENS:
        yield Refusal(
            f"a picture takes {_GEMMA_PICTURE_TOKENS:,} tokens in one step, but "
            f"max_num_batched_tokens is {tokens:,}; raise it to {_GEMMA_PICTURE_TOKENS:,}",
            "Chunked MM input disabled but max_tokens_per_mm_item "
            f"({_GEMMA_PICTURE_TOKENS}) is larger than max_num_batched_tokens ({tokens}). "
            "Please increase max_num_batched_tokens.",
        )


def _free_memory(device: Device, settings: Resolved) -> Iterator[Refusal]:
    if settings.version < (0, 9, 0):
        return
    free = device.memory_gib - _CONTEXT_GIB
    asked = device.memory_gib * settings.utilization
    if asked > free:
        yield Refusal(
            f"gpu_memory_utilization {settings.utilization:g} asks for {asked:.2f} GiB of which "
            f"about {free:.2f} GiB are free; lower it to "
            f"{int(100 * free / device.memory_gib) / 100:g} or less",
            f"Free memory on device cuda:0 ({free:.2f}/{device.memory_gib:.2f} GiB) on startup is "
            "less than desired GPU memory utilization",
        )
