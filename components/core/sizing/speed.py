"""How fast one planned replica can be at best: the roofline with the plan's own figures."""

from components.core.architecture.parameters import count_parameters
from components.core.hardware import InstanceType
from components.core.sizing.request import Load, Model, Traffic
from components.core.sizing.throughput import Bounds, Share, Speed, bounds, tensor_parallel
from components.core.sizing.verdict import Fit


def replica_bounds(
    model: Model,
    machine: InstanceType,
    load: Load,
    found: Fit,
    *,
    users: int,
    traffic: Traffic,
    linked: bool = True,
) -> Bounds | None:
    """What a replica can reach at best; None where the GPU's speed is not known or nobody fits.

    Args:
        model: What is served.
        machine: On what.
        load: Parallelism.
        found: How the memory is shared out.
        users: Requests at once.
        traffic: Their lengths.
        linked: Whether the GPUs' exchanges count; without them for comparison.
    """
    gpu = machine.gpu
    if gpu.bandwidth_gb_per_s is None or gpu.tflops_16bit is None or users < 1:
        return None
    quantization = model.architecture.quantization
    eight = quantization is not None and quantization.activations and quantization.floating
    flops = gpu.tflops_fp8 if eight and gpu.tflops_fp8 else gpu.tflops_16bit
    exchange = tensor_parallel(
        gpus=load.tensor_parallel_size,
        layers=len(model.architecture.layers),
        hidden_bytes=model.architecture.hidden_size * found.settings.dtype_bytes,
        nvlink_gb_per_s=gpu.nvlink_gb_per_s if machine.nvlink else None,
        pcie_gb_per_s=gpu.pcie_gb_per_s or 32,
    )
    return bounds(
        _share(model, load, found, traffic),
        Speed(gpu.bandwidth_gb_per_s * 1e9, flops * 1e12),
        batch=users,
        prompt_tokens=traffic.prompt_tokens,
        output_tokens=traffic.output_tokens,
        exchange=exchange if linked else None,
    )


def _share(model: Model, load: Load, found: Fit, traffic: Traffic) -> Share:
    """What one GPU does for a step; a pipeline's stages follow each other, so they add up."""
    counted = count_parameters(model.architecture)
    tensor, moe = load.tensor_parallel_size, model.architecture.experts
    weights = found.weights * load.pipeline_parallel_size
    layers = counted.linear + counted.experts
    per_weight = weights / max(1, counted.total) * tensor
    routed = counted.experts * per_weight / tensor if moe else 0.0
    active = counted.linear + (counted.experts * moe.per_token / moe.count if moe else 0)
    length = traffic.prompt_tokens + traffic.output_tokens // 2
    cached = found.cache.request_bytes(length) * load.pipeline_parallel_size
    return Share(
        weight_bytes=max(0.0, weights - routed - counted.embedding * 2 / tensor),
        flops_per_token=2 * min(active, layers) / tensor,
        kv_bytes_per_sequence=cached,
        expert_bytes=routed / moe.count if moe else 0.0,
        experts=moe.count if moe else 0,
        experts_per_token=moe.per_token if moe else 0,
    )
