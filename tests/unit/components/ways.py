"""Ways to run a model on vLLM that a document may ask for, and what each is on the command line.

`tests/serving` holds the same ways against the real engine.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.core.model_lock import LOCK_FOLDER, lock_path, lock_text, locked_model
from components.document import parts, plans
from tests.rendering import document

Change = Mapping[str, Any]

FOUR_L4, FOUR_L40S, ONE_L40S = "g6.12xlarge", "g6e.12xlarge", "g6e.4xlarge"
MODEL = "akko-coder"
SERVER = "akko-akko-vllm"


def _model(source: str, revision: str) -> dict[str, str]:
    return {"source": source, "revision": revision}


QWEN = _model("Qwen/Qwen2.5-7B-Instruct", "a09a35458c702b33eeacc393d103063234e8bc28")
QWEN3 = _model("Qwen/Qwen3-8B", "b968826d9c46dd6066d109eabc6255188de91218")
QWEN3_SMALL = _model("Qwen/Qwen3-0.6B", "c1899de289a04d12100db370d81485cdf75e47ca")
QWEN3_LARGE = _model("Qwen/Qwen3-32B", "9216db5781bf21249d130ec9da846c4624c16137")
EXPERTS = _model("Qwen/Qwen3-30B-A3B-Instruct-2507", "0d7cf23991f47feeb3a57ecb4c9cee8ea4a17bfe")
ADAPTER = _model("mit-oasys/rlm-qwen3-30b-a3b-v0.1", "7d72253525f47b1a8c3c4e1059ff88e40232dd2f")
VISION = _model("Qwen/Qwen2.5-VL-7B-Instruct", "cc594898137f460bfe9f0759e9844b3ce807cfb5")
EMBEDDER = _model("Qwen/Qwen3-Embedding-0.6B", "97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3")
RERANKER = _model("BAAI/bge-reranker-v2-m3", "953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e")
EFS = {"kind": "efs", "storage_class": "efs", "size_gib": 200}
STREAMED = {
    "kind": "s3",
    "bucket": "akko-weights",
    "prefix": "models",
    "region": "us-east-1",
    "reader": "streamer",
    "role_arn": "arn:aws:iam::123456789012:role/weights",
}
FOUR_GPUS = {"tensor_parallel": 4, "tensor_parallel_over_pcie": True, "cache": EFS}
TWO_NODES = {**QWEN3_LARGE, **FOUR_GPUS, "pipeline_parallel": 2, "nodes": 2}
ADAPTED = {**EXPERTS, **FOUR_GPUS, "adapters": {"recursive": ADAPTER}}
DRAFT = {"method": "draft_model", **QWEN3_SMALL, "tokens": 5}
HEAD = {"method": "eagle3", **QWEN3_SMALL, "tokens": 3}
_DRAFT_PATH = f"/models/{QWEN3_SMALL['source']}/{QWEN3_SMALL['revision']}"
HEAD_CONFIG = {"architectures": ["LlamaForCausalLMEagle3"], "model_type": "llama"}
"""What a published head for EAGLE-3 says of itself."""

OWN_LAYERS = {
    "architectures": ["Glm4MoeForCausalLM"],
    "model_type": "glm4_moe",
    "n_routed_experts": 128,
    "n_shared_experts": 0,
    "first_k_dense_replace": 0,
    "n_group": 1,
    "topk_group": 1,
    "routed_scaling_factor": 1.0,
    "partial_rotary_factor": 0.5,
    "num_nextn_predict_layers": 1,
}
"""A model with a layer that predicts further tokens, in the shape of the one with experts."""


@dataclass(frozen=True)
class Way:
    """A way to run a model.

    Attributes:
        change: Keys of the model.
        settings: The engine's settings that the line has to come to.
        machine: Of its pool.
        altered: Fields of the config.json of some locks, by the hub id.
    """

    change: Change
    settings: Mapping[str, object]
    machine: str = FOUR_L4
    altered: Mapping[str, Change] = field(default_factory=dict[str, Change])


WAYS: Mapping[str, Way] = {
    "generate": Way({"task": "generate"}, {"runner": "auto"}),
    "embeddings": Way({**EMBEDDER, "task": "embed"}, {"runner": "pooling"}),
    "a reranker": Way({**RERANKER, "task": "rerank"}, {"runner": "pooling"}),
    "a classifier": Way({**RERANKER, "task": "classify"}, {"runner": "pooling"}),
    "further names": Way(
        {"served_names": ["coder-2", "org/coder:7b"]},
        {"served_model_name": [MODEL, QWEN["source"], "coder-2", "org/coder:7b"]},
    ),
    "stages": Way({"pipeline_parallel": 2}, {"pipeline_parallel_size": 2}),
    "copies": Way({"data_parallel": 2}, {"data_parallel_size": 2}),
    "whole experts": Way(
        {**EXPERTS, **FOUR_GPUS, "expert_parallel": True},
        {"enable_expert_parallel": True, "tensor_parallel_size": 4},
        FOUR_L40S,
    ),
    "two nodes": Way(
        TWO_NODES,
        {"nnodes": 2, "pipeline_parallel_size": 2, "tensor_parallel_size": 4},
    ),
    "two nodes with EFA": Way(
        {**TWO_NODES, "efa_devices": 1, "image": "registry.local:5000/vllm-efa:v0.31.0"},
        {"nnodes": 2},
    ),
    "chunked prefill": Way({"chunked_prefill": True}, {"enable_chunked_prefill": True}),
    "no chunked prefill": Way(
        {"chunked_prefill": False, "max_num_batched_tokens": 4096},
        {"enable_chunked_prefill": False, "max_num_batched_tokens": 4096},
    ),
    "long prompts in one step": Way(
        {"chunked_prefill": False, "max_model_len": 16_384}, {"enable_chunked_prefill": False}
    ),
    "guesses of its own layers": Way(
        {**EXPERTS, **FOUR_GPUS, "speculation": {"method": "mtp", "tokens": 1}},
        {"speculative_config": {"method": "mtp", "num_speculative_tokens": 1}},
        FOUR_L40S,
        {EXPERTS["source"]: OWN_LAYERS},
    ),
    "prefixes of each tenant": Way(
        {"prefix_caching": "per-tenant"}, {"enable_prefix_caching": None}
    ),
    "prefixes of all": Way({"prefix_caching": "shared"}, {"enable_prefix_caching": None}),
    "no prefixes": Way({"prefix_caching": "off"}, {"enable_prefix_caching": False}),
    "KV entries in host memory": Way({"kv_offload_gib": 8}, {"kv_offloading_size": 8}),
    "short queues": Way(
        {"max_num_seqs": 64, "max_num_queued_reqs": 64, "max_num_queued_tokens": 80_000},
        {"max_num_queued_reqs": 64, "max_num_queued_tokens": 80_000},
    ),
    "priorities": Way({"scheduling": "priority"}, {"scheduling_policy": "priority"}),
    "first come, first served": Way({"scheduling": "fcfs"}, {"scheduling_policy": "fcfs"}),
    "an adapter": Way(
        ADAPTED,
        {"enable_lora": True, "max_loras": 1, "max_lora_rank": 32},
        FOUR_L40S,
    ),
    "one adapter of two at once": Way(
        {**ADAPTED, "adapters": {"one": ADAPTER, "two": ADAPTER}, "max_loras": 1},
        {"enable_lora": True, "max_loras": 1},
        FOUR_L40S,
    ),
    "guesses from the prompt": Way(
        {"speculation": {"method": "ngram", "tokens": 3, "lookup": 5}},
        {
            "speculative_config": {
                "method": "ngram",
                "num_speculative_tokens": 3,
                "prompt_lookup_max": 5,
            }
        },
    ),
    "guesses of a small model": Way(
        {**QWEN3, "speculation": DRAFT},
        {
            "speculative_config": {
                "method": "draft_model",
                "num_speculative_tokens": 5,
                "model": _DRAFT_PATH,
            }
        },
        ONE_L40S,
    ),
    "guesses of a head": Way(
        {**QWEN3, "speculation": HEAD},
        {
            "speculative_config": {
                "method": "eagle3",
                "num_speculative_tokens": 3,
                "model": _DRAFT_PATH,
            }
        },
        ONE_L40S,
        {QWEN3_SMALL["source"]: HEAD_CONFIG},
    ),
    "parsers of thoughts and tool calls": Way(
        {**QWEN3, "reasoning_parser": "qwen3", "tool_call_parser": "hermes"},
        {
            "reasoning_parser": "qwen3",
            "enable_auto_tool_choice": True,
            "tool_call_parser": "hermes",
        },
        ONE_L40S,
    ),
    "pictures": Way(
        {**VISION, "images_per_prompt": 4},
        {
            "limit_mm_per_prompt": {"image": 4},
            "allowed_media_domains": ["pictures-are-sent-inline.invalid"],
        },
        ONE_L40S,
    ),
    "no pictures": Way({**VISION, "images_per_prompt": 0}, {"language_model_only": True}, ONE_L40S),
    "further flags": Way({"extra_args": ["--seed=7"]}, {"seed": 7}),
    "weights from S3": Way(
        {"cache": STREAMED},
        {
            "load_format": "runai_streamer",
            "model": f"s3://akko-weights/models/{SERVER}/{QWEN['source']}/{QWEN['revision']}",
        },
    ),
}


def way_document(change: Change, machine: str = FOUR_L4) -> dict[str, Any]:
    """The production document with a changed model, on machines that have room for it.

    Args:
        change: Keys of the model; CPUs and memory are the plan's.
        machine: Of its pool.
    """
    value = document("production")
    own: dict[str, Any] = value["models"][MODEL]
    kept = {key: each for key, each in own.items() if key not in {"cpu", "memory_gib"}}
    value["models"][MODEL] = {**kept, **change}
    value["node_pools"]["l4"] |= {"instance_types": [machine], "max_gpus": 64}
    return value


def alter_locks(
    altered: Mapping[str, Change], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the document find locks whose config.json has other fields.

    Args:
        altered: Those fields by the hub id.
        folder: An empty one.
        monkeypatch: Ends it.
    """
    if not altered:
        return
    for file in LOCK_FOLDER.glob("*.json"):
        fields = json.loads(file.read_text(encoding="utf-8"))
        fields["config"] |= altered.get(fields["source"], {})
        place = lock_path(fields["source"], fields["revision"], folder)
        place.write_text(lock_text(fields), encoding="utf-8")
    for module in (plans, parts):
        monkeypatch.setattr(module, "locked_model", partial(locked_model, folder=folder))


def config_of(source: str, altered: Mapping[str, Change]) -> dict[str, Any]:
    """The config.json of a locked model, with the fields that a way alters."""
    (file,) = LOCK_FOLDER.glob(f"{source.replace('/', '--')}@*.json")
    return {**json.loads(file.read_text(encoding="utf-8"))["config"], **altered.get(source, {})}


def named_sources(change: Change) -> Sequence[Mapping[str, str]]:
    """Hub id and revision of what a model's keys name: itself, adapters, draft."""
    beside: list[Mapping[str, str]] = [
        *change.get("adapters", {}).values(),
        change.get("speculation", {}),
    ]
    return [change, *(each for each in beside if "source" in each)]
