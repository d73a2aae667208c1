"""The planner for scripts: one JSON object a line in, one a line out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core.architecture import Architecture, ArchitectureError, read_architecture
from components.core.images import image_version
from components.core.sizing.devices import device_named
from components.core.sizing.request import Device, Load, SizingError, engine_version
from components.core.sizing.verdict import GIB, LATE_UTILIZATION, WITHIN_THE_EDGE, Fit, fit
from components.core.sizing.weights import checkpoint_bytes

_Count = Annotated[int, Field(gt=0, le=2**40)]
_Degree = Annotated[int, Field(gt=0, le=4096)]
_SLIP = 20
_AUTO_SINCE = (0, 14, 0)


class Question(BaseModel):
    """One line: a model, a GPU and the engine's settings by its own names; null is its default."""

    model_config = ConfigDict(extra="allow", frozen=True)

    config: dict[str, Any]
    weight_bytes: _Count | None = None
    gpu: Annotated[str, Field(min_length=1)]
    gpu_memory_gib: Annotated[float, Field(gt=0, le=10_000)] | None = None
    engine_version: str | None = None
    tensor_parallel_size: _Degree | None = None
    pipeline_parallel_size: _Degree | None = None
    data_parallel_size: _Degree | None = None
    max_model_len: _Count | Literal["auto", -1] | None = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    max_num_seqs: _Count | None = None
    max_num_batched_tokens: _Count | None = None
    kv_cache_dtype: str | None = None
    quantization: str | None = None
    dtype: Literal["auto", "bfloat16", "float16", "half", "float", "float32"] | None = None
    block_size: Annotated[int, Field(gt=0, le=65_536)] | None = None
    enforce_eager: bool | None = None
    sampler_backend: str | None = None
    enable_expert_parallel: bool | None = None


def answer_lines(lines: Iterable[str]) -> Iterator[str]:
    """Answer every line that is not blank; a bad one gets `{"error": ...}`."""
    for line in lines:
        if line.strip("\ufeff \t\r\n"):
            yield json.dumps(_answer_or_error(line.lstrip("\ufeff")))


def _answer_or_error(line: str) -> Mapping[str, Any]:
    try:
        return answer(Question.model_validate_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = str(first["loc"][0]) if first["loc"] else "the line"
        return {"error": f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}"}
    except (ArchitectureError, SizingError) as error:
        return {"error": str(error)}
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        # One question must not end the others; what is left here is a config that no rule foresaw.
        return {"error": f"the config cannot be planned ({type(error).__name__}: {error})"}


def answer(question: Question) -> Mapping[str, Any]:
    """Plan one question.

    Raises:
        ArchitectureError: The config describes no known model.
        SizingError: The GPU or the engine's version is not known.
    """
    model = read_architecture(question.config)
    _check_weight_bytes(model, question.weight_bytes)
    device, load = device_named(question.gpu, question.gpu_memory_gib), _load(question)
    found = fit(model, device, load, question.weight_bytes)
    if question.max_model_len in {"auto", -1}:
        found = _fitted(found, model, device, load, question.weight_bytes)
    ignored = sorted(question.model_extra or {})
    return {**_figures(found), **({"ignored": ignored} if ignored else {})}


def _fitted(
    found: Fit, model: Architecture, device: Device, load: Load, weight_bytes: int | None
) -> Fit:
    """`auto` shortens itself to what fits, so it starts unless nothing does.

    Raises:
        SizingError: The version cannot do so.
    """
    if load.engine_version < _AUTO_SINCE:
        raise SizingError("max_model_len auto is there from vLLM 0.14 on; give a number")
    if 0 < found.longest < found.settings.max_model_len:
        shorter = fit(model, device, replace(load, max_model_len=found.longest), weight_bytes)
        starts = shorter.reason.replace(WITHIN_THE_EDGE, "fitted")
        if shorter.verdict == "may fail late" and shorter.settings.utilization < LATE_UTILIZATION:
            return replace(shorter, verdict="will start", reason=starts, expected_error="")
        return shorter
    return found


def _check_weight_bytes(model: Architecture, weight_bytes: int | None) -> None:
    """A slip of units, not a matter of quantisation."""
    expected = checkpoint_bytes(model)
    if weight_bytes is not None and not expected / _SLIP < weight_bytes < expected * _SLIP:
        raise SizingError(
            f"weight_bytes is {weight_bytes:,}, but a model of this shape has about "
            f"{round(expected):,} bytes; give the sum of its weight files, or null"
        )


def _figures(found: Fit) -> Mapping[str, Any]:
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "weights_gib": round(found.weights / GIB, 3),
        "overhead_gib": round(found.overhead.total / GIB, 3),
        "kv_bytes_per_token": round(found.cache.bytes_per_token(), 3),
        "kv_cache_gib": round(max(0.0, found.available) / GIB, 3),
        "kv_cache_tokens": found.tokens,
        "max_concurrency": round(found.concurrency, 2),
        "largest_max_model_len": found.longest,
        "expected_error": found.expected_error or None,
    }


def _load(question: Question) -> Load:
    length = question.max_model_len
    return Load(
        engine_version=engine_version(question.engine_version or image_version("vllm")),
        tensor_parallel_size=question.tensor_parallel_size or 1,
        pipeline_parallel_size=question.pipeline_parallel_size or 1,
        data_parallel_size=question.data_parallel_size or 1,
        max_model_len=length if isinstance(length, int) and length > 0 else None,
        gpu_memory_utilization=question.gpu_memory_utilization,
        max_num_seqs=question.max_num_seqs,
        max_num_batched_tokens=question.max_num_batched_tokens,
        kv_cache_dtype=question.kv_cache_dtype or "auto",
        quantization=question.quantization,
        dtype=question.dtype or "auto",
        block_size=question.block_size,
        enforce_eager=bool(question.enforce_eager),
        sampler_backend=question.sampler_backend,
        expert_parallel=bool(question.enable_expert_parallel),
    )
