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
    ONE_NODE,
    claims,
    jobs,
    rendered,
    server,
    volume,
    with_cache,
)
from tests.unit.components.manifests import environment, one, plan_of

CLAIM = "akko-akko-vllm-models"


def _mounts(container: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - a rendered container
    return {mount["name"]: mount for mount in container["volumeMounts"]}


@pytest.mark.parametrize("name", MOUNTED)
def test_a_server_checks_its_weights_and_cannot_change_them(name: str) -> None:
    """Rows A10, B4: the first container ends before the engine starts; both mount read-only."""
    found = rendered(name)
    pod = server(found)
    (first,) = pod.spec["initContainers"]
    (engine,) = pod.spec["containers"]
    command = "copy" if name == "nvme" else "check"
    assert first["command"] == ["python3", "/programs/preload.py", command, "/plan/plan.json"]
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
    assert len(jobs(found, "collect")) == len(fetching)
    assert workload.key in by_type["inference:storage:OldRevisions"].dependencies


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
    staged = {plan.get("staging") for plan in plans[:2]}
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


@pytest.mark.parametrize("name", CACHES)
def test_a_disk_of_one_node_is_filled_on_the_node_that_holds_it(name: str) -> None:
    """The Job of a changed revision runs while the old server holds the disk."""
    for number, pod in enumerate(jobs(rendered(name), "preload")):
        if name not in ONE_NODE:
            assert "affinity" not in pod.spec
            assert "tolerations" not in pod.spec
            continue
        (rule,) = pod.spec["affinity"]["podAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        labels = rule["labelSelector"]["matchLabels"]
        assert rule["topologyKey"] == "kubernetes.io/hostname"
        assert labels["app.kubernetes.io/instance"] == "akko-akko-vllm"
        assert labels.items() <= pod.labels.items()  # so that the first one may run anywhere
        holder = dict(server(rendered(name)).labels)
        if name == "ebs":
            holder["apps.kubernetes.io/pod-index"] = str(number)
        assert labels.items() <= holder.items()
        (toleration,) = pod.spec["tolerations"]
        assert toleration["key"] == "nvidia.com/gpu"


def test_each_replica_has_a_disk_that_is_filled_before_its_pod_adopts_it() -> None:
    """Row C7: claims under the names that the StatefulSet gives them."""
    found = rendered("ebs", replicas=3)
    names = [f"models-akko-akko-vllm-{ordinal}" for ordinal in range(3)]
    assert sorted(claims(found)) == names
    filled = [volume(pod, "models") for pod in jobs(found, "preload")]
    assert sorted(each["persistentVolumeClaim"]["claimName"] for each in filled) == names
    spec = one(found, "StatefulSet", "akko-akko-vllm")["spec"]
    (template,) = spec["volumeClaimTemplates"]
    assert f"{template['metadata']['name']}-akko-akko-vllm-0" == names[0]
    assert template["spec"] == claims(found)[names[0]]
    assert template["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert not [v for v in spec["template"]["spec"]["volumes"] if v["name"] == "models"]


def test_replicas_with_disks_of_their_own_start_together_and_are_replaced_in_order() -> None:
    found = rendered("ebs", replicas=2)
    spec = one(found, "StatefulSet", "akko-akko-vllm")["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    headless = one(found, "Service", spec["serviceName"])["spec"]
    assert headless["clusterIP"] == "None"
    assert headless["selector"] == spec["selector"]["matchLabels"]
    assert "clusterIP" not in one(found, "Service", "akko-akko-vllm")["spec"]
    assert one(found, "PodDisruptionBudget", "akko-akko-vllm")
    for constraint in spec["template"]["spec"]["topologySpreadConstraints"]:
        assert constraint["matchLabelKeys"] == ["controller-revision-hash"]


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


def test_a_disk_is_made_in_a_zone_where_the_pool_has_nodes() -> None:
    changed = with_cache(CACHES["ebs"])
    changed["node_pools"]["l4"]["zones"] = ["us-east-1a", "us-east-1c"]
    found = render(changed)
    (pod,) = jobs(found, "preload")
    rule = pod.spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    wanted = {
        "key": "topology.kubernetes.io/zone",
        "operator": "In",
        "values": ["us-east-1a", "us-east-1c"],
    }
    assert rule == {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    (pool,) = of_kind(found, "NodePool")
    assert wanted in pool["spec"]["template"]["spec"]["requirements"]


def test_a_bucket_is_read_through_one_volume_and_written_through_another() -> None:
    """No rename and no links on Mountpoint, so that files are made whole in a staging folder."""
    found = rendered("mountpoint")
    volumes = {
        item["metadata"]["name"]: item["spec"] for item in of_kind(found, "PersistentVolume")
    }
    served = volume(server(found), "models")["persistentVolumeClaim"]["claimName"]
    (fetch,) = jobs(found, "preload")
    written = volume(fetch, "models")["persistentVolumeClaim"]["claimName"]
    assert volumes.keys() == {f"akko-{served}", f"akko-{written}"}
    for claim, mode in ((served, "ReadOnlyMany"), (written, "ReadWriteMany")):
        spec = volumes[f"akko-{claim}"]
        assert spec["claimRef"] == {"namespace": "akko", "name": claim}
        assert spec["accessModes"] == claims(found)[claim]["accessModes"] == [mode]
        assert spec["storageClassName"] == claims(found)[claim]["storageClassName"] == ""
        assert claims(found)[claim]["volumeName"] == f"akko-{claim}"
        assert spec["csi"] == {
            "driver": "s3.csi.aws.com",
            "volumeHandle": f"akko-{claim}",
            "volumeAttributes": {"bucketName": "models", "authenticationSource": "driver"},
        }
        options = spec["mountOptions"]
        assert {"uid=2000", "gid=0", "region us-east-1"} < set(options)
        assert "prefix llm/v1/akko-akko-vllm/" in options
        assert ("read-only" in options) is (claim == served)
        assert ("allow-delete" in options) is (claim == written)
    assert volume(fetch, "staging") == {"emptyDir": {"sizeLimit": "16Gi"}}
    assert fetch.spec["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "22Gi"


def test_another_bucket_is_another_volume_since_a_volume_cannot_change() -> None:
    before = claims(rendered("mountpoint"))
    after = claims(render(with_cache({**CACHES["mountpoint"], "bucket": "others"})))
    assert not before.keys() & after.keys()


def test_a_streaming_engine_reads_from_the_bucket_under_an_identity_of_its_own() -> None:
    found = rendered("streamer")
    pod = server(found)
    (engine,) = pod.spec["containers"]
    revision = document("production")["models"]["akko-coder"]["revision"]
    assert engine["args"][0] == (
        f"s3://models/llm/v1/akko-akko-vllm/Qwen/Qwen2.5-7B-Instruct/{revision}"
    )
    assert "--load-format=runai_streamer" in engine["args"]
    assert environment(engine)["AWS_REGION"] == "us-east-1"
    assert "initContainers" not in pod.spec or pod.spec["initContainers"] == []
    assert {v["name"] for v in pod.spec["volumes"]} == {"home", "tmp", "shm"}
    egress = one(found, "NetworkPolicy", "akko-akko-vllm")["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in egress] == [443, 80]
    assert egress[1]["to"] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]


def test_a_role_of_the_document_stands_on_the_servers_account_and_needs_no_agent() -> None:
    role = "arn:aws:iam::123456789012:role/weights"
    found = render(with_cache({**CACHES["streamer"], "role_arn": role}))
    account = one(found, "ServiceAccount", "akko-akko-vllm")
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == role
    egress = one(found, "NetworkPolicy", "akko-akko-vllm")["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in egress] == [443]


@pytest.mark.parametrize("reader", ["mountpoint", "streamer"])
def test_a_bucket_that_somebody_else_fills_has_no_writer(reader: str) -> None:
    found = render(with_cache({**CACHES[reader], "preloaded": True}))
    assert jobs(found, "preload") == jobs(found, "collect") == ()
    options = [spec["spec"]["mountOptions"] for spec in of_kind(found, "PersistentVolume")]
    assert [("read-only" in each) for each in options] == [True] * (reader == "mountpoint")


def test_local_disks_are_filled_from_a_shared_volume_within_the_nodes_room() -> None:
    found = rendered("nvme")
    pod = server(found)
    assert volume(pod, "models") == {"emptyDir": {"sizeLimit": "16Gi"}}
    assert volume(pod, "shared") == {"persistentVolumeClaim": {"claimName": CLAIM}}
    (copy,) = pod.spec["initContainers"]
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
    (spec,) = claims(render(changed, stack="dev")).values()
    assert spec["storageClassName"] == cache["storage_class"]
