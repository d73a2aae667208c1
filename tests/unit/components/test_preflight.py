"""The preflight's container and its ConfigMap: what the plan says, hardened, with the same GPUs."""

import json
import re
from dataclasses import fields, replace
from typing import Any, cast

import pytest

from components.core.hardware import INSTANCE_TYPES
from components.core.images import image
from components.pods import hardened_pod, resources, scratch
from components.preflight import (
    PreflightPlan,
    preflight_config_name,
    preflight_container,
    preflight_files,
    preflight_plan,
    preflight_volume,
)
from components.programs.preflight import Facts, Gpu, Plan, judge
from tests.unit.policies.analyzer import analyze, put
from tests.unit.policies.manifests import (
    DEPLOYMENT,
    ENGINE_LABELS,
    ENGINE_POD,
    MODEL_KEY,
    deployment,
)

ENGINE = resources(3, 7, gpus=4)
DEVICE_NAMES = {
    "t4": "Tesla T4",
    "a10g": "NVIDIA A10G",
    "l4": "NVIDIA L4",
    "l40s": "NVIDIA L40S",
    "rtx-pro-4500": "NVIDIA RTX PRO 4500 Blackwell Server Edition",
    "rtx-pro-6000": "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    "a100-40gb": "NVIDIA A100-SXM4-40GB",
    "a100-80gb": "NVIDIA A100-SXM4-80GB",
    "h100": "NVIDIA H100 80GB HBM3",
    "h200": "NVIDIA H200",
    "b200": "NVIDIA B200",
    "b300": "NVIDIA B300 SXM6 AC",
}
"""As drivers write them; those of the RTX PRO 4500 and the B300 are assumed."""


OWN_GPU = replace(
    INSTANCE_TYPES["g6.xlarge"].gpu,
    name="b100",
    label=None,
    memory_mib=100_000,
    cuda_memory_mib=None,
    cuda_low_mib=None,
)


def planned(*names: str, gpus: int = 1) -> PreflightPlan:
    machines = [INSTANCE_TYPES[name] for name in names]
    return preflight_plan(machines, gpus=gpus, gpu_memory_utilization=0.9, shm_gib=gpus)


CONTAINER = cast("dict[str, Any]", preflight_container(image("vllm"), ENGINE))


def wire(value: Any) -> Any:  # noqa: ANN401 - any manifest
    """A manifest with the names that Kubernetes knows."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {re.sub("_(.)", lambda m: m[1].upper(), key): wire(each) for key, each in items}
    return [wire(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


def test_a11_the_preflight_runs_the_engines_image_on_the_engines_gpus() -> None:
    """A11: its torch and CUDA are what is tried; without a request of its own it has no device."""
    assert CONTAINER["image"] == image("vllm")
    assert CONTAINER["resources"]["limits"] == {"memory": "7Gi", "nvidia.com/gpu": "4"}
    assert CONTAINER["resources"] == ENGINE
    assert CONTAINER["command"] == ["python3", "/preflight/preflight.py", "/preflight/plan.json"]
    assert CONTAINER["termination_message_policy"] == "FallbackToLogsOnError"


def test_it_sees_the_engines_shm_and_writes_to_scratch_alone() -> None:
    assert CONTAINER["volume_mounts"] == [
        {"name": "preflight", "mount_path": "/preflight", "read_only": True},
        {"name": "tmp", "mount_path": "/tmp"},
        {"name": "shm", "mount_path": "/dev/shm"},
    ]
    assert preflight_volume("x-1") == {"name": "preflight", "config_map": {"name": "x-1"}}


def test_it_is_hardened_like_every_container() -> None:
    pod = hardened_pod(
        [],
        [preflight_volume("x"), scratch("tmp", "1Gi"), scratch("shm", "1Gi", memory=True)],
        uid=2000,
        group=0,
        init_containers=[preflight_container(image("vllm"), ENGINE)],
    )
    (hardened,) = cast("dict[str, Any]", pod)["init_containers"]
    assert hardened["security_context"]["read_only_root_filesystem"] is True
    assert hardened["security_context"]["capabilities"] == {"drop": ["ALL"]}


def test_the_policies_take_it_for_what_it_is_and_not_for_a_server() -> None:
    pod = put(ENGINE_POD, "initContainers", value=[wire(CONTAINER)])
    manifest = deployment(pod, ENGINE_LABELS, {"inference-platform/document-key": MODEL_KEY})
    assert analyze(DEPLOYMENT, manifest) == []


def test_the_program_finds_beside_it_what_it_needs_and_reads_its_plan() -> None:
    files = preflight_files(planned("g6.12xlarge", gpus=4))
    assert set(files) == {"preflight.py", "gpu_facts.py", "plan.json"}
    assert 'with_name("gpu_facts.py")' in files["preflight.py"]
    told = json.loads(files["plan.json"])
    assert told == {
        "gpus": 4,
        "gpu": "l4",
        "memory_mib": 22107,
        "gpu_memory_utilization": 0.9,
        "compute_capability": None,
        "shm_gib": 4,
        "peer_access": False,
        "runbooks": "runbooks",
    }
    assert set(told) <= {field.name for field in fields(Plan)}


def test_the_files_fit_into_a_config_map() -> None:
    """The API server takes a mebibyte."""
    files = preflight_files(planned("g6.xlarge"))
    assert sum(len(text.encode()) for text in files.values()) < 2**20 / 4


def test_another_plan_has_another_name() -> None:
    plan = planned("g6.xlarge")
    name = preflight_config_name("akko-akko-vllm", preflight_files(plan))
    assert re.fullmatch(r"akko-akko-vllm-preflight-[0-9a-f]{8}", name)
    assert name == preflight_config_name("akko-akko-vllm", preflight_files(plan))
    other = preflight_files(replace(plan, shm_gib=2))
    assert name != preflight_config_name("akko-akko-vllm", other)


def test_a_pool_of_several_kinds_is_held_to_what_holds_on_all_of_them() -> None:
    plan = planned("g6.xlarge", "g5.xlarge")
    assert plan.gpu is None
    assert plan.memory_mib == planned("g5.xlarge").memory_mib < planned("g6.xlarge").memory_mib


def test_nvlink_is_asked_for_where_every_machine_has_it() -> None:
    assert planned("p4d.24xlarge", gpus=8).peer_access is True
    assert planned("p4d.24xlarge").peer_access is False
    assert planned("p4d.24xlarge", "g6.48xlarge", gpus=8).peer_access is False


def test_a_gpu_of_the_documents_own_is_judged_by_what_is_known_of_it() -> None:
    own = replace(INSTANCE_TYPES["g6.xlarge"], gpu=OWN_GPU)
    plan = preflight_plan([own], gpus=1, gpu_memory_utilization=0.9, shm_gib=1)
    assert (plan.gpu, plan.memory_mib) == (None, 90_000)


@pytest.mark.parametrize("machine", INSTANCE_TYPES)
def test_every_machine_of_the_catalogue_meets_the_plan_for_it(machine: str) -> None:
    """No kind is refused for its name or for the lowest total that was ever seen of it."""
    kind = INSTANCE_TYPES[machine].gpu
    count = INSTANCE_TYPES[machine].gpu_count
    plan = Plan(**json.loads(preflight_files(planned(machine, gpus=count))["plan.json"]))
    total = kind.cuda_low_mib or 0
    gpu = Gpu(DEVICE_NAMES[kind.name], total, kind.compute_capability or (), total - 400)
    assert judge(Facts(shm_mib=count * 1024, gpus=(gpu,) * count), plan) == []
    assert plan.gpu is not None
