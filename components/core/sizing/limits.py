"""What the engine refuses whatever the memory: lengths, divisibility, compute capability."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.core.architecture import Architecture
from components.core.architecture.fields import known_architectures
from components.core.architecture.quantization import asked_quantization
from components.core.architecture.shape import Quantization
from components.core.sizing.defaults import Resolved
from components.core.sizing.request import BETWEEN_RELEASES, Device, Load

_CONTEXT_GIB = 0.22
"""GiB of a CUDA context, the least that is gone from a GPU before the engine looks at it: 0.2 to
0.5 in logs that print free and total memory."""
_GEMMA_PICTURE_TOKENS = 2496
"""A video frame set of Gemma 4, as the engine's refusal in 0.20.1 prints it."""
_PICTURES_WHOLE, _ROOM_FOR_PICTURES = (0, 20, 0), (0, 22, 0)
_CAPABILITY = {
    "awq": (7, 5), "gptq": (6, 0), "fp8": (7, 5), "fbgemm_fp8": (8, 0), "modelopt": (7, 5),
    "modelopt_fp4": (7, 5), "mxfp4": (8, 0), "experts_int8": (8, 0), "torchao": (7, 5),
    "compressed-tensors": (7, 0), "bitsandbytes": (7, 0), "quark": (7, 0),
}  # fmt: skip
"""`get_min_capability` of each method in vLLM 0.31."""


@dataclass(frozen=True)
class Refusal:
    """Why the engine will not take a load: our sentence, and its own words."""

    reason: str
    error: str


def refusals(
    model: Architecture, device: Device, load: Load, settings: Resolved
) -> Iterator[Refusal]:
    """Everything that is wrong whatever the memory; the first is what the engine says first."""
    yield from _known(model, load)
    yield from _length(model, settings)
    yield from _heads(model, load)
    yield from _capability(model, device, load)
    yield from _alignment(model, load)
    yield from _batch(load)
    yield from _pictures(model, load, settings)
    yield from _free_memory(device, settings)


def _known(model: Architecture, load: Load) -> Iterator[Refusal]:
    row = known_architectures()["supported"].get(model.name)
    if not row:
        return
    first, without, _ = row
    released = load.engine_version[2] != BETWEEN_RELEASES
    if released and without and load.engine_version <= _version(without):
        asked = ".".join(str(part) for part in load.engine_version)
        yield Refusal(
            f"vLLM {asked} does not know {model.name}; it is there from {first} on",
            f"Model architectures ['{model.name}'] are not supported for now.",
        )


def _version(text: str) -> tuple[int, int, int]:
    parts = [int(part) for part in text.split(".")[:3]]
    return parts[0], parts[1], parts[2] if len(parts) > 2 else 0  # noqa: PLR2004 - a patch level


def _length(model: Architecture, settings: Resolved) -> Iterator[Refusal]:
    asked, most = settings.max_model_len, model.max_position
    if asked > most:
        yield Refusal(
            f"max_model_len is {asked:,}, but the model was made for {most:,} tokens",
            f"User-specified max_model_len ({asked}) is greater than the derived max_model_len "
            f"(max_position_embeddings={most} or model_max_length=None in model's config.json).",
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


def _capability(model: Architecture, device: Device, load: Load) -> Iterator[Refusal]:
    if device.compute_capability is None:
        return
    major, minor = device.compute_capability
    current = f"{major}{minor}"
    if load.dtype == "bfloat16" and not device.at_least(8):
        yield Refusal(
            f"{device.name} has compute capability {major}.{minor} and no bfloat16; set dtype to "
            "float16",
            "Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
        )
    quantization = _quantization(model, load)
    if quantization is None:
        return
    least = _least_capability(quantization, load)
    if not device.at_least(*least):
        yield Refusal(
            f"{quantization.method} weights need compute capability {least[0]}.{least[1]}; "
            f"{device.name} has {major}.{minor}: choose a newer GPU or another variant",
            f"The quantization method {quantization.method} is not supported for the current GPU. "
            f"Minimum capability: {least[0]}{least[1]}. Current capability: {current}.",
        )


def _least_capability(quantization: Quantization, load: Load) -> tuple[int, int]:
    """FP4 and FP8 weights run on older GPUs too, from the version with weight-only kernels on."""
    if quantization.method in {"fp8", "modelopt"} and load.engine_version < (0, 14, 0):
        return (8, 0) if quantization.method == "fp8" else (8, 9)
    if quantization.floating and quantization.bits == 4 and load.engine_version < (0, 10, 0):  # noqa: PLR2004 - bits
        return 10, 0
    if quantization.method == "compressed-tensors" and quantization.activations:
        return (8, 0) if quantization.floating else (7, 5)
    return _CAPABILITY.get(quantization.method, (7, 0))


def _quantization(model: Architecture, load: Load) -> Quantization | None:
    if model.quantization is not None:
        return model.quantization
    return asked_quantization(load.quantization) if load.quantization else None


def _alignment(model: Architecture, load: Load) -> Iterator[Refusal]:
    """Groups and blocks of quantised weights must not be cut by tensor parallelism."""
    quantization, tensor = model.quantization, load.tensor_parallel_size
    if quantization is None or tensor == 1 or model.experts:
        return
    share = model.intermediate_size / tensor
    size = quantization.block or quantization.group_size
    if size > 0 and share % size and quantization.method in {"awq", "gptq", "fp8"}:
        text = (
            f"Weight input_size_per_partition = {share:g} is not divisible by weight quantization "
            f"block_k = {size}."
            if quantization.block
            else "The input size is not aligned with the quantized weight shape. This can be "
            "caused by too large tensor parallel size."
        )
        yield Refusal(
            f"tensor_parallel_size {tensor} leaves {share:g} of {model.intermediate_size} inner "
            f"columns to a GPU, which cuts the weights' groups of {size}; use fewer GPUs",
            text,
        )


def _batch(load: Load) -> Iterator[Refusal]:
    tokens, seqs = load.max_num_batched_tokens, load.max_num_seqs
    if tokens is not None and seqs is not None and tokens < seqs:
        yield Refusal(
            f"max_num_batched_tokens is {tokens}, less than the {seqs} of max_num_seqs; raise it",
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
