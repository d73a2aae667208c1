"""Start-up logs of vLLM that somebody published, as rows of `tests/planner/logs/*.jsonl`.

A row holds facts alone: link, engine version, GPU, the settings that were given, what the engine
printed and how it went. What the planner is asked stands in the command, never in the output.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from components.core.architecture import Architecture, ArchitectureError, read_architecture
from components.core.sizing.devices import device_named
from components.core.sizing.request import Device, Load, SizingError, engine_version

ROOT = Path(__file__).parents[2] / "tests" / "planner"
_PIXELS_PER_TOKEN = 784
"""Of Qwen's processors: two by two patches of 14 by 14 pixels."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Other(_Part):
    """Settings that only some rows give."""

    speculative_config: dict[str, Any] | str | None = None
    mm_processor_kwargs: dict[str, Any] | None = None
    enable_prefix_caching: bool | None = None
    language_model_only: bool = False
    enable_expert_parallel: bool = False
    cpu_offload_gb: float | None = None
    kv_cache_memory_bytes: int | None = None


class GivenSettings(_Part):
    """What the command said, by the engine's names."""

    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    max_model_len: int | str | None = None
    gpu_memory_utilization: float | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_cache_dtype: str | None = None
    quantization: str | None = None
    dtype: str | None = None
    block_size: int | None = None
    enforce_eager: bool = False
    sampler_backend: str | None = None
    other: Other = Other()


class Printed(_Part):
    """What the engine printed, per GPU."""

    weights_gib: float | None = None
    available_kv_gib: float | None = None
    kv_cache_tokens: int | None = None
    total_gpu_gib: float | None = None


class Start(_Part):
    """One published start."""

    id: str
    url: str
    model: str
    outcome: Literal["started", "failed", "failed late"]
    engine_version: str | None = None
    gpu: str | None = None
    gpu_memory_gib: float | None = None
    settings: GivenSettings = GivenSettings()
    printed: Printed = Printed()
    note: str = ""
    doubt: str = ""


def read_starts(root: Path = ROOT) -> Iterator[Start]:
    """All published starts, in the order of their files."""
    for path in sorted((root / "logs").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Start.model_validate_json(line)


def read_weight_bytes(root: Path = ROOT) -> Mapping[str, int]:
    """Published bytes of weight files by model."""
    lines = (root / "weight_bytes.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["model"]: row["weight_bytes"] for row in map(json.loads, lines)}


def architecture_of(start: Start, root: Path = ROOT) -> Architecture:
    """The model's shape.

    Raises:
        ArchitectureError: Its config is not among `configs`, or cannot be planned.
    """
    path = root / "configs" / f"{start.model.replace('/', '--')}.json"
    if not path.exists():
        raise ArchitectureError(f"no config of {start.model} was published")
    return read_architecture(json.loads(path.read_text(encoding="utf-8")))


def device_of(start: Start) -> Device:
    """The GPU, with the memory that was printed where it was.

    Raises:
        SizingError: It is neither named nor measured.
    """
    memory = start.gpu_memory_gib or start.printed.total_gpu_gib
    try:
        return device_named(start.gpu or "unnamed", memory)
    except SizingError as error:
        raise SizingError(f"the GPU of {start.id} is not named") from error


def load_of(start: Start) -> Load:
    """The engine's settings.

    Raises:
        SizingError: The engine's version is not known.
    """
    if not start.engine_version:
        raise SizingError(f"the engine version of {start.id} is not known")
    given, other = start.settings, start.settings.other
    length = given.max_model_len
    draft = other.speculative_config
    pixels = (other.mm_processor_kwargs or {}).get("max_pixels")
    return Load(
        engine_version=engine_version(start.engine_version),
        tensor_parallel_size=given.tensor_parallel_size,
        pipeline_parallel_size=given.pipeline_parallel_size,
        data_parallel_size=given.data_parallel_size,
        max_model_len=length if isinstance(length, int) and length > 0 else None,
        gpu_memory_utilization=given.gpu_memory_utilization,
        max_num_seqs=given.max_num_seqs,
        max_num_batched_tokens=given.max_num_batched_tokens,
        kv_cache_dtype=given.kv_cache_dtype or "auto",
        quantization=given.quantization,
        dtype=given.dtype or "auto",
        block_size=given.block_size,
        enforce_eager=given.enforce_eager,
        sampler_backend=given.sampler_backend,
        speculative_tokens=draft.get("num_speculative_tokens") or 0
        if isinstance(draft, dict)
        else 0,
        image_tokens=pixels // _PIXELS_PER_TOKEN if isinstance(pixels, int) else None,
        language_model_only=other.language_model_only,
        expert_parallel=other.enable_expert_parallel,
        prefix_caching=other.enable_prefix_caching,
    )
