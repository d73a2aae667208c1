"""A server on several nodes: its LeaderWorkerSet, its pods, and who reaches them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest

from components.core.conventions import GROUP_LABEL, RANK_LABEL
from components.core.drain import DrainChain
from components.core.engine_args import effective
from tests.rendering import Rendered, of_kind, render
from tests.unit.components.manifests import environment, one, selects
from tests.unit.components.ways import SERVER, TWO_NODES, WAYS, way_document

_OWN_NAMES = frozenset(
    {"matchLabels", "nodeSelector", "limits", "requests", "labels", "annotations"}
)
"""Keys whose values are maps of other people's names."""


def _rendered(**change: object) -> tuple[Rendered, ...]:
    return render(way_document({**TWO_NODES, **change}))


@pytest.fixture(scope="module")
def rendered() -> tuple[Rendered, ...]:
    return _rendered()


def _spec(rendered: Sequence[Rendered]) -> Mapping[str, Any]:
    return one(rendered, "LeaderWorkerSet", SERVER)["spec"]


def _templates(rendered: Sequence[Rendered]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Of the leader and of its workers."""
    template = _spec(rendered)["leaderWorkerTemplate"]
    return template["leaderTemplate"], template["workerTemplate"]


def _pods(rendered: Sequence[Rendered]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    leader, worker = _templates(rendered)
    return leader["spec"], worker["spec"]


def _engines(rendered: Sequence[Rendered]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    (leader,), (worker,) = (pod["containers"] for pod in _pods(rendered))
    return leader, worker


def _keys(value: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a manifest
    """Every name of the API in a part of a manifest."""
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _keys(each)
    if isinstance(value, dict):
        for key, each in cast("dict[str, Any]", value).items():
            yield key
            if key not in _OWN_NAMES:
                yield from _keys(each)


def test_a_group_is_a_leaderworkerset_instead_of_a_deployment(
    rendered: tuple[Rendered, ...],
) -> None:
    """Row B18: all pods of a group are made at once, and made anew together."""
    item = one(rendered, "LeaderWorkerSet", SERVER)
    assert item["apiVersion"] == "leaderworkerset.x-k8s.io/v1"
    assert item["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Available"
    spec = item["spec"]
    assert spec["replicas"] == 1
    assert spec["startupPolicy"] == "LeaderCreated"
    assert spec["leaderWorkerTemplate"]["size"] == 2
    assert spec["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    names = [each["metadata"]["name"] for each in of_kind(rendered, "Deployment")]
    assert SERVER not in names


@pytest.mark.parametrize(
    ("change", "size", "gpus", "replicas"),
    [
        ({}, 2, 4, 1),
        ({"replicas": 3}, 2, 4, 3),
        ({"nodes": 4, "pipeline_parallel": 4, "tensor_parallel": 2}, 4, 2, 1),
        ({"nodes": 2, "pipeline_parallel": 4, "tensor_parallel": 2}, 2, 4, 1),
    ],
)
def test_each_pod_of_a_group_takes_its_share_of_the_gpus(
    change: dict[str, Any], size: int, gpus: int, replicas: int
) -> None:
    """Rows B1, B18: GPUs of a pod x pods = tensor x pipeline degree."""
    rendered = _rendered(**change)
    assert _spec(rendered)["leaderWorkerTemplate"]["size"] == size
    assert _spec(rendered)["replicas"] == replicas
    for container in _engines(rendered):
        resources = container["resources"]
        assert resources["limits"]["nvidia.com/gpu"] == str(gpus)
        assert resources["requests"]["nvidia.com/gpu"] == str(gpus)
    for pod in _pods(rendered):
        (shm,) = [volume for volume in pod["volumes"] if volume["name"] == "shm"]
        assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": f"{gpus}Gi"}


def test_leader_and_workers_run_one_engine_by_ranks(rendered: tuple[Rendered, ...]) -> None:
    """Row B18: the same words, and each pod's own place; LeaderWorkerSet sets the variables."""
    leader, worker = (container["args"] for container in _engines(rendered))
    common = leader[:-2]
    assert leader[-2:] == ["--node-rank=0", "--master-addr=$(LWS_LEADER_ADDRESS)"]
    assert worker == [
        *common,
        "--node-rank=$(LWS_WORKER_INDEX)",
        "--master-addr=$(LWS_LEADER_ADDRESS)",
        "--headless",
    ]
    placed = [word.replace("$(LWS_WORKER_INDEX)", "1") for word in worker]
    settings = effective(placed).settings
    assert (settings["nnodes"], settings["node_rank"], settings["headless"]) == (2, 1, True)
    assert effective(leader).settings["headless"] is False


def test_only_the_leader_answers(rendered: tuple[Rendered, ...]) -> None:
    """A worker has no port, so a probe of it would never succeed."""
    leader, worker = _engines(rendered)
    assert leader["ports"] == [{"name": "http", "containerPort": 8000}]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(leader)
    assert {"ports", "startupProbe", "readinessProbe", "livenessProbe"} & set(worker) == set()
    service = one(rendered, "Service", SERVER)["spec"]
    labels = [template["metadata"]["labels"] for template in _templates(rendered)]
    for rank, template in enumerate(labels):
        placed = {**template, RANK_LABEL: str(rank)}
        assert selects({"matchLabels": service["selector"]}, placed) == (rank == 0)


def test_the_service_of_the_leaders_is_nobody_elses(rendered: tuple[Rendered, ...]) -> None:
    """LeaderWorkerSet calls a Service shared by all groups as the set, which is ours already."""
    assert _spec(rendered)["networkConfig"] == {"subdomainPolicy": "UniquePerReplica"}
    assert one(rendered, "Service", SERVER)["metadata"]["name"] == SERVER


def test_the_pods_of_a_group_find_each_other_by_the_pods_own_network(
    rendered: tuple[Rendered, ...],
) -> None:
    for container in _engines(rendered):
        (own,) = [each for each in container["env"] if each["name"] == "VLLM_HOST_IP"]
        assert own["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
        values = environment(container)
        assert values["NCCL_SOCKET_IFNAME"] == "^lo"
        assert values["NCCL_IB_DISABLE"] == "1"
        assert "FI_PROVIDER" not in values


def test_a_group_with_efa_asks_for_its_devices() -> None:
    """Row B18: as many in requests as in limits, as Kubernetes wants of both."""
    way = WAYS["two nodes with EFA"]
    for container in _engines(render(way_document(way.change, way.machine))):
        values = environment(container)
        assert (values["FI_PROVIDER"], values["FI_EFA_USE_DEVICE_RDMA"]) == ("efa", "1")
        assert "NCCL_IB_DISABLE" not in values
        for part in ("limits", "requests"):
            assert container["resources"][part]["vpc.amazonaws.com/efa"] == "1"


def test_a_worker_outlives_the_streams_of_its_leader(rendered: tuple[Rendered, ...]) -> None:
    """Row B5: what drains at the leader needs the layers of every worker."""
    drain = DrainChain(300)
    leader, worker = _pods(rendered)
    sleeps = [
        pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] for pod in (leader, worker)
    ]
    graces = [pod["terminationGracePeriodSeconds"] for pod in (leader, worker)]
    assert sleeps == [drain.pre_stop_seconds, drain.follower_pre_stop_seconds]
    assert sleeps[1] >= graces[0]
    assert graces == [drain.pod_grace_seconds, drain.follower_grace_seconds]
    assert graces[1] > sleeps[1]
    for claim in of_kind(rendered, "NodePool"):
        grace = claim["spec"]["template"]["spec"]["terminationGracePeriod"]
        assert int(grace.removesuffix("s")) > graces[1]


def test_a_group_stays_in_one_zone_and_each_group_chooses_its_own(
    rendered: tuple[Rendered, ...],
) -> None:
    for template in _templates(rendered):
        affinity = template["spec"]["affinity"]["podAffinity"]
        (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "topology.kubernetes.io/zone"
        assert term["matchLabelKeys"] == [GROUP_LABEL]
        assert selects(term["labelSelector"], template["metadata"]["labels"])


def test_the_ports_of_a_group_are_open_to_the_group_alone(rendered: tuple[Rendered, ...]) -> None:
    """What the engine's processes send each other is trusted by who gets it."""
    policy = one(rendered, "NetworkPolicy", SERVER)["spec"]
    labels = [template["metadata"]["labels"] for template in _templates(rendered)]
    assert all(selects(policy["podSelector"], each) for each in labels)
    wide = [rule for rule in policy["ingress"] if any("endPort" in port for port in rule["ports"])]
    (inside,), (outside,) = wide, policy["egress"]
    for rule, side in ((inside, "from"), (outside, "to")):
        (peer,) = rule[side]
        assert set(peer) == {"podSelector"}  # of this namespace
        assert peer["podSelector"] == policy["podSelector"]
        assert rule["ports"] == [{"protocol": "TCP", "port": 1024, "endPort": 65_535}]
    others = [rule for rule in policy["ingress"] if rule not in wide]
    assert {port["port"] for rule in others for port in rule["ports"]} == {8000}


@pytest.mark.parametrize(("spare", "surge"), [(16, 1), (8, 0)])
def test_groups_are_replaced_by_surge_only_where_a_whole_group_is_spare(
    spare: int, surge: int
) -> None:
    """Row B5."""
    value = way_document(TWO_NODES)
    value["node_pools"]["l4"]["max_gpus"] = spare
    strategy = _spec(render(value))["rolloutStrategy"]
    assert strategy == {
        "type": "RollingUpdate",
        "rollingUpdateConfiguration": {"maxSurge": surge, "maxUnavailable": 1 - surge},
    }


def test_every_name_in_a_group_is_the_apis_own(rendered: tuple[Rendered, ...]) -> None:
    """A custom resource goes as it is: a snake_case key would be dropped without a word."""
    keys = set(_keys(_spec(rendered)))
    assert len(keys) > 60
    assert [key for key in keys if not re.fullmatch(r"[a-z][A-Za-z]*", key)] == []


def test_a_leader_is_what_a_server_alone_is_beside_its_place_in_the_group(
    rendered: tuple[Rendered, ...],
) -> None:
    """The SDK names the keys of a Deployment: the same ones stand in the group."""
    alone = one(
        render(way_document({**TWO_NODES, "nodes": 1, "pipeline_parallel": 1})),
        "Deployment",
        SERVER,
    )["spec"]["template"]["spec"]
    leader = _pods(rendered)[0]
    assert set(leader["containers"][0]) == set(alone["containers"][0])
    assert leader["containers"][0]["securityContext"] == alone["containers"][0]["securityContext"]
    assert leader["securityContext"] == alone["securityContext"]
    assert set(leader) - {"affinity"} == set(alone) - {"topologySpreadConstraints"}
