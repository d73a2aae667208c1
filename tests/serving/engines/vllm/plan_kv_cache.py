"""Let the real vLLM lay out the KV cache: a case a line on standard input, an answer a line back.

A case: `{"config": {...}, "settings": {...}, "gpu": {"name", "memory", "capability"}, "available":
bytes}`, the settings being vLLM's own names, the bytes what profiling would have left. vLLM fills
in its defaults, builds the model's layers and asks them what they keep; every number is its own.
The answer: `{"defaults": {...}, "groups": [...], "plan": {...}}`, or `{"refused": "its words"}`
where it does not take the settings. The first line out, `{"version": ...}`, comes when vLLM is
imported. config.json is written to the current folder.
"""

# ruff: noqa: SLF001 - vLLM's own steps have no public name
import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import torch
from pretend_gpu import MissingKernels, PretendGpu, join
from serve_parser import version
from vllm.config import VllmConfig, set_current_vllm_config
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.layers import sparse_attn_indexer
from vllm.model_executor.model_loader.utils import initialize_model
from vllm.usage.usage_lib import UsageContext
from vllm.utils.torch_utils import set_default_torch_dtype
from vllm.v1.core import kv_cache_utils as engine
from vllm.v1.kv_cache_interface import KVCacheGroupSpec, KVCacheSpec, iter_layer_specs
from vllm.v1.worker.gpu.attn_utils import get_kv_cache_spec
from vllm.v1.worker.workspace import init_workspace_manager

sparse_attn_indexer.has_deep_gemm = lambda: True
_LAYOUT = "LBNHC"
"""The layout that vLLM resolves to where no connector asks for another."""


def answer(case: Mapping[str, object]) -> dict[str, object]:
    """What vLLM makes of one case.

    Args:
        case: See the head of this file.
    """
    PretendGpu.gpu = SimpleNamespace(**case["gpu"])
    try:
        config = _configure(case["config"], case["settings"])
    except ValueError as error:
        return {"refused": _words(error)}
    try:
        stages = [_layers(config, stage) for stage in range(_stages(config))]
    except (AssertionError, ValueError) as error:
        return {"refused": _words(error)}
    config.cache_config.kv_cache_layout = _LAYOUT
    return {"defaults": _defaults(config)} | _plan(config, stages, case["available"])


def _words(error: Exception) -> str:
    """The engine's own sentence: pydantic puts a head before it and the input behind."""
    text = str(error).partition("Value error, ")[2] or str(error)
    return text.partition(" [type=")[0]


def _configure(config: Mapping[str, object], settings: Mapping[str, object]) -> VllmConfig:
    Path("config.json").write_text(json.dumps(config), encoding="utf-8")
    arguments = EngineArgs(
        model=str(Path.cwd()),
        skip_tokenizer_init=True,
        load_format="dummy",
        enforce_eager=True,
        distributed_executor_backend="mp",
        **settings,
    )
    return arguments.create_engine_config(UsageContext.OPENAI_API_SERVER)


def _stages(config: VllmConfig) -> int:
    return config.parallel_config.pipeline_parallel_size


def _layers(config: VllmConfig, stage: int) -> dict[str, KVCacheSpec]:
    """What the layers of a stage keep, as its worker tells the engine."""
    init_workspace_manager(torch.device("meta"))
    join(config.parallel_config.tensor_parallel_size, _stages(config), stage)
    config.device_config.device = torch.device("meta")
    config.compilation_config.static_forward_context.clear()
    with (
        MissingKernels(),
        torch.device("meta"),
        set_current_vllm_config(config),
        set_default_torch_dtype(config.model_config.dtype),
    ):
        initialize_model(config)
        PretendGpu.update_block_size_for_backend(config)
        return get_kv_cache_spec(config)


def _defaults(config: VllmConfig) -> dict[str, object]:
    return {
        "max_num_seqs": config.scheduler_config.max_num_seqs,
        "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
        "max_model_len": config.model_config.max_model_len,
        "gpu_memory_utilization": config.cache_config.gpu_memory_utilization,
        "in_flight_tokens": config.max_in_flight_tokens,
        "block_size": config.cache_config.block_size,
    }


def _plan(
    config: VllmConfig, stages: list[dict[str, KVCacheSpec]], available: int
) -> dict[str, object]:
    merged = {name: spec for stage in stages for name, spec in stage.items()}
    groups = engine.get_kv_cache_groups(config, dict(merged))
    workers = [engine._project_kv_cache_groups_to_worker(groups, stage) for stage in stages]
    workers = [worker for worker in workers if worker]
    said = {"groups": [_group(group) for group in groups]}
    if not workers:
        return said | {"plan": None}
    sizes = [engine._pool_bytes_per_block(config, worker) for worker in workers]
    needed = [engine._max_memory_usage_bytes_from_groups(config, worker) for worker in workers]
    plan = {
        "block_bytes": max(sizes),
        "request_bytes": max(needed),
        "longest": min(
            engine._estimate_max_model_len_from_groups(config, worker, available - size)
            for worker, size in zip(workers, sizes, strict=True)
        ),
    }
    try:
        made = engine.get_kv_cache_configs(config, stages, [available] * len(stages))
    except ValueError as error:
        return said | {"plan": plan | {"refused": str(error)}}
    whole = engine.generate_scheduler_kv_cache_config(made)
    tokens, concurrency = engine.get_kv_cache_capacity(config, whole)
    counted = {"blocks": whole.num_blocks, "tokens": tokens, "concurrency": concurrency}
    return said | {"plan": plan | counted}


def _group(group: KVCacheGroupSpec) -> dict[str, object]:
    specs = list(iter_layer_specs(group.kv_cache_spec))
    return {
        "kinds": sorted({type(spec).__name__ for spec in specs}),
        "layers": len(group.layer_names),
        "block_tokens": group.kv_cache_spec.block_size,
    }


def main() -> None:
    """Answer until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    print(json.dumps({"version": version()}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception:  # a fault of this script: the test shows it
            said = {"broken": traceback.format_exc()}
        print(json.dumps(said), file=answers, flush=True)


if __name__ == "__main__":
    main()
