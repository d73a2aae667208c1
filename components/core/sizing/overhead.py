"""Memory that is neither weights nor KV cache: the peak of one step, libraries, CUDA graphs.

Before it sizes the KV cache the engine runs one step of `max_num_batched_tokens` on dummy input and
samples for `max_num_seqs` requests: what that takes at its peak is gone from the budget. Bytes of
an operation are read from the engine's sources; what they do not tell (allocator, NCCL, kernels
being tuned) is fitted to the start-up logs of `tests/planner`, and says so.
"""

from dataclasses import dataclass

from components.core.architecture import Architecture
from components.core.sizing.defaults import Resolved
from components.core.sizing.request import Device, Load

_GIB = 2**30
_SORTED_ROWS = 128
SORT_BYTES = 38
_SHORT_SORT_BYTES = 50
_KERNEL_BYTES = 14
"""Bytes alive for each row and vocabulary entry at the sampler's peak. Sorting: 16-bit logits 2, a
float32 copy 4, sorted values 4, indices 8, and 20 of the sort itself (32 below 128 rows). Triton or
FlashInfer: 2 + 4, and twice 4 for probabilities and noise."""
_COUNTS_BYTES = 4.125
"""A counter and a bit for each request and vocabulary entry, kept by the second model runner."""
_DRIVER_MEASURED = (0, 27, 0)
"""From here on the driver says what is taken, so that nothing persistent is overlooked."""
_IMAGE_TOKENS = 16_384
_PATCHES_PER_TOKEN = 4
"""Qwen's processors take pictures of up to 16,384 tokens, each of four patches."""
_MOE_CHUNK = 32_768
"""Tokens that the first engine's fused experts take at once (VLLM_FUSED_MOE_CHUNK_SIZE)."""
_OTHER_VISION_GIB = 0.3
_FP4_BITS = 4
_HOPPER = (9, 0)
_WIDE = 8
_DRAFT_GIB = 0.5
"""Fitted: a draft's own step, its graphs and its rejection sampler."""
_FP4_EXPERTS_GIB = 1.2
"""Fitted: kernels for FP4 experts are tuned on buffers of their own."""


@dataclass(frozen=True)
class Overhead:
    """Bytes on one GPU by cause.

    Attributes:
        step: Peak of the dummy step: its activations, or its sampler.
        vision: What the multimodal encoder's dummy run leaves on top.
        libraries: Outside PyTorch and persistent: NCCL, cuBLAS, workspaces.
        graphs: CUDA graphs, where the version takes them out of the budget.
    """

    step: float
    vision: float
    libraries: float
    graphs: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.step + self.vision + self.libraries + self.graphs


def overhead(model: Architecture, device: Device, load: Load, settings: Resolved) -> Overhead:
    """Estimate the overhead of one GPU."""
    return Overhead(
        step=max(_forward(model, load, settings), _sampler(model, settings)),
        vision=_vision(model, load, settings),
        libraries=_libraries(model, device, load, settings),
        graphs=graph_bytes(model, load, settings) if settings.graphs_counted else 0.0,
    )


def graph_bytes(model: Architecture, load: Load, settings: Resolved) -> float:
    """CUDA graphs: fitted; more sizes are captured for more sequences, and NCCL keeps some.

    The second model runner subtracts no graphs before 0.28, but a cold compile leaves as much.
    """
    if load.enforce_eager:
        return 0.0
    many = min(1.0, settings.max_num_seqs / 256)
    experts = 0.3 if model.experts else 0.1
    peers = {1: 0.0, 2: 0.1, 4: 0.3}.get(load.tensor_parallel_size, 1.4)
    return (experts + 0.45 * many + peers) * _GIB


def _forward(model: Architecture, load: Load, settings: Resolved) -> float:
    """Activations of the widest layer, with the residual stream and its copies."""
    tokens, tensor = settings.max_num_batched_tokens, load.tensor_parallel_size
    dense = tokens * (3 * model.intermediate_size / tensor + 4 * model.hidden_size)
    moe = model.experts
    if moe is None:
        return dense * settings.dtype_bytes
    inner, outer = moe.intermediate_size / tensor, moe.hidden_size
    if settings.first_engine:
        routed = min(tokens, _MOE_CHUNK) * moe.per_token * (max(2 * inner, outer) + inner)
    else:
        routed = tokens * moe.per_token * (3 * inner + 2 * outer)
    routed += 2 * tokens * model.hidden_size
    mixed = len(moe.layers) < len(model.layers) and model.model_type != "nemotron_h"
    peak = max(routed, dense if mixed else 0.0) * settings.dtype_bytes
    quantization = model.quantization
    small = quantization is not None and quantization.floating and quantization.bits == _FP4_BITS
    return peak + (_FP4_EXPERTS_GIB * _GIB if small else 0.0)


def _sampler(model: Architecture, settings: Resolved) -> float:
    rows = min(settings.max_num_seqs, settings.max_num_batched_tokens)
    hidden = settings.max_num_batched_tokens * model.hidden_size * settings.dtype_bytes
    return rows * model.vocab_size * _sampler_bytes(rows, settings) + hidden


def _sampler_bytes(rows: int, settings: Resolved) -> float:
    if settings.second_runner and settings.version < (0, 33, 0):
        return 6 if settings.version < (0, 28, 0) else 4
    if settings.sampler == "sort":
        return SORT_BYTES if rows >= _SORTED_ROWS else _SHORT_SORT_BYTES
    return _KERNEL_BYTES


def _vision(model: Architecture, load: Load, settings: Resolved) -> float:
    """Qwen's towers read as many patches as a step has tokens; others are fitted."""
    tower = model.vision
    if tower is None or load.language_model_only:
        return 0.0
    if not model.model_type.startswith("qwen"):
        return _OTHER_VISION_GIB * _GIB
    picture = load.image_tokens or _IMAGE_TOKENS
    pictures = min(settings.max_num_batched_tokens // picture, settings.max_num_seqs)
    tokens = picture * max(1, pictures)
    inner = 3 if model.model_type.startswith("qwen2_5_vl") else 1
    width = inner * tower.intermediate_size + 3 * tower.hidden_size
    return tokens * (_PATCHES_PER_TOKEN * width + model.hidden_size) * 2


def _libraries(model: Architecture, device: Device, load: Load, settings: Resolved) -> float:
    kept = 0.0
    if settings.second_runner and settings.version >= _DRIVER_MEASURED:
        kept = _COUNTS_BYTES * settings.max_num_seqs * model.vocab_size
    fitted = _peers(device, load, settings) + _host(device) + _latent(model, device, load, settings)
    return kept + (fitted + (_DRAFT_GIB if load.speculative_tokens else 0.0)) * _GIB


def _latent(model: Architecture, device: Device, load: Load, settings: Resolved) -> float:
    """GiB that MLA takes besides on eight Hopper GPUs from 0.17 on, fitted."""
    hopper = device.compute_capability == _HOPPER
    wide = load.tensor_parallel_size >= _WIDE and settings.version >= (0, 17, 0)
    return 1.6 if hopper and wide and model.latent_ranks else 0.0


def _host(device: Device) -> float:
    """GiB of the engine's own processes, where they live in the GPU's memory; fitted."""
    return 1.5 if device.unified else 0.0


def _peers(device: Device, load: Load, settings: Resolved) -> float:
    """GiB outside PyTorch, fitted: NCCL and all-reduce buffers, which NVLink makes worth having."""
    row = {1: 0, 2: 1, 4: 2}.get(load.tensor_parallel_size, 3)
    if not device.nvlink:
        return (0.1, 0.5, 0.8, 1.2)[row] if settings.first_engine else (0.1, 0.2, 0.4, 0.6)[row]
    if settings.version < (0, 13, 0):
        return (0.1, 0.5, 0.9, 2.4)[row]
    if settings.version < (0, 17, 0):
        return (0.1, 0.4, 0.7, 1.0)[row]
    return (0.25, 0.9, 2.1, 2.4)[row]
