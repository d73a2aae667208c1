"""A model's settings as the arguments of its server; pure, so that a plan can check them too."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from components.core.conventions import VLLM_PORT
from components.core.drain import DrainChain
from components.core.engine_args import ServeArguments, Setting
from components.document.cache import ModelCache, S3Cache
from components.document.parts import Parts
from components.document.vllm_features import DraftSettings, NgramSettings
from components.document.vllm_model import VllmServerSettings

MODELS = "/models"
"""Where the model cache is mounted; a revision lies in a flat folder of its own below it."""
TEMPLATES = "/templates"
ASKS_FOR_KEYS = "engine_keys.EngineKeys"
"""The middleware that lets in who brings a key (`programs/engine`)."""
NO_MEDIA = "pictures-are-sent-inline.invalid"
"""The only host that a server fetches pictures from: none, since it has no way out."""

OWNED: Mapping[str, str] = {
    "model": "source",
    "served_model_name": "served_names",
    "runner": "task",
    "max_model_len": "max_model_len",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "tensor_parallel_size": "tensor_parallel",
    "pipeline_parallel_size": "pipeline_parallel",
    "data_parallel_size": "data_parallel",
    "enable_expert_parallel": "expert_parallel",
    "nnodes": "nodes",
    "max_num_seqs": "max_num_seqs",
    "max_num_batched_tokens": "max_num_batched_tokens",
    "max_num_queued_reqs": "max_num_queued_reqs",
    "max_num_queued_tokens": "max_num_queued_tokens",
    "kv_cache_dtype": "kv_cache_dtype",
    "kv_offloading_size": "kv_offload_gib",
    "quantization": "quantization",
    "dtype": "dtype",
    "enforce_eager": "enforce_eager",
    "enable_chunked_prefill": "chunked_prefill",
    "enable_prefix_caching": "prefix_caching",
    "scheduling_policy": "scheduling",
    "reasoning_parser": "reasoning_parser",
    "tool_call_parser": "tool_call_parser",
    "enable_auto_tool_choice": "tool_call_parser",
    "chat_template": "chat_template",
    "limit_mm_per_prompt": "images_per_prompt",
    "language_model_only": "images_per_prompt",
    "enable_lora": "adapters",
    "lora_modules": "adapters",
    "max_lora_rank": "adapters",
    "max_loras": "max_loras",
    "speculative_config": "speculation",
    "spec_method": "speculation",
    "spec_model": "speculation",
    "spec_tokens": "speculation",
}
"""The engine's settings that the document has keys for, to those keys."""


def streams(cache: ModelCache) -> bool:
    """Whether the engine itself reads its weights from a bucket."""
    return isinstance(cache, S3Cache) and cache.reader == "streamer"


def place(settings: VllmServerSettings) -> str:
    """Where revisions lie: the cache's volume, or the address that the engine streams from."""
    cache = settings.cache
    if isinstance(cache, S3Cache) and streams(cache):
        return f"s3://{cache.bucket}/{cache.prefix}/{settings.service_name}"
    return MODELS


def serve_arguments(
    alias: str, settings: VllmServerSettings, parts: Parts, drain: DrainChain
) -> ServeArguments:
    """The engine's arguments; it answers to its alias and, for direct clients, to its hub id.

    Raises:
        ValueError: A value that the pinned engine's parser refuses.
    """
    rendered: dict[str, Setting | None] = {
        "served_model_name": (alias, settings.source, *settings.served_names),
        "runner": None if settings.task == "generate" else "pooling",
        "max_model_len": settings.max_model_len,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        **dict(_parallel(settings)),
        "max_num_seqs": settings.max_num_seqs,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "max_num_queued_reqs": settings.max_num_queued_reqs,
        "max_num_queued_tokens": settings.max_num_queued_tokens,
        "kv_cache_dtype": settings.kv_cache_dtype,
        "kv_offloading_size": settings.kv_offload_gib,
        "quantization": settings.quantization,
        "dtype": settings.dtype,
        "enforce_eager": settings.enforce_eager,
        "enable_chunked_prefill": settings.chunked_prefill,
        "enable_prefix_caching": False if settings.prefix_caching == "off" else None,
        "scheduling_policy": None if settings.scheduling == "fcfs" else settings.scheduling,
        "hf_overrides": _served_as(settings),
        "load_format": "runai_streamer" if streams(settings.cache) else None,
        **dict(_conversation(settings)),
        **dict(_pictures(settings)),
        **dict(_adapters(settings, parts)),
        "speculative_config": _speculation(settings),
        "middleware": (ASKS_FOR_KEYS,) if settings.api_key else None,
        "port": VLLM_PORT,
        "shutdown_timeout": drain.shutdown_timeout_seconds,
    }
    given = {name: value for name, value in rendered.items() if value is not None}
    return ServeArguments(
        f"{place(settings)}/{settings.source}/{settings.revision}", given, settings.extra_args
    )


def _parallel(settings: VllmServerSettings) -> Iterator[tuple[str, int | bool]]:
    """Degrees above one; the flags of a group's own ranks are added where its pods are made."""
    degrees = {
        "tensor_parallel_size": settings.tensor_parallel,
        "pipeline_parallel_size": settings.pipeline_parallel,
        "data_parallel_size": settings.data_parallel,
        "nnodes": settings.nodes,
    }
    yield from ((name, degree) for name, degree in degrees.items() if degree > 1)
    if settings.expert_parallel:
        yield "enable_expert_parallel", True


def _served_as(settings: VllmServerSettings) -> Mapping[str, object] | None:
    """The engine serves the model as what it was planned as, not as what it guesses."""
    return {"architectures": [settings.architecture]} if settings.architecture else None


def _conversation(settings: VllmServerSettings) -> Iterator[tuple[str, Setting]]:
    if settings.chat_template:
        yield "chat_template", f"{TEMPLATES}/{PurePosixPath(settings.chat_template).name}"
    if settings.reasoning_parser:
        yield "reasoning_parser", settings.reasoning_parser
    if settings.tool_call_parser:
        yield "enable_auto_tool_choice", True
        yield "tool_call_parser", settings.tool_call_parser


def _pictures(settings: VllmServerSettings) -> Iterator[tuple[str, Setting]]:
    if settings.images_per_prompt == 0:
        yield "language_model_only", True
        return
    if settings.images_per_prompt:
        yield "limit_mm_per_prompt", {"image": settings.images_per_prompt}
    yield "allowed_media_domains", (NO_MEDIA,)


def _adapters(settings: VllmServerSettings, parts: Parts) -> Iterator[tuple[str, Setting]]:
    if not settings.adapters:
        return
    yield "enable_lora", True
    yield "max_loras", settings.max_loras or len(settings.adapters)
    yield "max_lora_rank", parts.lora_rank
    yield (
        "lora_modules",
        tuple(
            f"{name}={MODELS}/{adapter.source}/{adapter.revision}"
            for name, adapter in settings.adapters.items()
        ),
    )


def _speculation(settings: VllmServerSettings) -> Mapping[str, object] | None:
    asked = settings.speculation
    if asked is None:
        return None
    config: dict[str, object] = {"method": asked.method, "num_speculative_tokens": asked.tokens}
    if isinstance(asked, NgramSettings):
        config |= {"prompt_lookup_max": asked.lookup}
    elif isinstance(asked, DraftSettings):
        config |= {"model": f"{MODELS}/{asked.source}/{asked.revision}"}
    return config
