"""What is asked of the planner: a GPU's memory, and the engine's settings with its own names."""

import re
from dataclasses import dataclass

from components.core.architecture import Architecture

NEWEST = (0, 33, 0)
"""Newest engine version whose sources were read; later ones are planned like it."""

BETWEEN_RELEASES = 99
"""Patch level of a development build: it has what comes after the last patch, and perhaps more."""

_OLDEST = (0, 6, 0)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


class SizingError(ValueError):
    """The question cannot be answered as asked; the text is one sentence."""


def engine_version(text: str) -> tuple[int, int, int]:
    """Read `0.31.0`, `v0.10.2` or `0.8.5.post1`; `0.18.1rc1.dev3` is later than all of 0.18.

    Raises:
        SizingError: It does not begin like a version.
    """
    found = _VERSION.match(text.strip())
    if found is None:
        raise SizingError(f"engine_version is {text!r}; write it like 0.31.0")
    if (int(found[1]), int(found[2]), 0) < _OLDEST:
        raise SizingError(f"engine_version {text} is too old; 0.6 to 0.33 are known")
    between = "rc" in text or "dev" in text
    return int(found[1]), int(found[2]), BETWEEN_RELEASES if between else int(found[3] or 0)


@dataclass(frozen=True)
class Device:
    """A GPU, as far as fitting depends on it.

    Attributes:
        name: As in the catalogue, or the user's own.
        memory_gib: Total that CUDA reports for one GPU, GiB.
        compute_capability: (major, minor), None if unknown.
        unified: Whether the host shares this memory (GB10).
        nvlink: Whether several of them are joined by NVLink.
    """

    name: str
    memory_gib: float
    compute_capability: tuple[int, int] | None = None
    unified: bool = False
    nvlink: bool = False

    def at_least(self, major: int, minor: int = 0) -> bool:
        """Whether the GPU has this compute capability; an unknown one is taken to have it."""
        return self.compute_capability is None or self.compute_capability >= (major, minor)


@dataclass(frozen=True)
class Load:
    """Settings of one engine, named as vLLM names them; None is that version's own default.

    Attributes:
        engine_version: (major, minor, patch) of vLLM.
        tensor_parallel_size: GPUs that share every layer.
        pipeline_parallel_size: Stages that share the layers.
        data_parallel_size: Whole copies side by side.
        nnodes: Machines that share the GPUs of all of them evenly.
        kv_offloading_size: Host memory for KV entries that leave the GPUs, GiB.
        max_model_len: Tokens of prompt and answer; None is the model's own length.
        gpu_memory_utilization: Share of the GPU's total memory, above 0, at most 1.
        max_num_seqs: Requests in one step.
        max_num_batched_tokens: Tokens in one step.
        kv_cache_dtype: `auto`, `fp8`, ...
        quantization: For a checkpoint that is not quantised yet.
        dtype: `auto`, `bfloat16`, `float16`, `float32`.
        block_size: Tokens of a KV block.
        enforce_eager: No CUDA graphs.
        sampler_backend: `flashinfer` or `pytorch`.
        max_loras: LoRA adapters on the GPU at once, 0 for none.
        max_lora_rank: Largest rank of an adapter.
        speculative_tokens: Draft tokens a step, 0 for none.
        draft_weight_bytes: Weights of a separate draft model.
        image_tokens: Tokens of the largest picture that is let in; None is the model's own limit.
        language_model_only: A multimodal model that serves text alone.
        expert_parallel: Whole experts on each GPU instead of slices of all.
        prefix_caching: None is the version's own default.
    """

    engine_version: tuple[int, int, int] = NEWEST
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    nnodes: int = 1
    kv_offloading_size: float = 0
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_cache_dtype: str = "auto"
    quantization: str | None = None
    dtype: str = "auto"
    block_size: int | None = None
    enforce_eager: bool = False
    sampler_backend: str | None = None
    max_loras: int = 0
    max_lora_rank: int = 16
    speculative_tokens: int = 0
    draft_weight_bytes: int = 0
    image_tokens: int | None = None
    language_model_only: bool = False
    expert_parallel: bool = False
    prefix_caching: bool | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the whole engine."""
        return self.tensor_parallel_size * self.pipeline_parallel_size * self.data_parallel_size

    @property
    def gpus_per_node(self) -> int:
        """GPUs of one machine of it."""
        return -(-self.gpus // self.nnodes)


@dataclass(frozen=True)
class Model:
    """A model as the planner sees it.

    Attributes:
        name: For people: a hub id.
        architecture: Its shape.
        weight_bytes: Bytes of its weight files; None to estimate them from the shape.
    """

    name: str
    architecture: Architecture
    weight_bytes: int | None = None


@dataclass(frozen=True)
class Traffic:
    """What is asked of a replica.

    Attributes:
        prompt_tokens: Of a typical request.
        output_tokens: Of a typical answer.
        utilization: Share of full load over a month, for the price.
    """

    prompt_tokens: int = 1024
    output_tokens: int = 256
    utilization: float = 0.3
