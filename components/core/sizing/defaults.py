"""What each engine version sets where the user does not: read from its sources, 0.6.6 to 0.33.0."""

from dataclasses import dataclass
from typing import Literal

from components.core.architecture import Architecture
from components.core.sizing.request import Device, Load

Sampler = Literal["sort", "triton", "flashinfer"]

_LARGE_GIB = 70
LONG_PROMPT = 32_768
"""Tokens above which the first engine cuts a prompt into steps."""
_HUGE_GIB = 160
_FP8_FROM_MODELOPT = (0, 14, 0)
_FP8_FROM_COMPRESSED_TENSORS = (0, 15, 0)
_GRAPHS_COUNTED = (0, 20, 0)
_FLASHINFER_SAMPLER = (0, 21, 0)
_TRITON_SAMPLER = (0, 17, 0)
_CHECKPOINTS = (0, 32, 0)
_SEQS_FOLLOW_TOKENS = (0, 10, 1)


@dataclass(frozen=True)
class Resolved:
    """A load with every default filled in.

    Attributes:
        version: Of the engine.
        first_engine: Whether the engine's first generation (V0) serves it.
        max_model_len: Tokens.
        utilization: Share of the GPU's memory.
        max_num_seqs: Requests in one step.
        max_num_batched_tokens: Tokens in one step.
        kv_dtype: `auto` or what the checkpoint or the user asks.
        sampler: Which kernels sample: `sort` copies and sorts all logits, the others do not.
        second_runner: Whether the second generation of the model runner samples.
        graphs_counted: Whether CUDA graphs come out of the budget before the KV cache does.
        dtype_bytes: Of activations and plain weights.
        state_copies: States that a request of a recurrent model may hold.
        packed_latent: Whether sparse MLA packs an FP8 token with its scales, as FlashMLA does.
        state_checkpoints: Further blocks that a Mamba 2 layer keeps for prefix caching.
        in_flight_tokens: Tokens scheduled and not yet settled, which a sliding window keeps.
    """

    version: tuple[int, int, int]
    first_engine: bool
    max_model_len: int
    utilization: float
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_dtype: str
    sampler: Sampler
    second_runner: bool
    graphs_counted: bool
    dtype_bytes: int
    state_copies: int
    state_checkpoints: int
    in_flight_tokens: int
    packed_latent: bool


def resolve(architecture: Architecture, device: Device, load: Load) -> Resolved:
    """Fill in that version's defaults (`EngineArgs.get_batch_defaults` and its predecessors)."""
    version = load.engine_version
    length = load.max_model_len or architecture.max_position
    first = _first_engine(device, load)
    seqs, tokens = _first_batch(architecture, length) if first else _batch(device, version)
    if load.max_num_seqs is not None:
        seqs = load.max_num_seqs
    if load.max_num_batched_tokens is not None:
        tokens = load.max_num_batched_tokens
    elif not first:
        tokens = min(tokens, seqs * length)
    if load.max_num_seqs is None and version >= _SEQS_FOLLOW_TOKENS:
        seqs = min(seqs, tokens)
    aligned = _states_are_cached(architecture, load)
    return Resolved(
        version=version,
        first_engine=first,
        max_model_len=length,
        utilization=load.gpu_memory_utilization or default_utilization(version),
        max_num_seqs=seqs,
        max_num_batched_tokens=tokens,
        kv_dtype=_kv_dtype(architecture, load),
        sampler=_sampler(device, load),
        second_runner=_second_runner(architecture, version),
        graphs_counted=version >= _GRAPHS_COUNTED and not load.enforce_eager,
        dtype_bytes=4 if load.dtype in {"float32", "float"} else 2,
        state_copies=(2 if aligned else 1) + load.speculative_tokens,
        state_checkpoints=int(aligned and version >= _CHECKPOINTS),
        in_flight_tokens=tokens * _batches_in_flight(architecture, load),
        packed_latent=device.compute_capability is None or not device.at_least(10),
    )


def default_utilization(version: tuple[int, int, int]) -> float:
    """`gpu_memory_utilization` that a version takes by itself (`CacheConfig`)."""
    return 0.92 if version >= (0, 20, 0) else 0.9


def _first_engine(device: Device, load: Load) -> bool:
    """V0 up to 0.7; in 0.8 still for old GPUs, pipelines and FP8 caches."""
    if load.engine_version < (0, 8, 0):
        return True
    fallback = not device.at_least(8) or load.pipeline_parallel_size > 1
    return load.engine_version < (0, 9, 0) and (fallback or load.kv_cache_dtype != "auto")


def _first_batch(architecture: Architecture, length: int) -> tuple[int, int]:
    """V0 prefills a whole prompt in one step, unless it is longer than 32k tokens."""
    chunked = length > LONG_PROMPT and architecture.vision is None and not architecture.latent_ranks
    return 256, 2048 if chunked else max(length, 2048)


def _batch(device: Device, version: tuple[int, int, int]) -> tuple[int, int]:
    """Requests and tokens of one step; what a GPU counts as large depends on the version."""
    name = device.name.lower()
    large = device.memory_gib >= _LARGE_GIB
    if version < (0, 8, 5):
        return 1024, 8192 if "h100" in name or "h200" in name else 2048
    if version >= (0, 28, 0) and device.memory_gib >= _HUGE_GIB:
        return 1024, 16384
    if version >= (0, 9, 0) and "a100" in name:
        large = False
    if version >= (0, 33, 0) and device.unified:
        large = False
    return (1024, 8192) if large else (256, 2048)


def _kv_dtype(architecture: Architecture, load: Load) -> str:
    """`auto` follows the checkpoint, from the version on that reads it."""
    quantization = architecture.quantization
    if load.kv_cache_dtype != "auto" or quantization is None or not quantization.fp8_kv_cache:
        return load.kv_cache_dtype
    modelopt = quantization.method.startswith("modelopt")
    since = _FP8_FROM_MODELOPT if modelopt else _FP8_FROM_COMPRESSED_TENSORS
    return "fp8" if load.engine_version >= since else "auto"


def _sampler(device: Device, load: Load) -> Sampler:
    """FlashInfer where it was asked for, or by default from 0.21 on; a Triton kernel from 0.17."""
    asked, version = load.sampler_backend, load.engine_version
    wanted = version >= _FLASHINFER_SAMPLER and device.at_least(7, 5)
    if asked is not None:
        wanted = asked.lower().startswith("flashinfer")
    if wanted:
        return "flashinfer"
    return "triton" if version >= _TRITON_SAMPLER else "sort"


def _second_runner(architecture: Architecture, version: tuple[int, int, int]) -> bool:
    """The V2 model runner: plain Qwen3 from 0.22, dense models from 0.25, all from 0.29 on."""
    hybrid = architecture.count("state") > 0
    if version >= (0, 29, 0):
        return True
    if version >= (0, 25, 0):
        return architecture.experts is None and not hybrid
    plain = architecture.name == "Qwen3ForCausalLM" and architecture.quantization is None
    return version >= (0, 22, 0) and plain


def _states_are_cached(architecture: Architecture, load: Load) -> bool:
    """With prefix caching a recurrent state is kept twice ("align" mode).

    By itself the engine caches prefixes only where some layer has attention.
    """
    version, caching = load.engine_version, load.prefix_caching
    if caching is None:
        attention = any(layer.kind not in {"state", "none"} for layer in architecture.layers)
        caching = attention and (version >= (0, 28, 0) or (0, 26, 0) <= version < (0, 27, 0))
    return caching and version >= (0, 15, 0)


def _batches_in_flight(architecture: Architecture, load: Load) -> int:
    """`VllmConfig.max_concurrent_batches`, which counts from 0.26 on.

    Asynchronous scheduling, the default, runs one batch more than there are stages; the first
    model runner does so only without a pipeline.
    """
    stages = load.pipeline_parallel_size
    if load.engine_version < (0, 26, 0):
        return 1
    second = _second_runner(architecture, load.engine_version)
    return stages + 1 if second or stages == 1 else stages
