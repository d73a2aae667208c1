"""What a roll-out, a drain or a new node does to open streams."""

import re
from typing import Any

import pytest

from components.core.drain import NODE_MARGIN_SECONDS
from tests.rendering import STACKS, Rendered, document, of_kind, render
from tests.unit.components.manifests import (
    Json,
    environment,
    gateway_config,
    one,
    pod,
    servers,
    stack,
)


def _with_longest_stream(name: str, seconds: int) -> tuple[Rendered, ...]:
    changed = document(name)
    changed["streams"]["longest_seconds"] = seconds
    return render(changed, stack=name)


def _shutdown_seconds(container: Json) -> int:
    """How long the server itself goes on after SIGTERM."""
    for argument in container.get("args", []):
        if found := re.fullmatch(r"--shutdown-timeout=(\d+)", argument):
            return int(found[1])
    return int(environment(container).get("GRACEFUL_SHUTDOWN_TIMEOUT") or 0)


def _replace(rendered: tuple[Rendered, ...]) -> dict[str, Any]:
    return one(rendered, "Deployment", "akko-akko-vllm")["spec"]["strategy"]["rollingUpdate"]


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("longest", [1, 300, 3600])
def test_the_longest_stream_ends_within_the_grace_of_its_pod(name: str, longest: int) -> None:
    for deployment in servers(_with_longest_stream(name, longest)):
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        removal = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        after_sigterm = _shutdown_seconds(container)
        assert removal + after_sigterm >= 15 + longest  # endpoints first, then the stream
        assert spec["terminationGracePeriodSeconds"] >= removal + after_sigterm + 11


@pytest.mark.parametrize("longest", [1, 300, 3600])
def test_a_node_outlives_its_pods(longest: int) -> None:
    """Karpenter deletes a pod at once whose grace exceeds its node's."""
    rendered = _with_longest_stream("production", longest)
    (pool,) = of_kind(rendered, "NodePool")
    node = int(pool["spec"]["template"]["spec"]["terminationGracePeriod"].removesuffix("s"))
    for deployment in of_kind(rendered, "Deployment"):
        pod_seconds = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert node >= pod_seconds + NODE_MARGIN_SECONDS


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("longest", [1, 300, 3600])
def test_no_time_out_on_the_way_is_shorter_than_the_longest_stream(name: str, longest: int) -> None:
    rendered = _with_longest_stream(name, longest)
    config = gateway_config(rendered)
    seconds = [
        config["router_settings"]["timeout"],
        config["router_settings"]["stream_timeout"],
        config["litellm_settings"]["request_timeout"],
    ]
    for route in of_kind(rendered, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            assert set(rule["timeouts"].values()) == {"0s"}  # a whole response has no end
    for policy in of_kind(rendered, "BackendTrafficPolicy"):
        http = policy["spec"]["timeout"]["http"]
        assert (http["maxStreamDuration"], http.get("requestTimeout")) == ("0s", None)
        seconds.append(int(http["streamIdleTimeout"].removesuffix("s")))
    assert min(seconds) >= longest


@pytest.mark.parametrize(
    ("name", "server"), [("dev", "litellm"), ("dev", "ollama"), ("production", "vllm")]
)
def test_a_hung_server_is_ended_without_the_grace_of_a_drain(name: str, server: str) -> None:
    """The kubelet does not ask a pod that drains, so this cuts no stream (kubernetes #98571)."""
    spec = pod(stack(name), f"Deployment akko-akko-{server}").spec
    probe = spec["containers"][0]["livenessProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == 60
    assert probe["terminationGracePeriodSeconds"] < spec["terminationGracePeriodSeconds"]


def test_a_replacement_starts_first_where_a_gpu_is_spare_and_the_volume_is_shared() -> None:
    assert _replace(stack("production")) == {"maxSurge": 1, "maxUnavailable": 0}


def test_without_a_spare_gpu_the_old_pod_goes_first() -> None:
    changed = document("production")
    changed["node_pools"]["l4"]["max_gpus"] = 1
    assert _replace(render(changed)) == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_gpu_that_another_model_takes_is_not_spare() -> None:
    changed = document("production")
    changed["node_pools"]["l4"]["max_gpus"] = 2
    changed["models"]["second"] = {**changed["models"]["akko-coder"], "service_name": "second"}
    assert _replace(render(changed)) == {"maxSurge": 0, "maxUnavailable": 1}


def test_fewer_spare_gpus_than_a_replica_needs_are_not_enough() -> None:
    changed = document("production")
    changed["node_pools"]["l4"].update(instance_types=["g6.12xlarge"], max_gpus=7)
    changed["models"]["akko-coder"].update(tensor_parallel=4, tensor_parallel_over_pcie=True)
    assert _replace(render(changed)) == {"maxSurge": 0, "maxUnavailable": 1}
    changed["node_pools"]["l4"]["max_gpus"] = 8
    assert _replace(render(changed)) == {"maxSurge": 1, "maxUnavailable": 0}


def test_on_a_volume_of_one_node_the_old_pod_goes_first() -> None:
    changed = document("production")
    claim = {"kind": "claim", "storage_class": "gp3", "size_gib": 50}
    changed["models"]["akko-coder"]["cache"] = claim
    assert _replace(render(changed)) == {"maxSurge": 0, "maxUnavailable": 1}
    dev = one(stack("dev"), "Deployment", "akko-akko-ollama")["spec"]["strategy"]
    assert dev["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize("name", STACKS)
def test_the_gateway_is_replaced_without_a_gap(name: str) -> None:
    deployment = one(stack(name), "Deployment", "akko-akko-litellm")
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


def test_a_disruption_budget_stands_only_where_there_are_several_replicas() -> None:
    """A budget over one replica would block every drain of its node."""
    budgets = {
        name: [item["metadata"]["name"] for item in of_kind(stack(name), "PodDisruptionBudget")]
        for name in STACKS
    }
    assert budgets == {"dev": [], "production": ["akko-akko-litellm"]}
    (budget,) = of_kind(stack("production"), "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "IfHealthyBudget"


def test_replicas_of_a_model_get_a_budget_too() -> None:
    changed = document("production")
    changed["models"]["akko-coder"]["replicas"] = 2
    names = {item["metadata"]["name"] for item in of_kind(render(changed), "PodDisruptionBudget")}
    assert names == {"akko-akko-litellm", "akko-akko-vllm"}


def test_the_pool_is_tainted_capped_and_made_of_the_named_types() -> None:
    (pool,) = of_kind(stack("production"), "NodePool")
    assert pool["metadata"]["name"] == "l4"
    spec = pool["spec"]
    assert spec["limits"] == {"nvidia.com/gpu": 4}
    node = spec["template"]["spec"]
    assert node["taints"] == [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    assert {each["key"]: each["values"] for each in node["requirements"]} == {
        "node.kubernetes.io/instance-type": ["g6.2xlarge", "g6.4xlarge"],
        "karpenter.sh/capacity-type": ["reserved", "spot", "on-demand"],
        "kubernetes.io/arch": ["amd64"],
    }
    assert {each["operator"] for each in node["requirements"]} == {"In"}
    assert node["nodeClassRef"] == {
        "group": "karpenter.k8s.aws",
        "kind": "EC2NodeClass",
        "name": "default",
    }


def test_a_node_with_a_server_is_never_consolidated() -> None:
    (pool,) = of_kind(stack("production"), "NodePool")
    assert pool["spec"]["disruption"] == {
        "consolidationPolicy": "WhenEmpty",
        "consolidateAfter": "10m",
        "budgets": [{"nodes": "1"}],
    }


def test_the_simulated_node_class_changes_nothing_else_of_a_pool() -> None:
    changed = document("production")
    changed["cluster"]["server"] = "https://127.0.0.1:6443"
    changed["cluster"]["node_class"] = {"kind": "KWOKNodeClass", "name": "default"}
    (simulated,), (real,) = (
        of_kind(rendered, "NodePool") for rendered in (render(changed), stack("production"))
    )
    node = simulated["spec"]["template"]["spec"]
    assert node["nodeClassRef"]["group"] == "karpenter.kwok.sh"
    node["nodeClassRef"] = real["spec"]["template"]["spec"]["nodeClassRef"]
    assert simulated == real
