"""A model's settings reach its server: command line, memory, /dev/shm, annotations."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.core.conventions import ARCHITECTURE_OVERRIDE
from components.core.engine_args import effective, flags
from components.core.model_lock import LOCK_FOLDER, lock_path, lock_text, locked_model
from components.document import plans
from components.document.vllm_model import VllmServerSettings
from tests.rendering import Rendered, document, render
from tests.unit.components.manifests import one, pod, stack

DEPLOYMENT = "akko-akko-vllm"


def _rendered(**change: object) -> tuple[Rendered, ...]:
    value = document("production")
    value["models"]["akko-coder"] |= change
    return render(value)


def _without(*keys: str, **change: object) -> tuple[Rendered, ...]:
    value = document("production")
    model: dict[str, Any] = value["models"]["akko-coder"]
    value["models"]["akko-coder"] = {k: v for k, v in model.items() if k not in keys} | change
    value["node_pools"]["l4"] |= {"instance_types": ["g6.12xlarge"], "max_gpus": 8}
    return render(value)


def test_every_engine_setting_is_on_the_command_line() -> None:
    asked = {
        "max_num_seqs": 64,
        "max_num_batched_tokens": 4096,
        "kv_cache_dtype": "fp8",
        "quantization": "fp8",
        "dtype": "bfloat16",
        "enforce_eager": True,
    }
    (container,) = pod(_rendered(**asked), f"Deployment {DEPLOYMENT}").spec["containers"]
    read = effective(container["args"]).settings
    assert {name: read[name] for name in asked} == asked


def test_what_the_document_leaves_out_is_left_to_the_engine() -> None:
    (container,) = pod(stack("production"), f"Deployment {DEPLOYMENT}").spec["containers"]
    assert len(container["args"]) == 12


@pytest.mark.parametrize("name", ["kv_cache_dtype", "dtype"])
def test_what_the_document_allows_the_engine_knows(name: str) -> None:
    schema = VllmServerSettings.model_json_schema()["properties"][name]
    allowed = {value for each in schema["anyOf"] for value in each.get("enum", [])}
    assert "auto" in allowed
    assert allowed <= set(flags()[name].choices or ())


@pytest.mark.parametrize("gpus", [1, 2, 4])
def test_memory_left_out_is_the_plans_with_dev_shm_in_it(gpus: int) -> None:
    """Row B2: 4 GiB for the server, 2 a worker, and /dev/shm of 1 GiB a GPU."""
    over = {"tensor_parallel": gpus, "tensor_parallel_over_pcie": True}
    spec = pod(_without("memory_gib", "cpu", **over), f"Deployment {DEPLOYMENT}").spec
    (shm,) = [volume for volume in spec["volumes"] if volume["name"] == "shm"]
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": f"{gpus}Gi"}
    resources = spec["containers"][0]["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"] == f"{4 + 3 * gpus}Gi"
    assert resources["requests"]["cpu"] == str(2 + gpus)


def test_memory_that_the_document_names_is_the_whole_limit() -> None:
    (container,) = pod(stack("production"), f"Deployment {DEPLOYMENT}").spec["containers"]
    assert container["resources"]["limits"]["memory"] == "24Gi"


def test_an_architecture_override_is_told_to_the_engine_and_noted_on_the_workload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = document("production")["models"]["akko-coder"]
    source, revision = model["source"], model["revision"]
    fields = json.loads(lock_path(source, revision, LOCK_FOLDER).read_text(encoding="utf-8"))
    fields["config"]["architectures"] = ["NewForCausalLM"]
    lock_path(source, revision, tmp_path).write_text(lock_text(fields), encoding="utf-8")
    monkeypatch.setattr(plans, "locked_model", partial(locked_model, folder=tmp_path))

    rendered = _rendered(architecture="Qwen2ForCausalLM")

    (container,) = pod(rendered, f"Deployment {DEPLOYMENT}").spec["containers"]
    assert '--hf-overrides={"architectures":["Qwen2ForCausalLM"]}' in container["args"]
    deployment = one(rendered, "Deployment", DEPLOYMENT)
    note = "Qwen/Qwen2.5-7B-Instruct served as Qwen2ForCausalLM"
    for metadata in (deployment["metadata"], deployment["spec"]["template"]["metadata"]):
        assert metadata["annotations"][ARCHITECTURE_OVERRIDE] == note
    noted = [item.name for item in rendered if ARCHITECTURE_OVERRIDE in json.dumps(item.inputs)]
    assert not [name for name in noted if "preload" in name or "cache" in name]


def test_without_an_override_nothing_is_noted() -> None:
    assert ARCHITECTURE_OVERRIDE not in json.dumps([dict(i.inputs) for i in stack("production")])
