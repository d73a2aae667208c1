"""Models as they were published, and shorthands to plan them.

Versions in the tests of this folder are those between which vLLM's sources were found to differ.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, Unpack

from components.core.architecture import Architecture, read_architecture
from components.core.hardware import GPUS
from components.core.sizing.defaults import Resolved, resolve
from components.core.sizing.kv_cache import CacheLayout, cache_layout
from components.core.sizing.request import Device, Load
from components.core.sizing.verdict import Fit, fit

CONFIGS = Path(__file__).parents[3] / "planner" / "configs"
GIB = 2**30

LLAMA_8B = "meta-llama--Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama--Llama-3.3-70B-Instruct"
LLAMA_70B_FP8 = "nvidia--Llama-3.3-70B-Instruct-FP8"
QWEN_7B = "Qwen--Qwen2.5-7B-Instruct"
QWEN_7B_AWQ = "Qwen--Qwen2.5-7B-Instruct-AWQ"
QWEN3_8B = "Qwen--Qwen3-8B"
QWEN3_32B = "Qwen--Qwen3-32B"
QWEN3_30B = "Qwen--Qwen3-30B-A3B"
QWEN3_30B_FP8 = "Qwen--Qwen3-30B-A3B-FP8"
QWEN3_235B_FP8 = "Qwen--Qwen3-235B-A22B-Instruct-2507-FP8"
QWEN3_NEXT = "Qwen--Qwen3-Next-80B-A3B-Instruct"
DEEPSEEK_R1 = "deepseek-ai--DeepSeek-R1"
DEEPSEEK_V32 = "deepseek-ai--DeepSeek-V3.2"
GLM_52 = "nvidia--GLM-5.2-NVFP4"
GEMMA3_27B = "gaunernst--gemma-3-27b-it-int4-awq"
GEMMA4_26B = "google--gemma-4-26B-A4B-it"
GPT_OSS_20B = "openai--gpt-oss-20b"
NEMOTRON_SUPER = "nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-FP8"
QWEN_7B_BYTES = 15_231_233_024
LLAMA_8B_BYTES = 16_060_522_496


class Settings(TypedDict, total=False):
    """The keys of `Load`, so that tests name only those that matter."""

    engine_version: tuple[int, int, int]
    tensor_parallel_size: int
    pipeline_parallel_size: int
    data_parallel_size: int
    max_model_len: int | None
    gpu_memory_utilization: float | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    kv_cache_dtype: str
    quantization: str | None
    dtype: str
    block_size: int | None
    enforce_eager: bool
    sampler_backend: str | None
    max_loras: int
    max_lora_rank: int
    speculative_tokens: int
    draft_weight_bytes: int
    image_tokens: int | None
    language_model_only: bool
    expert_parallel: bool
    prefix_caching: bool | None


@cache
def _text(name: str) -> str:
    return (CONFIGS / f"{name}.json").read_text(encoding="utf-8")


def config(name: str, **changes: object) -> dict[str, Any]:
    """A published config.json, with some keys changed; None takes a key out."""
    changed: dict[str, Any] = json.loads(_text(name)) | changes
    return {key: value for key, value in changed.items() if value is not None}


def architecture(name: str, **changes: object) -> Architecture:
    """The shape of a published model."""
    return read_architecture(config(name, **changes))


def device(name: str, gib: float | None = None) -> Device:
    """A GPU of the catalogue."""
    gpu = GPUS[name]
    linked = gpu.nvlink_gb_per_s is not None
    return Device(gpu.name, gib or gpu.cuda_gib, gpu.compute_capability, gpu.unified_memory, linked)


def settings(name: str, gpu: str = "h100", **load: Unpack[Settings]) -> Resolved:
    """What an engine makes of a load on a GPU."""
    return resolve(architecture(name), device(gpu), Load(**load))


def layout(name: str, gpu: str = "h100", **load: Unpack[Settings]) -> CacheLayout:
    """The KV cache of a published model."""
    return cache_layout(architecture(name), Load(**load), settings(name, gpu, **load))


def planned(
    name: str, gpu: str = "h100", weight_bytes: int | None = None, **load: Unpack[Settings]
) -> Fit:
    """The planner's verdict on a published model."""
    return fit(architecture(name), device(gpu), Load(**load), weight_bytes)
