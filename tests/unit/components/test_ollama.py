"""Ollama for development: what the document may say, and what becomes of it (rows A3, C8)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.ollama_models import locked_ollama_models
from components.document import ROOT, DocumentError, read_document
from tests.rendering import STACKS, Rendered, document, of_kind, render
from tests.unit.components.manifests import environment, gateway_config, pod, pods, stack
from tests.unit.policies.analyzer import analyze

EXAMPLE = Path(__file__).parents[3] / "examples" / "dev-three-models.yaml"
CODER = "models.akko-coder"
PRELOAD = "Job akko-akko-ollama-preload"
DIGEST = "0123456789abcdef" * 4
LOCKED = "qwen2.5-coder:3b, qwen2.5-coder:7b, qwen2.5:3b, qwen2.5:7b, llama3.2:3b"

FAULTS: dict[str, tuple[str, Any, str]] = {
    "a model that is neither locked nor pinned": (
        f"{CODER}.source",
        "smollm2:135m",
        f"{CODER}.digest is missing: smollm2:135m is not locked (locked: {LOCKED}), and its tag "
        f"may move; add {ROOT}.{CODER}.digest and {ROOT}.{CODER}.size_gb as /api/tags and `ollama "
        "list` show them where it was tried",
    ),
    "another digest of a locked model without its size": (
        f"{CODER}.digest",
        DIGEST,
        f"{CODER}.size_gb is missing: qwen2.5-coder:7b with this digest is not locked, so nothing "
        f"is known of its size; add {ROOT}.{CODER}.size_gb as `ollama list` prints it",
    ),
    "a digest of twelve digits": (
        f"{CODER}.digest",
        DIGEST[:12],
        f"{CODER}.digest is '{DIGEST[:12]}': needed: SHA-256 of its manifest as /api/tags lists",
    ),
    "a size in quotes": (
        f"{CODER}.size_gb",
        "4.7",
        f"{CODER}.size_gb is '4.7': input should be a valid number",
    ),
    "a model from elsewhere": (
        f"{CODER}.source",
        "hf.co/org/model:Q4",
        f"{CODER}.source is 'hf.co/org/model:Q4': needed: Library name:tag",
    ),
    "more context than the model has": (
        f"{CODER}.max_model_len",
        40_000,
        f"{CODER}.max_model_len is 40,000, but qwen2.5-coder:7b was made for 32,768 tokens and "
        f"Ollama gives it no more: set {ROOT}.{CODER}.max_model_len to 32768",
    ),
    "too little memory": (
        "ollama.memory_gib",
        4,
        "ollama.memory_gib is 4, but qwen2.5-coder:7b (4.4 GiB of files, 0.2 of KV cache for 1 x "
        "4,096 tokens) take 6 GiB with the server: raise it to 6, or leave it out",
    ),
    "fewer CPUs than models at once": (
        "ollama",
        {"cpu": 1, "max_loaded_models": 2},
        "ollama.cpu is 1, but max_loaded_models lets 2 models compute at once, a CPU each at "
        f"least: raise it, leave it out, or lower {ROOT}.ollama.max_loaded_models",
    ),
    "a volume that does not hold the files": (
        "ollama.cache.size_gib",
        6,
        "ollama.cache.size_gib is 6, but the files of qwen2.5-coder:7b, qwen2.5:3b take 7 GiB: "
        "raise it to 7 at least",
    ),
    "a parallelism of none": (
        "ollama.parallel",
        0,
        "ollama.parallel is 0: input should be greater than 0 (Requests that a model answers",
    ),
    "an absurd parallelism": (
        "ollama.parallel",
        65,
        "ollama.parallel is 65: input should be less than or equal to 64",
    ),
    "no model in memory": (
        "ollama.max_loaded_models",
        0,
        "ollama.max_loaded_models is 0: input should be greater than 0 (Models that are in memory",
    ),
    "a stay in words": (
        "ollama.keep_alive",
        "for ever",
        "ollama.keep_alive is 'for ever': needed: How long an idle model stays in memory, such as",
    ),
    "a queue in quotes": (
        "ollama.max_queue",
        "512",
        "ollama.max_queue is '512': input should be a valid integer",
    ),
}
"""Key in the development document, what stands there, and how the answer begins."""


def _changed(key: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a user writes
    changed = document("dev")
    *outer, last = key.split(".")
    place = changed
    for part in outer:
        place = place[part]
    place[last] = {**place[last], **value} if isinstance(value, dict) else value
    return changed


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


def _example() -> dict[str, Any]:
    return yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["config"][ROOT]


def _server(rendered: tuple[Rendered, ...]) -> Any:  # noqa: ANN401 - a container as JSON
    return pod(rendered, "Deployment akko-akko-ollama").spec["containers"][0]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence_that_names_its_key(fault: str) -> None:
    """Row A3"""
    key, value, sentence = FAULTS[fault]
    said = _refusal(_changed(key, value))
    assert said.startswith(f"{ROOT}.{sentence}")
    assert "\n" not in said


def test_one_name_cannot_have_two_digests() -> None:
    changed = document("dev")
    first = {"engine": "ollama", "source": "own:1b", "max_model_len": 512, "size_gb": 1.0}
    changed["models"] = {"one": first | {"digest": DIGEST}, "two": first | {"digest": "0" * 64}}
    changed["ollama"]["memory_gib"] = 8
    assert _refusal(changed).startswith(
        f"{ROOT}.models.one and {ROOT}.models.two pin own:1b to two digests, "
    )


def test_of_a_model_that_is_not_locked_the_memory_has_to_be_said() -> None:
    """Row A3: its digest and size stand in the document, its KV cache nobody knows."""
    own = {"source": "own:1b", "digest": DIGEST, "size_gb": 12.5}
    changed = _changed(CODER, own)
    assert _refusal(changed).startswith(
        f"{ROOT}.ollama.memory_gib is missing: nothing is known of the KV cache of own:1b, so "
    )
    changed["ollama"]["memory_gib"] = 16
    rendered = render(changed, stack="dev")
    assert _server(rendered)["resources"]["limits"] == {"memory": "16Gi"}
    check = pod(rendered, PRELOAD).spec["containers"][0]
    assert f"own:1b={DIGEST}" in check["args"]


def test_memory_and_cpus_follow_from_the_models() -> None:
    """Row A3: 7B and 3B, of which one is held at a time."""
    assert {"cpu", "memory_gib"}.isdisjoint(document("dev")["ollama"])
    assert _server(stack("dev"))["resources"] == {
        "requests": {"cpu": "5", "memory": "6Gi"},
        "limits": {"memory": "6Gi"},
    }


def test_three_models_and_two_at_once() -> None:
    """Row A3: the example; each model's own context by the gateway, the longest by default."""
    rendered = render(_example(), stack="dev")
    container = _server(rendered)
    said = environment(container)
    assert {name: said[name] for name in said if name.startswith("OLLAMA_")} == {
        "OLLAMA_HOST": "0.0.0.0:11434",
        "OLLAMA_MODELS": "/models",
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_CONTEXT_LENGTH": "8192",
        "OLLAMA_NUM_PARALLEL": "2",
        "OLLAMA_MAX_LOADED_MODELS": "2",
        "OLLAMA_MAX_QUEUE": "32",
        "OLLAMA_KEEP_ALIVE": "30m",
        "OLLAMA_NO_CLOUD": "1",
    }
    assert container["resources"]["requests"] == {"cpu": "7", "memory": "11Gi"}
    contexts = {
        entry["model_name"]: entry["litellm_params"]["num_ctx"]
        for entry in gateway_config(rendered)["model_list"]
    }
    assert contexts == {"akko-coder": 8192, "akko-chat": 4096, "akko-small": 4096}


def test_the_example_breaks_no_policy() -> None:
    found = [
        each.message
        for item in render(_example(), stack="dev")
        for each in analyze(item.type, item.inputs)
    ]
    assert found == []


def test_what_was_pulled_is_held_against_the_locked_digests_before_anything_serves() -> None:
    """Row A3: by the Job, which may throw away, and by the server, which may only look."""
    models = locked_ollama_models()
    pins = [f"{name}={models[name].digest}" for name in ("qwen2.5-coder:7b", "qwen2.5:3b")]
    (by_job,) = pod(stack("dev"), PRELOAD).spec["containers"]
    (by_server,) = pod(stack("dev"), "Deployment akko-akko-ollama").spec["initContainers"]
    assert by_job["args"] == ["--discard", "/models", *pins]
    assert by_server["args"] == ["/models", *pins]
    volumes = [
        next(mount for mount in step["volumeMounts"] if mount["name"] == "models")
        for step in (by_job, by_server)
    ]
    assert [volume.get("readOnly", False) for volume in volumes] == [False, True]


def test_a_server_has_the_time_to_read_its_models_before_it_starts() -> None:
    """Row A3: 6.6 GB at 100 MB/s beside the 600 s of every other server."""
    (found,) = (
        item["spec"]["progressDeadlineSeconds"]
        for item in of_kind(stack("dev"), "Deployment")
        if item["metadata"]["name"] == "akko-akko-ollama"
    )
    assert found == 600 + 66


def test_another_digest_is_another_job_and_another_server() -> None:
    """Row A3: a Job cannot change, and a server that runs would not look again."""
    changed = document("dev")
    changed["models"]["akko-chat"] |= {"digest": DIGEST, "size_gb": 2.0}
    changed["ollama"]["memory_gib"] = 8
    rendered = render(changed, stack="dev")
    assert pod(rendered, PRELOAD).owner != pod(stack("dev"), PRELOAD).owner
    server = pod(rendered, "Deployment akko-akko-ollama").spec
    assert f"qwen2.5:3b={DIGEST}" in server["initContainers"][0]["args"]


@pytest.mark.parametrize("name", STACKS)
def test_namespace_and_every_pod_say_which_tier_they_belong_to(name: str) -> None:
    """Row C8"""
    tier = {"dev": "development", "production": "production"}[name]
    (namespace,) = of_kind(stack(name), "Namespace")
    found = [namespace["metadata"]["labels"], *(each.labels for each in pods(stack(name)))]
    assert {labels["inference-platform/environment"] for labels in found} == {tier}


def test_a_server_goes_to_the_zone_of_its_file_system() -> None:
    changed = document("dev")
    changed["ollama"]["cache"] = {
        "kind": "fsx",
        "storage_class": "fsx",
        "size_gib": 1200,
        "zone": "us-east-1a",
    }
    spec = pod(render(changed, stack="dev"), "Deployment akko-akko-ollama").spec
    assert spec["nodeSelector"] == {"topology.kubernetes.io/zone": "us-east-1a"}
