"""What a model's keys are on its server's command line and in its pod."""

from pathlib import Path
from typing import Any, cast

import pytest

from components.core.engine_args import effective
from components.core.sizing.start_up import probe_seconds
from components.document import read_document
from components.document.plans import plan_models
from tests.rendering import of_kind, render
from tests.unit.components.manifests import environment, one, stack
from tests.unit.components.ways import (
    ADAPTER,
    FOUR_L40S,
    MODEL,
    SERVER,
    STREAMED,
    TWO_NODES,
    WAYS,
    Change,
    alter_locks,
    way_document,
)

_NEW = (
    *("runner", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel", "nnodes"),
    *("enable_chunked_prefill", "enable_prefix_caching", "kv_offloading_size", "load_format"),
    *("max_num_queued_reqs", "max_num_queued_tokens", "scheduling_policy", "enable_lora"),
    *("lora_modules", "max_loras", "max_lora_rank", "speculative_config", "reasoning_parser"),
    *("enable_auto_tool_choice", "tool_call_parser", "chat_template", "limit_mm_per_prompt"),
    *("allowed_media_domains", "language_model_only", "seed"),
)


def _server(change: Change, machine: str) -> dict[str, Any]:
    """The pod's spec of a model's server; its leader's, where it is a group."""
    rendered = render(way_document(change, machine))
    groups = of_kind(rendered, "LeaderWorkerSet")
    if groups:
        return groups[0]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]
    return one(rendered, "Deployment", SERVER)["spec"]["template"]["spec"]


def _plain(value: Any) -> object:  # noqa: ANN401 - whatever a setting is
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", WAYS)
def test_a_key_of_the_document_is_a_setting_of_the_engine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows B18, B19, C4, C12, C13, D8: read back by the engine's own rules."""
    way = WAYS[name]
    alter_locks(way.altered, tmp_path, monkeypatch)
    (container,) = _server(way.change, way.machine)["containers"]
    read = effective(container["args"])
    assert read.refused is None
    assert {key: _plain(read.settings[key]) for key in way.settings} == way.settings


def test_no_key_that_is_left_out_is_on_the_command_line_but_that_nothing_is_fetched() -> None:
    deployment = one(stack("production"), "Deployment", SERVER)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert effective(container["args"]).given & set(_NEW) == {"allowed_media_domains"}


def test_adapters_lie_beside_the_model_under_the_names_that_clients_ask_for() -> None:
    """Row D8: predictable paths, a commit in each."""
    way = WAYS["one adapter of two at once"]
    (container,) = _server(way.change, way.machine)["containers"]
    words = container["args"]
    path = f"/models/{ADAPTER['source']}/{ADAPTER['revision']}"
    begin = words.index("--lora-modules")
    assert words[begin + 1 : begin + 3] == [f"one={path}", f"two={path}"]


@pytest.mark.parametrize("name", ["an adapter", "guesses of a small model"])
def test_what_is_loaded_beside_a_model_is_preloaded_with_it(name: str) -> None:
    way = WAYS[name]
    rendered = render(way_document(way.change, way.machine))
    held = str([dict(item.inputs) for item in rendered if "preload" in item.name])
    beside = way.change.get("speculation") or way.change["adapters"]["recursive"]
    for source in (way.change["source"], beside["source"]):
        assert source in held


def test_weights_from_s3_are_read_by_an_identity_of_the_server() -> None:
    for change in ({"cache": STREAMED}, {**TWO_NODES, "cache": STREAMED}):
        account = one(render(way_document(change)), "ServiceAccount", SERVER)
        role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        assert role == STREAMED["role_arn"]


def test_host_memory_for_kv_entries_is_part_of_the_pods_memory() -> None:
    """Row B2: what the engine keeps in host memory counts against the container's limit."""
    plain, offloading = (
        _server(change, FOUR_L40S)["containers"][0]["resources"]["limits"]["memory"]
        for change in ({}, {"kv_offload_gib": 8})
    )
    assert int(offloading.removesuffix("Gi")) >= int(plain.removesuffix("Gi")) + 8


@pytest.mark.parametrize(
    ("change", "gpus"),
    [({"pipeline_parallel": 2}, 2), ({"data_parallel": 2}, 2), ({"data_parallel": 4}, 4)],
)
def test_a_pod_asks_for_the_gpus_of_all_its_degrees(change: Change, gpus: int) -> None:
    """Rows B1, B18."""
    (container,) = _server(change, FOUR_L40S)["containers"]
    assert int(container["resources"]["limits"]["nvidia.com/gpu"]) == gpus


def test_batch_servers_give_way_to_interactive_ones() -> None:
    """Rows B19, D8: by the priority of their pods."""
    value = {}
    for traffic in ("interactive", "batch"):
        rendered = render(way_document({"traffic_class": traffic}))
        spec = one(rendered, "Deployment", SERVER)["spec"]["template"]["spec"]
        value[traffic] = one(rendered, "PriorityClass", spec["priorityClassName"])["value"]
    assert value["batch"] < value["interactive"]


def test_the_startup_time_that_is_left_out_is_the_plans() -> None:
    document = way_document({})
    planned = plan_models(read_document(document))[MODEL]
    (container,) = _server({}, FOUR_L40S)["containers"]
    waits = int(environment(container)["VLLM_ENGINE_READY_TIMEOUT_S"] or 0)
    assert waits >= max(300, probe_seconds(planned.deciding.phases))
