"""The planner's KV cache against vLLM's own: its defaults, layers, groups, blocks and refusals.

vLLM runs on a CPU and takes it for a GPU (engines/vllm/pretend_gpu.py). Not covered: models that it
does not build without compiled packages or further files (see `_NOT_BUILT`), and drafts.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from components.core.architecture import read_architecture
from components.core.sizing.defaults import resolve
from components.core.sizing.engine_errors import no_memory, too_small
from components.core.sizing.kv_cache import cache_layout
from components.core.sizing.limits import refusals
from components.core.sizing.request import Device, Load
from tests.serving.model_configs import CONFIGS
from tests.serving.real_engine import H100, Answer, Case, Gpu, RealEngine, real_engine

pytestmark = pytest.mark.timeout(3600)  # the first test may install vLLM

_PUBLISHED = Path(__file__).parent.parent / "planner" / "configs"
_VERSION = (0, 32, 0)
_GIB = 2**30
_NOT_BUILT = {
    "DeepseekV4ForCausalLM": "its layers need packages for CUDA; the planner refuses it too",
    "MllamaForConditionalGeneration": "vLLM asks for the files of its image processor",
}
_LEFT_OUT: Mapping[str, Mapping[str, Any]] = {
    "MiniMaxM2ForCausalLM": {"scoring_func": "sigmoid", "use_routing_bias": True},
    "DeepseekV2ForCausalLM": {"n_group": 1, "topk_group": 1, "topk_method": "greedy"},
    "ChatGLMModel": {"original_rope": True, "add_qkv_bias": True, "rmsnorm": True},
    "Gemma4ForConditionalGeneration": {"vision_config": {"model_type": "gemma4_vision"}},
    "GlmMoeDsaForCausalLM": {"index_topk_freq": 4, "index_skip_topk_offset": 3},
    "Qwen3VLMoeForConditionalGeneration": {"text_config": {"norm_topk_prob": True}},
}
"""Keys that say nothing of memory, which vLLM needs and the collected files may lack."""
_SETTINGS: tuple[Mapping[str, Any], ...] = (
    {},
    {"tensor_parallel_size": 8},
    {"tensor_parallel_size": 2, "pipeline_parallel_size": 2},
    {"pipeline_parallel_size": 3, "enable_prefix_caching": False},
    {"tensor_parallel_size": 2, "kv_cache_dtype": "fp8"},
    {"max_model_len": 3000, "max_num_seqs": 16, "block_size": 64},
    {"max_num_batched_tokens": 512, "enable_prefix_caching": True},
)


@pytest.fixture(scope="module")
def engine() -> Iterator[RealEngine]:
    with real_engine() as child:
        assert child.version == ".".join(map(str, _VERSION))
        yield child


def _published() -> dict[str, Mapping[str, Any]]:
    """One file for every architecture and shape."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(_PUBLISHED.glob("*.json")):
        config = json.loads(path.read_text(encoding="utf-8"))
        name = config["architectures"][0]
        text = config.get("text_config") or config
        keys = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_nextn")
        if name not in _NOT_BUILT:
            found.setdefault(
                f"{name} {[text.get(key) for key in keys]}",
                _plain(_completed(config, name)),
            )
    return found


def _completed(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    added = _LEFT_OUT.get(name, {})
    merged = dict(added) | dict(config)
    if "text_config" in added:
        merged["text_config"] = added["text_config"] | config["text_config"]
    return merged


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without quantisation, whose kernels are absent: it has no part in the layout."""
    return {
        key: _plain(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
        for key, value in config.items()
        if key not in {"quantization_config", "compression_config"}
    }


def test_every_published_model_is_laid_out_as_vllm_does(engine: RealEngine) -> None:
    compared = 0
    for config in _published().values():
        for asked in _SETTINGS:
            if _unforeseen(config, asked):
                continue
            _compare(engine, Case(config, asked, 20 * _GIB + 12_345))
            compared += 1
    assert compared > 200, "the folder of published configs is too small to prove anything"


def _unforeseen(config: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Refusals of vLLM that the planner does not know: towers, and caches shared over stages."""
    text = config.get("text_config") or config
    tower = config.get("vision_config") and asked.get("tensor_parallel_size") == 8
    return bool(tower or (asked.get("pipeline_parallel_size") and text.get("num_kv_shared_layers")))


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_any_shape_is_laid_out_as_vllm_does(engine: RealEngine, kind: str) -> None:
    @settings(
        deadline=None,
        derandomize=True,
        max_examples=120,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(config=CONFIGS[kind], asked=_ASKED, available=st.integers(-1, 2**33))
    def check(config: Mapping[str, Any], asked: Mapping[str, Any], available: int) -> None:
        stages = asked.get("pipeline_parallel_size", 1)
        assume(stages <= config.get("num_hidden_layers", 8))
        # The message names the key of the length, which other kinds call otherwise.
        assume(kind not in {"rare", "old"} or asked.get("max_model_len", 0) < 5000)
        # vLLM has no kernel for it.
        assume(kind not in {"latent", "rare"} or asked.get("dtype") != "float32")
        # Falcon's class leaves the dtype of the cache out.
        assume(kind != "old" or "kv_cache_dtype" not in asked)
        # A stage without attention does not know the others' block; published models have none.
        assume(kind not in {"delta", "mamba2", "rare"} or stages == 1)
        _compare(engine, Case(config, asked, available))

    check()


_ASKED = st.fixed_dictionaries(
    {},
    optional={
        "tensor_parallel_size": st.sampled_from([1, 2, 4, 8]),
        "pipeline_parallel_size": st.sampled_from([1, 2, 3]),
        "max_model_len": st.sampled_from([7, 300, 1000, 5000]),
        "block_size": st.sampled_from([16, 32, 64, 128]),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8", "fp8_e4m3", "bfloat16"]),
        "max_num_seqs": st.sampled_from([1, 16, 3000]),
        "max_num_batched_tokens": st.sampled_from([64, 512, 4096]),
        "dtype": st.sampled_from(["auto", "bfloat16", "float32"]),
        "enable_prefix_caching": st.booleans(),
    },
)


@pytest.mark.parametrize("gpu", [
    H100,
    Gpu("NVIDIA H200", 150_110_011_392, (9, 0)),
    Gpu("NVIDIA B200", 191_509_823_488, (10, 0)),
    Gpu("NVIDIA A100-SXM4-80GB", 85_100_068_864, (8, 0)),
    Gpu("NVIDIA L40S", 47_697_362_944, (8, 9)),
    Gpu("NVIDIA L4", 23_659_151_360, (8, 9)),
    Gpu("NVIDIA RTX PRO 6000 Blackwell Server Edition", 101_950_619_648, (12, 0)),
], ids=lambda gpu: gpu.name)  # fmt: skip
def test_every_device_has_the_batch_that_vllm_gives_it(engine: RealEngine, gpu: Gpu) -> None:
    """Bytes are what CUDA reports, rounded; only the thresholds of 70 and 160 GiB count."""
    config = json.loads((_PUBLISHED / "Qwen--Qwen3-8B.json").read_text(encoding="utf-8"))
    _compare(engine, Case(config, {}, 4 * _GIB, gpu))


def _compare(engine: RealEngine, case: Case) -> None:
    theirs, ours = engine.plan(case), _ours(case)
    if "refused" in theirs:
        assert theirs["refused"].startswith(ours["refused"] or "(we take it)"), case
        return
    assert ours["refused"] is None, f"{case}: {theirs}"
    for key, value in ours["defaults"].items():
        assert value == theirs["defaults"][key], f"{key}: {case}, {theirs}"
    if theirs["plan"] is None:
        assert not ours["plan"]["block_bytes"], case
        return
    if "refused" in theirs["plan"] and case.settings.get("pipeline_parallel_size", 1) > 1:
        # vLLM speaks of the first stage that is too small, the planner of the largest.
        del theirs["plan"]["refused"]
        assert ours["plan"]["refused"], case
    for key, value in theirs["plan"].items():
        assert ours["plan"][key] == value, f"{key}: {case}, {theirs}"


def _ours(case: Case) -> Answer:
    """The planner's answer in the words of the child."""
    model = read_architecture(case.config)
    available, gpu = case.available, case.gpu
    device = Device(gpu.name, gpu.memory / _GIB, gpu.capability)
    named = {name.removeprefix("enable_"): value for name, value in case.settings.items()}
    load = Load(engine_version=_VERSION, language_model_only=True, **named)
    chosen = resolve(model, device, load)
    cache = cache_layout(model, load, chosen)
    length, spare = chosen.max_model_len, cache.spare_bytes
    longest = cache.longest(available, length)
    plan: Answer = {
        "block_bytes": cache.block_bytes,
        "request_bytes": cache.request_bytes(length),
        "longest": longest,
        "blocks": cache.blocks(available),
        "tokens": cache.capacity(available),
        "concurrency": cache.concurrency(available, length),
    }
    if available <= spare:
        plan["refused"] = no_memory(_VERSION)
    elif cache.needed_bytes(length) > available:
        plan["refused"] = too_small(
            _VERSION, length, cache.request_bytes(length), available - spare, longest
        )
    refused = next(iter(refusals(model, device, load, chosen)), None)
    return {
        "defaults": {
            "max_num_seqs": chosen.max_num_seqs,
            "max_num_batched_tokens": chosen.max_num_batched_tokens,
            "max_model_len": length,
            "gpu_memory_utilization": chosen.utilization,
            "in_flight_tokens": chosen.in_flight_tokens,
        },
        "plan": plan,
        "refused": None if refused is None else refused.error,
    }
