"""What quantised kernels refuse: GPUs too old, other dtypes, and weights that would be cut."""

from collections.abc import Iterator

from components.core.architecture import Architecture
from components.core.architecture.quantization import asked_quantization
from components.core.architecture.shape import Quantization
from components.core.sizing.refusal import Refusal
from components.core.sizing.request import Device, Load

_CAPABILITY = {
    "awq": (7, 5), "gptq": (6, 0), "fp8": (7, 5), "fbgemm_fp8": (8, 0), "modelopt": (7, 5),
    "modelopt_fp4": (7, 5), "mxfp4": (8, 0), "experts_int8": (8, 0), "torchao": (7, 5),
    "compressed-tensors": (7, 0), "bitsandbytes": (7, 0), "quark": (7, 0),
}  # fmt: skip
"""`get_min_capability` of each method in vLLM 0.31."""


_FAMILIES = {
    "awq": "awq", "awq_marlin": "awq", "auto_awq": "awq", "gptq": "gptq", "gptq_marlin": "gptq",
    "auto_gptq": "gptq", "gptq_bitblas": "gptq", "fp8": "fp8", "mxfp4": "mxfp4",
    "gpt_oss_mxfp4": "mxfp4",
}  # fmt: skip
"""Names of `--quantization` that stand for one way to store weights; of others it is not certain
which the engine takes for each other."""
_GROUPED = {"awq", "gptq", "fp8", "compressed-tensors", "inc", "auto-round"}
_NEW_CACHES = ("nvfp4", "int4_per", "int8_per", "fp8_per", "turboquant_")
_NEW_CACHES_SINCE = (0, 20, 0)


def least_compute_capability(model: Architecture, load: Load) -> tuple[int, int] | None:
    """What a GPU has to have for the model's kernels, (major, minor); None where any will do."""
    quantization = _quantization(model, load)
    least = _least_capability(quantization, load) if quantization else None
    if load.dtype == "bfloat16":
        return max(least or (8, 0), (8, 0))
    return least


def kernel_refusals(model: Architecture, device: Device, load: Load) -> Iterator[Refusal]:
    """What is wrong with a load because of how weights or cache are stored."""
    yield from _mismatch(model, load)
    yield from _capability(model, device, load)
    yield from _dtype(model, load)
    yield from _cache(device, load)
    yield from _alignment(model, load)
    yield from _expert_blocks(model, load)


def _mismatch(model: Architecture, load: Load) -> Iterator[Refusal]:
    stored, asked = model.quantization, load.quantization
    if stored is None or asked is None or asked == "moe_wna16":
        return
    known, wanted = _FAMILIES.get(stored.method), _FAMILIES.get(asked)
    if known and wanted and known != wanted:
        yield Refusal(
            f"the checkpoint is stored as {stored.method}, but quantization is {asked}; leave it "
            "out, the engine reads the checkpoint's own",
            f"Quantization method specified in the model config ({stored.method}) does not match "
            f"the quantization method specified in the `quantization` argument ({asked}).",
        )


def _cache(device: Device, load: Load) -> Iterator[Refusal]:
    """KV caches of less than eight bits, or with scales, are young; NVFP4 needs Blackwell."""
    name = load.kv_cache_dtype
    if name.startswith(_NEW_CACHES) and load.engine_version < _NEW_CACHES_SINCE:
        yield Refusal(
            f"kv_cache_dtype {name} is there from vLLM 0.20 on; choose fp8 or auto",
            f"invalid choice: '{name}'",
        )
    elif name.startswith("nvfp4") and not device.at_least(10):
        yield Refusal(
            f"an nvfp4 KV cache needs compute capability 10.0, which {device.name} has not; choose "
            "fp8 or auto",
            "nvfp4 KV cache is not supported on this device",
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


def _dtype(model: Architecture, load: Load) -> Iterator[Refusal]:
    """Quantised kernels take 16-bit activations alone, MXFP4's only bfloat16."""
    quantization = _quantization(model, load)
    if quantization is None or load.dtype == "auto":
        return
    taken = {"bfloat16"} if quantization.method == "mxfp4" else {"bfloat16", "float16", "half"}
    if load.dtype not in taken:
        name = {"half": "float16", "float": "float32"}.get(load.dtype, load.dtype)
        yield Refusal(
            f"{quantization.method} weights do not run in {name}; set dtype to auto",
            f"torch.{name} is not supported for quantization method {quantization.method}.",
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


def _expert_blocks(model: Architecture, load: Load) -> Iterator[Refusal]:
    """FP8 experts are scaled in blocks, which only whole experts or wide slices keep."""
    quantization, moe = model.quantization, model.experts
    if quantization is None or moe is None or not quantization.block or load.expert_parallel:
        return
    gpus = load.tensor_parallel_size * load.data_parallel_size
    share, block = moe.intermediate_size / gpus, quantization.block
    if gpus > 1 and share % block:
        yield Refusal(
            f"{gpus} GPUs leave {share:g} of an expert's {moe.intermediate_size} columns to each, "
            f"which cuts its FP8 blocks of {block}; use fewer GPUs, or expert parallelism",
            f"The output_size of gate's and up's weight = {share:g} is not divisible by weight "
            f"quantization block_n = {block}.",
        )


def _alignment(model: Architecture, load: Load) -> Iterator[Refusal]:
    """Groups and blocks of quantised weights must not be cut by tensor parallelism."""
    quantization, tensor = model.quantization, load.tensor_parallel_size
    if quantization is None or tensor == 1 or model.experts:
        return
    share = model.intermediate_size / tensor
    size = quantization.block or quantization.group_size
    if size > 0 and share % size and quantization.method in _GROUPED:
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
