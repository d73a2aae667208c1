"""Each kind of storage as claims, as Jobs and as servers mount it (rows A10, B4, C7)."""

from typing import Any

import pytest

from components.core.model_lock import locked_model
from tests.rendering import document, of_kind, render
from tests.unit.components.caches import (
    CACHES,
    DIGEST,
    EFS,
    FILLED,
    MOUNTED,
    claims,
    jobs,
    rendered,
    server,
    volume,
)
from tests.unit.components.manifests import environment, plan_of

CLAIM = "akko-akko-vllm-models"


def _mounts(container: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - a rendered container
    return {mount["name"]: mount for mount in container["volumeMounts"]}


@pytest.mark.parametrize("name", MOUNTED)
def test_a_server_checks_its_weights_and_cannot_change_them(name: str) -> None:
    """Rows A10, B4: the first container ends before the engine starts; both mount read-only."""
    found = rendered(name)
    pod = server(found)
    preflight, first = pod.spec["initContainers"]
    assert preflight["name"] == "preflight"
    (engine,) = pod.spec["containers"]
    command = "copy" if name == "nvme" else "check"
    module = ["python3", "-m", "components.programs.preload"]
    assert first["command"] == [*module, command, "/plan/plan.json"]
    assert first["workingDir"] == _mounts(first)["programs"]["mountPath"]
    assert first["image"] == engine["image"]
    assert _mounts(engine)["models"] == {
        "name": "models",
        "mountPath": "/models",
        "readOnly": True,
    }
    writes = [n for n, mount in _mounts(first).items() if not mount.get("readOnly")]
    assert writes == (["models", "tmp"] if name == "nvme" else ["tmp"])
    assert environment(engine)["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize("name", FILLED)
def test_weights_are_fetched_before_the_server_and_collected_after_it(name: str) -> None:
    """Rows A10, B4: a roll-out that fails never gets to the collecting Job."""
    found = rendered(name)
    by_type = {item.type: item for item in found if item.type.startswith("inference:")}
    fetching = {each.owner.split()[1] for each in jobs(found, "preload")}
    waited = {each for _, each in by_type["inference:serving:VllmServer"].dependencies}
    assert fetching
    assert fetching <= waited
    (workload,) = [
        item
        for item in found
        if item.inputs.get("kind") in {"Deployment", "StatefulSet"}
        and item.name == "akko-akko-vllm"
    ]
    collecting = jobs(found, "collect")
    if name in {"mountpoint", "streamer"}:  # a bucket may be another cluster's too
        assert not collecting
        return
    assert len(collecting) == len(fetching)
    waits_for = by_type["inference:storage:OldRevisions"].dependencies
    assert workload.key in waits_for
    # Last of all: while anything else may still fail, the way back needs the old revision.
    assert ("kubernetes:apps/v1:Deployment", "akko-akko-litellm") in waits_for


@pytest.mark.parametrize("name", ["image", "snapshot"])
def test_nothing_is_downloaded_where_the_weights_are_there_already(name: str) -> None:
    found = rendered(name)
    assert jobs(found, "preload") == jobs(found, "collect") == ()
    assert "akko-akko-vllm-preload" not in {
        item["metadata"]["name"] for item in of_kind(found, "NetworkPolicy")
    }


@pytest.mark.parametrize("name", FILLED)
def test_every_step_reads_the_same_models_from_its_plan(name: str) -> None:
    found = rendered(name)
    pods = [*jobs(found, "preload"), *jobs(found, "collect")]
    pods += [server(found)] if name in MOUNTED else []
    plans = [plan_of(found, each.spec) for each in pods]
    assert {str(plan["models"]) for plan in plans} == {str(plans[0]["models"])}
    assert {plan["target"] for plan in plans} == {"/models"}
    staged = {plan.get("staging") for plan in plans[: len(plans) - (name in MOUNTED)]}
    assert staged == ({"/staging"} if name in {"mountpoint", "streamer"} else {None})
    if name in MOUNTED:
        assert plans[-1].get("from") == ("/shared" if name == "nvme" else None)
        assert "staging" not in plans[-1]


def test_a_plan_holds_what_the_lock_knows_of_every_file() -> None:
    found = rendered("efs")
    (model,) = plan_of(found, server(found).spec)["models"]
    assert model["source"] == "Qwen/Qwen2.5-7B-Instruct"
    assert model["complete"] is False  # this lock was put together from public sources
    assert model["gated"] is False
    assert {tuple(file) for file in model["files"]} == {("path", "size", "sha256", "git_blob")}
    weights = [file for file in model["files"] if file["path"].endswith(".safetensors")]
    lock = locked_model(model["source"], model["revision"])
    assert sum(file["size"] for file in weights) == lock.weight_bytes
    assert [file["sha256"] for file in weights] == [file.sha256 for file in lock.weight_files]


def test_a_new_revision_leaves_what_the_old_servers_read_as_it_is() -> None:
    """A program, a plan and a Job of another content are other resources, so nothing is replaced
    under a server that still runs, and a document that is taken back finds its own again."""
    other = {
        "source": "Qwen/Qwen2.5-Coder-7B-Instruct",
        "revision": "c03e6d358207e414f1eca0bb1891e29f1db0e242",
    }
    for name in ("efs", "ebs", "mountpoint"):
        kinds = {"ConfigMap", "Job"}
        before, after = (
            {item.key for item in found if item.inputs.get("kind") in kinds and "vllm" in item.name}
            for found in (rendered(name), rendered(name, **other))
        )
        assert before
        assert not before & after


@pytest.mark.parametrize("name", ["efs", "fsx", "claim", "claim of many"])
def test_one_claim_is_shared_by_the_job_and_every_replica(name: str) -> None:
    found = rendered(name)
    (spec,) = claims(found).values()
    assert spec["storageClassName"] == CACHES[name]["storage_class"]
    assert spec["accessModes"] == ["ReadWriteOnce" if name == "claim" else "ReadWriteMany"]
    pods = [*jobs(found, "preload"), *jobs(found, "collect"), server(found)]
    assert [volume(pod, "models") for pod in pods] == [
        {"persistentVolumeClaim": {"claimName": CLAIM}}
    ] * 3


def test_everything_on_a_file_system_of_one_zone_runs_there() -> None:
    found = rendered("fsx")
    for pod in (*jobs(found, "preload"), *jobs(found, "collect"), server(found)):
        assert pod.spec["nodeSelector"]["topology.kubernetes.io/zone"] == "us-east-1a"


def test_local_disks_are_filled_from_a_shared_volume_within_the_nodes_room() -> None:
    found = rendered("nvme")
    pod = server(found)
    assert volume(pod, "models") == {"emptyDir": {"sizeLimit": "16Gi"}}
    assert volume(pod, "shared") == {"persistentVolumeClaim": {"claimName": CLAIM}}
    _, copy = pod.spec["initContainers"]
    assert copy["resources"]["requests"]["ephemeral-storage"] == "36Gi"
    assert copy["resources"]["limits"]["ephemeral-storage"] == "36Gi"
    (engine,) = pod.spec["containers"]
    assert "shared" not in _mounts(engine)
    (fetch,) = jobs(found, "preload")
    assert volume(fetch, "models") == {"persistentVolumeClaim": {"claimName": CLAIM}}


def test_an_image_is_a_read_only_volume_by_its_digest() -> None:
    assert volume(server(rendered("image")), "models") == {
        "image": {
            "reference": f"registry.akko.local/models/qwen@{DIGEST}",
            "pullPolicy": "IfNotPresent",
        }
    }
    assert claims(rendered("image")) == {}


def test_a_snapshot_becomes_a_disk_with_each_pod() -> None:
    found = rendered("snapshot", replicas=2)
    spec = volume(server(found), "models")["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert spec["dataSource"] == {
        "apiGroup": "snapshot.storage.k8s.io",
        "kind": "VolumeSnapshot",
        "name": "qwen",
    }
    assert spec["accessModes"] == ["ReadWriteOnce"]
    assert claims(found) == {}


@pytest.mark.parametrize("name", CACHES)
def test_a_further_pod_comes_first_only_where_it_can_have_the_weights(name: str) -> None:
    found = rendered(name)
    for deployment in of_kind(found, "Deployment"):
        if deployment["metadata"]["name"] == "akko-akko-vllm":
            surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
            assert surge == (0 if name == "claim" else 1)
    assert bool(of_kind(found, "StatefulSet")) is (name == "ebs")


@pytest.mark.parametrize("cache", [EFS, {"kind": "claim", "storage_class": "nfs", "size_gib": 9}])
def test_ollama_keeps_its_models_on_one_claim(cache: dict[str, Any]) -> None:
    changed = document("dev")
    changed["ollama"]["cache"] = cache
    (spec,) = [
        spec
        for name, spec in claims(render(changed, stack="dev")).items()
        if not name.endswith("-database-data")
    ]
    assert spec["storageClassName"] == cache["storage_class"]
