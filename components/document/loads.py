"""A model's settings as the planner takes them, and its plan on each machine."""

from collections.abc import Iterator

from components.core.hardware import InstanceType
from components.core.sizing.plan import Plan, Start, plan
from components.core.sizing.request import Load, Model, Traffic
from components.document import engine_image
from components.document.cache import EbsCache, ModelCache, NvmeCache, storage
from components.document.parts import Parts
from components.document.vllm_model import VllmServerSettings


def load_of(settings: VllmServerSettings, parts: Parts) -> Load:
    """The engine's settings as the planner takes them."""
    return Load(
        engine_version=engine_image.planned_version(settings),
        tensor_parallel_size=settings.tensor_parallel,
        pipeline_parallel_size=settings.pipeline_parallel,
        data_parallel_size=settings.data_parallel,
        nnodes=settings.nodes,
        kv_offloading_size=settings.kv_offload_gib or 0,
        max_model_len=settings.max_model_len,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        kv_cache_dtype=settings.kv_cache_dtype or "auto",
        quantization=settings.quantization,
        dtype=settings.dtype or "auto",
        enforce_eager=bool(settings.enforce_eager),
        expert_parallel=settings.expert_parallel,
        language_model_only=settings.images_per_prompt == 0,
        prefix_caching=False if settings.prefix_caching == "off" else None,
        max_loras=(settings.max_loras or len(settings.adapters)) if settings.adapters else 0,
        max_lora_rank=parts.lora_rank or 16,
        speculative_tokens=settings.speculation.tokens if settings.speculation else 0,
        draft_weight_bytes=parts.draft.weight_bytes if parts.draft else 0,
    )


def machine_plans(
    model: Model, settings: VllmServerSettings, parts: Parts, pool: list[InstanceType]
) -> Iterator[Plan]:
    """The plan on each machine that has enough GPUs."""
    asked = settings.traffic
    traffic = Traffic(asked.prompt_tokens, asked.output_tokens, asked.utilization)
    start = _start(settings.cache)
    for machine in pool:
        if machine.gpu_count >= settings.gpus_per_node:
            yield plan(model, machine, load_of(settings, parts), traffic, start)


def _start(cache: ModelCache) -> Start:
    return Start(
        storage=storage(cache),
        throughput_mib_per_second=cache.throughput_mib_per_second
        if isinstance(cache, EbsCache)
        else None,
        copied_from=storage(cache.shared) if isinstance(cache, NvmeCache) else None,
    )
