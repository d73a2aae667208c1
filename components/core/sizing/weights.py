"""Bytes of a model's weights on the fullest GPU."""

from components.core.architecture import Architecture
from components.core.architecture.parameters import Parameters, count_parameters
from components.core.architecture.quantization import asked_quantization
from components.core.architecture.shape import Quantization
from components.core.sizing.request import Load
from components.core.sizing.stages import stage_sizes

_MXFP4_TILE = 256


def weights_per_gpu(model: Architecture, weight_bytes: int | None, load: Load) -> float:
    """Bytes that one GPU holds once the model is loaded.

    Args:
        model: The architecture.
        weight_bytes: Bytes of the checkpoint's weight files; None to estimate them.
        load: Parallelism, and quantisation while loading.
    """
    counted = count_parameters(model)
    stored = _stored(model, counted) if weight_bytes is None else float(weight_bytes)
    loaded = _as_loaded(model, counted, stored, load, given=weight_bytes is not None)
    return _on_one_gpu(model, counted, loaded, load) + load.draft_weight_bytes + _loras(model, load)


def checkpoint_bytes(model: Architecture) -> float:
    """Estimated bytes of a model's weight files, from its shape and quantisation."""
    return _stored(model, count_parameters(model))


def _stored(model: Architecture, counted: Parameters) -> float:
    plain = model.stored_dtype_bytes
    quantization = model.quantization
    if quantization is None:
        return (counted.total) * plain
    small = quantization.bytes_per_weight
    linear = plain if quantization.experts_only else small
    rest = counted.embedding + counted.head + counted.replicated + counted.vision
    return rest * plain + counted.linear * linear + counted.experts * small


def _as_loaded(
    model: Architecture, counted: Parameters, stored: float, load: Load, *, given: bool
) -> float:
    """What the engine makes of the files: other dtypes, layers it skips, quantisation at load."""
    loaded = stored
    if given and counted.draft and not load.speculative_tokens:
        share = counted.draft / (counted.total + counted.draft)
        loaded -= stored * share
    if model.quantization is not None:
        return loaded
    loaded *= model.dtype_bytes / model.stored_dtype_bytes
    if load.dtype in {"float32", "float"}:
        loaded *= 2
    if load.quantization:
        loaded -= _saved(counted, asked_quantization(load.quantization))
    return loaded


def _saved(counted: Parameters, quantization: Quantization) -> float:
    shrunk = counted.experts + (0 if quantization.experts_only else counted.linear)
    return shrunk * (2 - quantization.bytes_per_weight)


def _on_one_gpu(model: Architecture, counted: Parameters, loaded: float, load: Load) -> float:
    """The fullest GPU: a share of what is cut, and the whole of what is copied."""
    tensor, stages = load.tensor_parallel_size, load.pipeline_parallel_size
    average = loaded / max(1, counted.total)
    both = (counted.embedding + counted.head) * 2.0
    copied = counted.replicated * min(2.0, 2 * average)
    extra_heads = max(0.0, tensor / max(1, model.kv_heads) - 1)
    copied += counted.key_value * average * extra_heads / tensor
    loaded += _padding(model, counted, load) + _absorbed(model)
    body = loaded - both - counted.replicated * min(2.0, 2 * average)
    expert_share = counted.experts / max(1, counted.total - counted.embedding - counted.head)
    experts = body * expert_share
    spread = tensor * load.data_parallel_size
    inner = (body - experts) / tensor + experts / spread + copied
    if stages == 1:
        return inner + both / tensor
    sizes = stage_sizes(len(model.layers), stages)
    shares = [inner * size / len(model.layers) for size in sizes]
    shares[0] += counted.embedding * 2.0 / tensor
    shares[-1] += (counted.head or counted.embedding) * 2.0 / tensor
    return max(shares)


def _absorbed(model: Architecture) -> float:
    """MLA keeps the latent's up projection a second time, in 16 bits, for decoding."""
    if model.latent_ranks is None:
        return 0.0
    return model.count("latent") * model.heads * (model.latent_ranks[1] - 64) * 256 * 2.0


def _padding(model: Architecture, counted: Parameters, load: Load) -> float:
    """MXFP4 kernels pad an expert's inner width to a multiple of 256."""
    quantization, moe = model.quantization, model.experts
    if quantization is None or moe is None or quantization.method != "mxfp4":
        return 0.0
    share = moe.intermediate_size / load.tensor_parallel_size
    padded = -(-share // _MXFP4_TILE) * _MXFP4_TILE
    return counted.experts * quantization.bytes_per_weight * (padded / share - 1)


def _loras(model: Architecture, load: Load) -> float:
    """Buffers of `max_loras` adapters: two thin matrices beside every linear one, 16-bit."""
    if not load.max_loras:
        return 0.0
    hidden = model.hidden_size
    widths = 4 * (hidden + model.heads * model.head_dim) + 3 * (hidden + model.intermediate_size)
    layers = len(model.layers)
    return load.max_loras * load.max_lora_rank * widths * layers * 2.0 / load.tensor_parallel_size
