"""How engines are started, probed and fed (rows A3, A4, A9, A10)."""

import re

import pytest

from components.core.sizing.start_up import probe_seconds
from components.document import read_document
from components.document.plans import plan_models
from tests.rendering import STACKS, document, of_kind, render
from tests.unit.components.manifests import Json, environment, one, plan_of, pod, servers, stack

REVISION = "a09a35458c702b33eeacc393d103063234e8bc28"
WEIGHTS = f"/models/Qwen/Qwen2.5-7B-Instruct/{REVISION}"


def _container(name: str, service: str) -> Json:
    (container,) = pod(stack(name), f"Deployment {service}").spec["containers"]
    return container


def _names(name: str, kind: str) -> list[str]:
    return [item["metadata"]["name"] for item in of_kind(stack(name), kind)]


def _budget(probe: Json) -> int:
    return probe["failureThreshold"] * probe["periodSeconds"]


def test_vllm_is_started_with_the_values_of_the_document() -> None:
    """Rows A4, A7: model, length, memory share; the length of a stream for its shutdown."""
    container = _container("production", "akko-akko-vllm")
    assert container["args"] == [
        WEIGHTS,
        "--served-model-name",
        "akko-coder",
        "Qwen/Qwen2.5-7B-Instruct",
        "--max-model-len=4096",
        "--gpu-memory-utilization=0.9",
        "--allowed-media-domains",
        "pictures-are-sent-inline.invalid",
        "--middleware",
        "engine_keys.EngineKeys",
        "--port=8000",
        "--shutdown-timeout=300",
    ]
    assert "command" not in container
    assert one(stack("production"), "Deployment", "akko-akko-vllm")["spec"]["replicas"] == 1


def test_vllm_asks_for_one_gpu_and_tolerates_the_taint_of_its_pool() -> None:
    """Row A8."""
    spec = pod(stack("production"), "Deployment akko-akko-vllm").spec
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "6", "memory": "24Gi", "nvidia.com/gpu": "1"},
        "limits": {"memory": "24Gi", "nvidia.com/gpu": "1"},
    }
    assert spec["nodeSelector"] == {"karpenter.sh/nodepool": "l4"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]


def test_several_gpus_are_asked_for_and_used() -> None:
    changed = document("production")
    changed["node_pools"]["l4"]["instance_types"] = ["g6.12xlarge"]
    changed["models"]["akko-coder"].update(tensor_parallel=4, tensor_parallel_over_pcie=True)
    (container,) = pod(render(changed), "Deployment akko-akko-vllm").spec["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "4"
    assert "--tensor-parallel-size=4" in container["args"]


def test_vllm_serves_offline_from_weights_that_it_cannot_change() -> None:
    """Row A10."""
    container = _container("production", "akko-akko-vllm")
    variables = environment(container)
    assert variables["HF_HUB_OFFLINE"] == variables["TRANSFORMERS_OFFLINE"] == "1"
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "models"]
    assert mount == {"name": "models", "mountPath": "/models", "readOnly": True}
    assert {m["mountPath"] for m in container["volumeMounts"]} >= {"/dev/shm", "/tmp"}


def test_the_weights_are_downloaded_once_at_the_pinned_revision_to_where_vllm_looks() -> None:
    """Rows A4, A10."""
    spec = pod(stack("production"), "Job akko-akko-vllm-preload").spec
    (fetch,) = spec["containers"]
    module = ["python3", "-m", "components.programs.preload"]
    assert fetch["command"] == [*module, "fetch", "/plan/plan.json"]
    plan = plan_of(stack("production"), spec)
    assert plan["target"] == "/models"
    (model,) = plan["models"]
    assert f"{plan['target']}/{model['source']}/{model['revision']}" == WEIGHTS
    assert spec["restartPolicy"] == "Never"  # a failed download is taken up by a new pod
    assert not {"nodeSelector", "affinity", "tolerations"} & spec.keys()  # it needs no GPU


@pytest.mark.parametrize(("name", "engine"), [("dev", "ollama"), ("production", "vllm")])
def test_a_server_reads_the_volume_that_its_preload_fills_and_starts_after_it(
    name: str, engine: str
) -> None:
    """Row A10."""
    claim = f"akko-akko-{engine}-models"
    for owner in (f"Deployment akko-akko-{engine}", f"Job akko-akko-{engine}-preload"):
        volumes = pod(stack(name), owner).spec["volumes"]
        assert {"name": "models", "persistentVolumeClaim": {"claimName": claim}} in volumes
    assert one(stack(name), "PersistentVolumeClaim", claim)
    (server,) = [item for item in stack(name) if item.type.startswith("inference:serving:")]
    assert "kubernetes:batch/v1:Job" in {kind for kind, _ in server.dependencies}


@pytest.mark.parametrize(("name", "engine"), [("dev", "ollama"), ("production", "vllm")])
def test_a_preload_starts_when_its_volume_is_claimed_and_its_way_out_is_open(
    name: str, engine: str
) -> None:
    """Row A10."""
    (job,) = [item for item in stack(name) if "-preload-" in item.name and "Job" in item.type]
    claim = "ollama-cache" if engine == "ollama" else "akko-coder-cache"
    kind = "kubernetes:core/v1:ConfigMap"
    told = [(kind, name) for name in _names(name, "ConfigMap") if "-preload-" in name]
    assert bool(told) is (engine == "vllm")
    assert job.dependencies == {
        *told,
        ("kubernetes:core/v1:PersistentVolumeClaim", claim),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", f"akko-akko-{engine}-preload"),
    }


def test_another_revision_is_another_job() -> None:
    changed = document("production")
    model = changed["models"]["akko-coder"]
    model["source"] = "Qwen/Qwen2.5-Coder-7B-Instruct"
    model["revision"] = "c03e6d358207e414f1eca0bb1891e29f1db0e242"
    names, before = (
        {
            job["metadata"]["name"]
            for job in of_kind(rendered, "Job")
            if job["metadata"]["name"].startswith("akko-akko-vllm-")
        }
        for rendered in (render(changed), stack("production"))
    )
    assert not names & before
    assert {re.sub("-[0-9a-f]{8}$", "", name) for name in names} == {
        "akko-akko-vllm-preload",
        "akko-akko-vllm-collect",
    }


def test_ollama_runs_one_model_and_one_request_at_a_time_on_cpu() -> None:
    """Row A3."""
    container = _container("dev", "akko-akko-ollama")
    variables = environment(container)
    assert variables["OLLAMA_NUM_PARALLEL"] == variables["OLLAMA_MAX_LOADED_MODELS"] == "1"
    assert variables["OLLAMA_CONTEXT_LENGTH"] == "4096"
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "nvidia.com/gpu" not in container["resources"]["limits"]


def test_dev_has_no_gpu_pool_and_no_vllm() -> None:
    """Row A3."""
    assert of_kind(stack("dev"), "NodePool") == ()
    assert "vllm" not in {
        item["metadata"]["labels"]["app.kubernetes.io/name"]
        for item in of_kind(stack("dev"), "Deployment")
    }


def test_ollama_pulls_every_model_before_it_serves() -> None:
    """Row A3: by a server beside the pulls, in the same pod, on the same volume."""
    spec = pod(stack("dev"), "Job akko-akko-ollama-preload").spec
    serve, *pulls = spec["initContainers"]
    assert serve["command"] == ["/bin/ollama", "serve"]
    assert serve["restartPolicy"] == "Always"
    assert serve["startupProbe"]["httpGet"] == {"path": "/api/version", "port": 11434}
    assert [each["command"] for each in pulls] == [
        ["/bin/ollama", "pull", "qwen2.5-coder:7b"],
        ["/bin/ollama", "pull", "qwen2.5:3b"],
    ]
    assert not any("restartPolicy" in each for each in pulls)


def test_vllm_may_load_for_as_long_as_its_engine_waits() -> None:
    """Row A9: the probe's budget is the engine's own time-out, well above the 120 s of loading."""
    container = _container("production", "akko-akko-vllm")
    budget = _budget(container["startupProbe"])
    waits = int(environment(container)["VLLM_ENGINE_READY_TIMEOUT_S"] or 0)
    assert waits <= budget < waits + 10
    planned = plan_models(read_document(document("production")))["akko-coder"].deciding
    assert waits >= max(600, probe_seconds(planned.phases))


def test_the_loading_budget_is_one_number_of_the_document() -> None:
    """Row A9."""
    changed = document("production")
    changed["models"]["akko-coder"]["startup_seconds"] = 1205
    (container,) = pod(render(changed), "Deployment akko-akko-vllm").spec["containers"]
    assert environment(container)["VLLM_ENGINE_READY_TIMEOUT_S"] == "1205"
    assert _budget(container["startupProbe"]) == 1210  # whole periods


def test_kubernetes_calls_a_rollout_stuck_only_after_node_and_model_had_their_time() -> None:
    """Row A9: 900 s for a node of its own, and what the probe allows for the model."""
    deployment = one(stack("production"), "Deployment", "akko-akko-vllm")
    container = _container("production", "akko-akko-vllm")
    waits = int(environment(container)["VLLM_ENGINE_READY_TIMEOUT_S"] or 0)
    assert deployment["spec"]["progressDeadlineSeconds"] == 900 + waits


@pytest.mark.parametrize("name", STACKS)
def test_every_server_is_probed_in_three_ways_at_the_path_of_its_engine(name: str) -> None:
    """Row A9: readiness leaves the endpoints soon, liveness bears a loaded engine for a minute."""
    paths = {
        "vllm": ("/health", "/health"),
        "ollama": ("/api/version", "/api/version"),
        "litellm": ("/health/readiness", "/health/liveliness"),
    }
    for deployment in servers(stack(name)):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        readiness, liveness = (container[f"{kind}Probe"] for kind in ("readiness", "liveness"))
        seen = tuple(probe["httpGet"]["path"] for probe in (readiness, liveness))
        assert seen == paths[container["name"]]
        assert _budget(readiness) <= 15
        assert _budget(liveness) >= 60
        assert _budget(container["startupProbe"]) >= 300
        for kind in ("startup", "readiness", "liveness"):
            assert container[f"{kind}Probe"]["timeoutSeconds"] == 5
            assert container[f"{kind}Probe"]["httpGet"]["port"] == "http"


def test_the_claims_ask_for_what_the_document_says() -> None:
    claim = one(stack("production"), "PersistentVolumeClaim", "akko-akko-vllm-models")
    assert claim["spec"] == {
        "storageClassName": "efs",
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "50Gi"}},
    }
    assert claim["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"
