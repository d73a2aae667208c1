"""Disks that one node mounts: where they are made, who fills them, who adopts them (row C7)."""

import pytest

from tests.rendering import of_kind, render
from tests.unit.components.caches import (
    CACHES,
    ONE_NODE,
    claims,
    jobs,
    rendered,
    server,
    volume,
    with_cache,
)
from tests.unit.components.manifests import one


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


@pytest.mark.parametrize("name", CACHES)
def test_old_files_of_a_disk_are_removed_beside_a_server_that_reads_others(name: str) -> None:
    """The Job waits for that server's pod: its own labels do not let it pass without one."""
    for pod in jobs(rendered(name), "collect"):
        if name not in ONE_NODE:
            assert "affinity" not in pod.spec
            continue
        (rule,) = pod.spec["affinity"]["podAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        wanted, own = rule["labelSelector"]["matchLabels"], server(rendered(name)).labels
        assert wanted["inference-platform/weights"] == own["inference-platform/weights"]
        assert "inference-platform/weights" not in pod.labels


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


def test_a_further_replica_leaves_the_disks_of_the_others_as_they_are() -> None:
    """Resources that Pulumi knows by other names would be made anew, under names that are taken."""
    few, more = (
        {item.key for item in rendered("ebs", replicas=n) if "PersistentVolume" in item.type}
        for n in (1, 2)
    )
    assert few < more


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
