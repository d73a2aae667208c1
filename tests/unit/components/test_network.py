"""Network policies and selectors, judged by what they let through, not by how they are written."""

import re

import pytest

from tests.rendering import STACKS, document, of_kind, render
from tests.unit.components.manifests import Pod, one, pods, selects, stack
from tests.unit.components.reachability import Address, lets_in, reaches

APP = Pod("an application", "akko", {"app": "chat"}, {})
STRANGER = Pod("a stranger", "default", {"app": "chat"}, {})
PROMETHEUS = Pod("prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"}, {})
FALSE_PROMETHEUS = Pod(
    "a false prometheus", "default", {"app.kubernetes.io/name": "prometheus"}, {}
)
GRAFANA = Pod("grafana", "monitoring", {"app.kubernetes.io/name": "grafana"}, {})
ENVOY = Pod(
    "envoy",
    "envoy-gateway-system",
    {"app.kubernetes.io/managed-by": "envoy-gateway", "app.kubernetes.io/component": "proxy"},
    {},
)
ENVOY_S_CONTROLLER = Pod(
    "envoy's controller", "envoy-gateway-system", {"control-plane": "envoy-gateway"}, {}
)
OUTSIDERS = (APP, STRANGER, PROMETHEUS, FALSE_PROMETHEUS, GRAFANA, ENVOY, ENVOY_S_CONTROLLER)
PORTS = (22, 80, 443, 4000, 4001, 5432, 6379, 8000, 8080, 11434)

GATEWAY = "Deployment akko-akko-litellm"
VLLM = "Deployment akko-akko-vllm"
OLLAMA = "Deployment akko-akko-ollama"
DATABASE = f"{GATEWAY}-database"
COUNTERS = f"{GATEWAY}-redis"
MIGRATION = "Job akko-akko-litellm-migration"
STATE = "Job akko-akko-litellm-state"

WAYS = {
    "dev": {
        (APP.owner, GATEWAY, 4000),
        (PROMETHEUS.owner, GATEWAY, 4001),
        (PROMETHEUS.owner, OLLAMA, 11434),
        (GATEWAY, OLLAMA, 11434),
        (GATEWAY, DATABASE, 5432),
        (GATEWAY, COUNTERS, 6379),
        (MIGRATION, DATABASE, 5432),
        (STATE, GATEWAY, 4000),
    },
    "production": {
        (APP.owner, GATEWAY, 4000),
        (PROMETHEUS.owner, GATEWAY, 4001),
        (ENVOY.owner, GATEWAY, 4000),
        (PROMETHEUS.owner, VLLM, 8000),
        (GATEWAY, VLLM, 8000),
        (STATE, GATEWAY, 4000),
    },
}
"""Every way into a pod of the platform that is open; all others are closed."""

PUBLIC = Address("104.16.0.1")
CLOSED = (
    "169.254.169.254",
    "10.96.0.1",
    "172.20.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd00:ec2::254",
)


def _name(each: Pod) -> str:
    """Its owner without the digits of its content."""
    return re.sub(r"-[0-9a-f]{8}$", "", each.owner)


@pytest.mark.parametrize("name", STACKS)
def test_only_these_ways_into_the_platform_are_open(name: str) -> None:
    """Rows A1, A6: the gateway is for everybody in the namespace, an engine for the gateway."""
    own = pods(stack(name))
    policies = of_kind(stack(name), "NetworkPolicy")
    assert {
        (_name(source), _name(target), port)
        for source in (*own, *OUTSIDERS)
        for target in own
        for port in PORTS
        if source != target and reaches(policies, source, target, port)
    } == WAYS[name]


@pytest.mark.parametrize(
    ("name", "engine", "port"), [("dev", OLLAMA, 11434), ("production", VLLM, 8000)]
)
def test_an_engine_lets_in_gateway_and_prometheus_whatever_others_may_send(
    name: str, engine: str, port: int
) -> None:
    """Row A6."""
    (target,) = [each for each in pods(stack(name)) if each.owner == engine]
    let_in = {
        (source.owner, number)
        for source in (*pods(stack(name)), *OUTSIDERS)
        for number in PORTS
        if lets_in(of_kind(stack(name), "NetworkPolicy"), source, target, number)
    }
    assert let_in == {(GATEWAY, port), (PROMETHEUS.owner, port)}


@pytest.mark.parametrize("name", STACKS)
def test_the_namespace_denies_by_default(name: str) -> None:
    assert one(stack(name), "NetworkPolicy", "akko-default-deny")["spec"] == {
        "podSelector": {"matchLabels": {}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    }


@pytest.mark.parametrize("name", STACKS)
def test_only_the_preload_job_reaches_the_internet_and_by_https_only(name: str) -> None:
    """Row A10: engines serve offline."""
    policies = of_kind(stack(name), "NetworkPolicy")
    ways = {
        (_name(each), port)
        for each in (*pods(stack(name)), APP)
        for port in PORTS
        if reaches(policies, each, PUBLIC, port)
    }
    server = "ollama" if name == "dev" else "vllm"
    assert ways == {(f"Job akko-akko-{server}-preload", 443)}


def test_stores_outside_are_reached_in_the_networks_that_the_document_names_only() -> None:
    """The gateway, and the Job that brings its tables up to date; no engine has business there."""
    policies = of_kind(stack("production"), "NetworkPolicy")
    addresses = ("10.0.64.1", "10.0.127.254", "10.0.63.254", "10.0.128.1", "192.168.64.1")
    assert {
        (_name(each), address, port)
        for each in pods(stack("production"))
        if _name(each) != STATE
        for address in addresses
        for port in PORTS
        if reaches(policies, each, Address(address), port)
    } == {
        (source, address, port)
        for source, port in ((GATEWAY, 5432), (GATEWAY, 6379), (MIGRATION, 5432))
        for address in ("10.0.64.1", "10.0.127.254")
    }


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("address", CLOSED)
def test_no_pod_reaches_metadata_or_private_addresses_that_nobody_named(
    name: str, address: str
) -> None:
    """But for the API server, which one pod asks, and which has no other address in advance."""
    policies = of_kind(stack(name), "NetworkPolicy")
    private = not address.startswith(("169.254.", "fd00:"))
    assert [
        (_name(each), port)
        for each in pods(stack(name))
        for port in PORTS
        if reaches(policies, each, Address(address), port)
    ] == ([(STATE, 443)] if private else [])


def test_only_what_makes_teams_and_keys_reaches_the_api_server_where_the_document_says() -> None:
    changed = document("production")
    changed["cluster"]["api_server_networks"] = ["10.0.9.0/24"]
    rendered = render(changed)
    policies = of_kind(rendered, "NetworkPolicy")
    assert [
        (_name(each), address, port)
        for each in pods(rendered)
        for address in ("10.0.9.1", "10.0.8.1", "172.20.0.1", "192.168.1.1")
        for port in (*PORTS, 6443)
        if reaches(policies, each, Address(address), port)
    ] == [(STATE, "10.0.9.1", 443), (STATE, "10.0.9.1", 6443)]


@pytest.mark.parametrize("name", STACKS)
def test_every_pod_resolves_names_at_the_cluster_dns_and_nowhere_else(name: str) -> None:
    policies = of_kind(stack(name), "NetworkPolicy")
    dns = Pod("dns", "kube-system", {"k8s-app": "kube-dns"}, {})
    for each in pods(stack(name)):
        assert reaches(policies, each, dns, 53)
        assert not reaches(policies, each, dns, 443)
        assert not reaches(policies, each, Address("1.1.1.1"), 53)


@pytest.mark.parametrize("name", STACKS)
def test_a_pod_that_nobody_thought_of_is_closed_in_both_directions(name: str) -> None:
    policies = of_kind(stack(name), "NetworkPolicy")
    new = Pod("new", "akko", {"app.kubernetes.io/part-of": "inference-platform"}, {})
    for port in PORTS:
        for other in OUTSIDERS:
            assert not reaches(policies, other, new, port)
            assert not reaches(policies, new, other, port)
        assert not reaches(policies, new, PUBLIC, port)


@pytest.mark.parametrize("name", STACKS)
def test_every_policy_governs_both_directions_or_is_about_foreign_pods(name: str) -> None:
    policies = of_kind(stack(name), "NetworkPolicy")
    one_way = [p for p in policies if set(p["spec"]["policyTypes"]) != {"Ingress", "Egress"}]
    assert [p["metadata"]["name"] for p in one_way] == ["akko-akko-litellm-clients"]
    assert not any(
        selects(one_way[0]["spec"]["podSelector"], each.labels) for each in pods(stack(name))
    )


@pytest.mark.parametrize("name", STACKS)
def test_a_service_finds_the_pods_of_its_deployment_and_none_of_a_job(name: str) -> None:
    services = of_kind(stack(name), "Service")
    found = {
        service["metadata"]["name"]: [
            each.owner
            for each in pods(stack(name))
            if selects({"matchLabels": service["spec"]["selector"]}, each.labels)
        ]
        for service in services
    }
    assert found == {service: [f"Deployment {service}"] for service in found}
    assert len(found) == (4 if name == "dev" else 2)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("kind", ["Deployment", "PodDisruptionBudget"])
def test_a_deployment_and_its_budget_find_its_own_pods_only(name: str, kind: str) -> None:
    for item in of_kind(stack(name), kind):
        selector = item["spec"]["selector"]
        own = [each.owner for each in pods(stack(name)) if selects(selector, each.labels)]
        assert own == [f"Deployment {item['metadata']['name']}"]


@pytest.mark.parametrize("name", STACKS)
def test_a_pod_is_spread_among_its_own_kind(name: str) -> None:
    for each in pods(stack(name)):
        if each.owner.startswith("Deployment"):
            for constraint in each.spec["topologySpreadConstraints"]:
                found = [
                    p.owner
                    for p in pods(stack(name))
                    if selects(constraint["labelSelector"], p.labels)
                ]
                assert found == [each.owner]


def test_a_direct_client_reaches_its_engine_and_nothing_else_of_the_platform() -> None:
    """Row A7."""
    changed = document("production")
    changed["models"]["akko-coder"]["direct_clients"] = [
        {"namespace": "batch", "pod_labels": {"app": "indexer"}}
    ]
    rendered = render(changed)
    policies = of_kind(rendered, "NetworkPolicy")
    indexer = Pod("indexer", "batch", {"app": "indexer"}, {})
    neighbour = Pod("neighbour", "batch", {"app": "other"}, {})
    namesake = Pod("namesake", "default", {"app": "indexer"}, {})
    assert [
        (source.owner, target.owner, port)
        for source in (indexer, neighbour, namesake)
        for target in pods(rendered)
        for port in PORTS
        if reaches(policies, source, target, port)
    ] == [("indexer", VLLM, 8000)]


def test_only_the_gateway_sends_traces_and_only_to_their_collector() -> None:
    changed = document("production")
    traces = {"namespace": "tracing", "service": "collector", "port": 4318}
    changed["gateway"]["observability"] = {"traces": traces}
    collector = Pod("collector", "tracing", {"app": "any"}, {})
    found = [
        {
            (_name(source), port)
            for source in pods(rendered)
            for port in (*PORTS, 4318)
            if reaches(of_kind(rendered, "NetworkPolicy"), source, collector, port)
        }
        for rendered in (render(changed), stack("production"))
    ]
    assert found == [{(GATEWAY, 4318)}, set()]


def test_a_client_namespace_reaches_the_gateway_only() -> None:
    changed = document("production")
    changed["gateway"]["client_namespaces"] = ["default"]
    rendered = render(changed)
    policies = of_kind(rendered, "NetworkPolicy")
    assert [
        (target.owner, port)
        for target in pods(rendered)
        for port in PORTS
        if reaches(policies, STRANGER, target, port)
    ] == [(GATEWAY, 4000)]
