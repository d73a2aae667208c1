"""What a pool, a volume, a pod and a lock cannot hold is refused before it is deployed."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.core.model_lock import LOCK_FOLDER, lock_path, lock_text, locked_model
from components.document import ROOT, DocumentError, parse_document, plans, read_document
from components.document.capacity import whole_machine_gpus
from components.document.plans import ModelPlan, plan_models
from tests.rendering import document

KEY = f"{ROOT}.models.akko-coder"
POOL = f"{ROOT}.node_pools.l4"
AWQ = ("Qwen/Qwen2.5-7B-Instruct-AWQ", "b25037543e9394b818fdfca67ab2a00ecc7dd641")
GPT_OSS = ("openai/gpt-oss-20b", "6cee5e81ee83917806bbde320786a8fb61efebee")
PLAIN = ("Qwen/Qwen2.5-7B-Instruct", "a09a35458c702b33eeacc393d103063234e8bc28")


def _changed(**change: object) -> dict[str, Any]:
    value = document("production")
    value["models"]["akko-coder"] |= change
    return value


def _planned(value: dict[str, Any]) -> ModelPlan:
    return plan_models(parse_document(value))["akko-coder"]


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


def test_a_machine_that_karpenter_may_buy_is_planned_although_it_is_tight() -> None:
    """15 of 16 GiB and all 4 CPUs: whether the node has them is known when it is there."""
    value = _changed(cpu=4, memory_gib=15)
    value["node_pools"]["l4"]["instance_types"] = ["g4dn.xlarge", "g6.2xlarge"]
    assert [each.machine for each in _planned(value).plans] == ["g4dn.xlarge", "g6.2xlarge"]


def test_a_pool_of_machines_that_may_be_too_tight_has_no_room() -> None:
    value = _changed(cpu=3, memory_gib=15)
    value["node_pools"]["l4"]["instance_types"] = ["g6.xlarge"]
    assert _refusal(value).startswith(
        f"{KEY} asks for 1 GPU, 3 CPU and 15 GiB a replica, which no node of pool l4 has (g6.xlarge"
    )


def test_a_machine_of_more_gpus_than_the_ceiling_is_refused() -> None:
    value = _changed()
    value["node_pools"]["l4"]["instance_types"] = ["g6.2xlarge", "g6.48xlarge"]
    assert _refusal(value) == (
        f"{POOL}.instance_types names g6.48xlarge, but a whole machine of 8 GPUs can never be "
        f"bought under max_gpus 4: raise {POOL}.max_gpus, or take it out"
    )


def test_the_ceiling_counts_whole_machines() -> None:
    value = _changed(tensor_parallel=2, tensor_parallel_over_pcie=True, replicas=3)
    value["node_pools"]["l4"] |= {"instance_types": ["g6.12xlarge"], "max_gpus": 6}
    assert _refusal(value).startswith(
        f"{POOL}.max_gpus is 6, but its models ask for 6 GPUs, in whole machines 8: raise it, or "
    )
    value["node_pools"]["l4"]["max_gpus"] = 9
    assert read_document(value).spare_gpus("l4") == 1


@pytest.mark.parametrize(
    ("replicas", "sizes", "bought"),
    [
        ({}, {4}, 0),
        ({1: 3}, {1, 8}, 3),
        ({1: 3}, {4}, 4),
        ({3: 2}, {4}, 8),
        ({3: 2, 1: 2}, {4}, 8),
        ({4: 1, 1: 1}, {1, 4}, 5),
        ({8: 1}, {4}, 8),
        ({1: 10_000}, {8}, 10_000),
    ],
)
def test_replicas_are_packed_on_the_smallest_machines_that_hold_them(
    replicas: dict[int, int], sizes: set[int], bought: int
) -> None:
    assert whole_machine_gpus(replicas, sizes) == bought


def test_a_volume_smaller_than_the_models_files_is_refused_with_the_number() -> None:
    cache = {"kind": "efs", "storage_class": "efs"}
    assert _refusal(_changed(cache={**cache, "size_gib": 14})) == (
        f"{KEY}.cache.size_gib is 14, but the files of Qwen/Qwen2.5-7B-Instruct take 15 GiB: raise "
        "it to 15 at least"
    )
    read_document(_changed(cache={**cache, "size_gib": 15}))


def test_a_model_that_needs_a_token_is_refused() -> None:
    gated = {
        "source": "meta-llama/Llama-3.1-8B-Instruct",
        "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
    }
    assert _refusal(_changed(**gated)) == (
        f"{KEY} needs meta-llama/Llama-3.1-8B-Instruct, which the hub hands only to accounts that "
        f"accepted its licence: say in {ROOT}.hub.token where the token of such an account is, or "
        "take a model that is not gated"
    )
    value = _changed(**gated)
    value["hub"] = {"token": {"source": "existing", "secret_name": "hub-token"}}
    read_document(value)


def _resized(
    model: tuple[str, str], times: float, folder: Path, patch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A document with a model whose lock was signed with other sizes of its weights."""
    fields = json.loads(lock_path(*model, LOCK_FOLDER).read_text(encoding="utf-8"))
    weights = [file for file in fields["files"] if file["path"].endswith(".safetensors")]
    for file in weights:
        file["size"] = int(file["size"] * times)
    fields["weight_bytes"] = sum(file["size"] for file in weights)
    lock_path(*model, folder).write_text(lock_text(fields), encoding="utf-8")
    patch.setattr(plans, "locked_model", partial(locked_model, folder=folder))
    source, revision = model
    value = _changed(source=source, revision=revision)
    value["models"]["akko-coder"]["cache"]["size_gib"] = 100
    return value


@pytest.mark.parametrize(
    ("model", "times"), [(PLAIN, 0.6), (PLAIN, 1.6), (AWQ, 0.6), (AWQ, 1.6), (GPT_OSS, 0.3)]
)
def test_a_lock_whose_weights_cannot_be_its_models_is_refused(
    model: tuple[str, str], times: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _refusal(_resized(model, times, tmp_path, monkeypatch)).splitlines()[0]
    assert said.startswith(f"{KEY}.source is {model[0]}, whose lock says ")
    assert said.endswith(
        f": it was edited, or is not this model's; run `make lock MODEL={model[0]} "
        f"REVISION={model[1]}` again"
    )


@pytest.mark.parametrize(("model", "times"), [(PLAIN, 0.8), (AWQ, 1.4), (GPT_OSS, 0.5)])
def test_a_lock_that_may_be_its_models_is_taken(
    model: tuple[str, str], times: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = _resized(model, times, tmp_path, monkeypatch)
    assert not [text for text in _planned(value).problems if "whose lock says" in text]


def test_a_pod_of_much_less_memory_than_the_plan_is_refused() -> None:
    assert _refusal(_changed(memory_gib=4)) == (
        f"{KEY}.memory_gib is 4, the plan expects 7 GiB of host memory, 1 of it /dev/shm: raise "
        "it, or leave it out"
    )


def test_a_start_shorter_than_expected_is_a_warning() -> None:
    slow = {"kind": "ebs", "storage_class": "gp3", "size_gib": 50, "throughput_mib_per_second": 60}
    (said,) = _planned(_changed(startup_seconds=300, cache=slow)).warnings
    assert said.startswith(f"{KEY}.startup_seconds is 300, the plan expects a start of ")


def test_an_engine_whose_flags_nobody_knows_is_refused() -> None:
    assert _refusal(_changed(image="docker.io/vllm/vllm-openai:v0.20.1")) == (
        f"{KEY}.image is of vLLM 0.20.1, whose flags are not known; known are 0.31.0 and 0.32.0: "
        f"take an image of one of them, or leave {KEY}.image out"
    )


def test_an_image_of_another_repository_is_a_warning() -> None:
    (said,) = _planned(_changed(image="registry.local:5000/vllm:v0.31.0")).warnings
    assert said.startswith(
        f"{KEY}.image is of registry.local:5000/vllm, not of docker.io/vllm/vllm-openai: "
    )
