"""The way in: what each kind of it renders, whom it admits, and what a document may not ask."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.core.public_paths import PUBLIC_PATHS
from tests.rendering import Rendered, of_kind
from tests.unit.components.manifests import Pod, gateway_config, pod, pods
from tests.unit.components.reachability import Address, reaches
from tests.unit.components.ways_in import ALB, WAYS_IN, exposed
from tests.unit.policies.analyzer import analyze

PREFIX = "alb.ingress.kubernetes.io/"
MANDATORY = 1
PROXY = {"app.kubernetes.io/managed-by": "envoy-gateway", "app.kubernetes.io/component": "proxy"}
OWNER = "gateway.envoyproxy.io/owning-gateway"
ENGINE_PORTS = (8000, 11434)


def one(rendered: tuple[Rendered, ...], kind: str) -> Mapping[str, Any]:
    (found,) = of_kind(rendered, kind)
    return found


def annotations(exposure: Mapping[str, Any], longest_seconds: int = 300) -> dict[str, str]:
    """Of the load balancer."""
    said = one(exposed(exposure, longest_seconds), "Ingress")["metadata"]["annotations"]
    return {key.removeprefix(PREFIX): value for key, value in said.items()}


def attributes(text: str) -> dict[str, str]:
    return dict(each.split("=") for each in text.split(","))


@pytest.mark.parametrize("name", WAYS_IN)
def test_every_way_in_is_clean_under_the_policies(name: str) -> None:
    """Row A6."""
    for item in exposed(WAYS_IN[name]):
        if item.type.startswith("kubernetes:"):
            found = analyze(item.type, item.inputs)
            assert [each for each in found if each.level == MANDATORY] == []


@pytest.mark.parametrize("name", WAYS_IN)
def test_every_way_in_leads_to_the_gateway_alone(name: str) -> None:
    """Row A6: no engine's name, and no engine's port, in anything that leads in."""
    rendered = exposed(WAYS_IN[name])
    leading = [item.inputs["spec"] for item in rendered if item.parents[-1:] == (ROUTE,)]
    assert leading
    assert not [each for each in leading if "vllm" in str(each) or "8000" in str(each)]


ROUTE = "inference:network:GatewayRoute"


@pytest.mark.parametrize("name", WAYS_IN)
@pytest.mark.parametrize("longest", [1, 300, 3600])
def test_no_way_in_is_less_patient_than_the_gateway(name: str, longest: int) -> None:
    """Row B7: each waits longer than what stands behind it, and closes idle connections first."""
    rendered = exposed(WAYS_IN[name], longest)
    inner = gateway_config(rendered)["litellm_settings"]["request_timeout"]
    args = pod(rendered, "Deployment akko-akko-litellm").spec["containers"][0]["args"]
    (kept,) = [int(a.partition("=")[2]) for a in args if a.startswith("--keepalive_timeout=")]
    silence, idle = silences(rendered)
    assert inner < silence
    assert idle < kept


def silences(rendered: tuple[Rendered, ...]) -> tuple[int, int]:
    """Seconds that a way in waits for a byte, and keeps an idle connection to the gateway."""
    for policy in of_kind(rendered, "BackendTrafficPolicy"):
        http = policy["spec"]["timeout"]["http"]
        for listener in of_kind(rendered, "ClientTrafficPolicy"):
            client = listener["spec"]["timeout"]["http"]
            assert client["streamIdleTimeout"] == http["streamIdleTimeout"]
        names = ("streamIdleTimeout", "connectionIdleTimeout")
        silence, idle = (int(http[name].removesuffix("s")) for name in names)
        return silence, idle
    said = one(rendered, "Ingress")["metadata"]["annotations"]
    balancer = attributes(said[f"{PREFIX}load-balancer-attributes"])
    seconds = int(balancer["idle_timeout.timeout_seconds"])
    assert seconds <= 4000  # AWS' own limit
    return seconds, seconds


@pytest.mark.parametrize("longest", [1, 300, 3600])
def test_a_load_balancer_leaves_a_pod_its_streams(longest: int) -> None:
    groups = attributes(annotations(ALB, longest)["target-group-attributes"])
    delay = int(groups["deregistration_delay.timeout_seconds"])
    assert longest <= delay <= 3600  # AWS' own limit
    assert groups["load_balancing.algorithm.type"] == "least_outstanding_requests"


@pytest.mark.parametrize("name", WAYS_IN)
def test_new_pods_wait_for_a_load_balancer_to_know_them(name: str) -> None:
    labels = one(exposed(WAYS_IN[name]), "Namespace")["metadata"]["labels"]
    gate = labels.get("elbv2.k8s.aws/pod-readiness-gate-inject")
    assert gate == ("enabled" if name.startswith("alb") else None)
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_load_balancer_has_one_rule_a_path_and_tls_alone() -> None:
    """Row B7, in the form of AWS."""
    spec = one(exposed(ALB), "Ingress")["spec"]
    (rule,) = spec["rules"]
    assert rule["host"] == "llm.akko.local"
    paths = {path["path"]: path["pathType"] for path in rule["http"]["paths"]}
    assert paths == {p.value: "Prefix" if p.below else "Exact" for p in PUBLIC_PATHS}
    said = annotations(WAYS_IN["alb with everything"])
    assert (said["listen-ports"], said["ssl-redirect"]) == ('[{"HTTP": 80}, {"HTTPS": 443}]', "443")
    assert said["ssl-policy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"
    assert said["target-type"] == "ip"
    assert said["scheme"] == "internet-facing"
    assert said["inbound-cidrs"] == "203.0.113.0/24"
    assert said["wafv2-acl-arn"].endswith("webacl/llm/0a1b-2c3d")
    assert said["healthcheck-path"] == "/health/readiness"
    assert not {"wafv2-acl-arn", "inbound-cidrs"} & annotations(ALB).keys()


def test_proxies_of_the_stack_s_own_gateway_reach_it_and_others_do_not() -> None:
    """Row A6."""
    rendered = exposed(WAYS_IN["created with everything"])
    own = {**PROXY, f"{OWNER}-name": "akko-akko-litellm", f"{OWNER}-namespace": "akko"}
    foreign = {**own, f"{OWNER}-namespace": "shop"}
    ways = {
        (source, target.owner, port)
        for source, labels, where in (
            ("own", own, "proxies"),
            ("foreign", foreign, "proxies"),
            ("elsewhere", own, "shop"),
        )
        for target in pods(rendered)
        for port in (4000, *ENGINE_PORTS)
        if reaches(of_kind(rendered, "NetworkPolicy"), Pod(source, where, labels, {}), target, port)
    }
    assert ways == {("own", "Deployment akko-akko-litellm", 4000)}


def test_a_load_balancer_reaches_the_gateway_from_its_subnets_alone() -> None:
    """Row A6."""
    policies = of_kind(exposed(ALB), "NetworkPolicy")
    (policy,) = [p for p in policies if p["metadata"]["name"] == "akko-akko-litellm"]
    blocks = [
        peer["ipBlock"]["cidr"]
        for rule in policy["spec"]["ingress"]
        for peer in rule["from"]
        if "ipBlock" in peer
    ]
    assert blocks == ALB["vpc_networks"]
    assert isinstance(Address(blocks[0].partition("/")[0]), Address)
    others = [p for p in policies if p is not policy]
    assert "10.20." not in str([p["spec"].get("ingress") for p in others])


def test_a_gateway_of_the_stack_has_the_certificate_that_the_document_names() -> None:
    """Row B7: from a Secret that is there, or that cert-manager makes."""
    plain, issued = (
        one(exposed(WAYS_IN[name]), "Gateway") for name in ("created", "created with everything")
    )
    for gateway in (plain, issued):
        https = gateway["spec"]["listeners"][0]
        assert https["tls"]["certificateRefs"] == [{"kind": "Secret", "name": "llm-tls"}]
        assert (https["protocol"], https["hostname"]) == ("HTTPS", "llm.akko.local")
        assert https["allowedRoutes"] == {"namespaces": {"from": "Same"}}
    assert [each["protocol"] for each in plain["spec"]["listeners"]] == ["HTTPS", "HTTP"]
    assert [each["protocol"] for each in issued["spec"]["listeners"]] == ["HTTPS"]
    assert issued["metadata"]["annotations"]["cert-manager.io/issuer"] == "letsencrypt"
    assert not [key for key in plain["metadata"]["annotations"] if "cert-manager" in key]


def test_the_route_is_never_there_without_its_limits() -> None:
    """Made after them, and so removed before them."""
    rendered = exposed(WAYS_IN["created with everything"])
    (route,) = [item for item in rendered if item.inputs.get("kind") == "HTTPRoute"]
    before = {name for _, name in route.dependencies}
    roles = ("traffic", "networks", "proxies", "clients", "gateway")
    assert before >= {f"gateway-route-{role}" for role in roles}


def test_proxies_end_after_the_streams_through_them() -> None:
    """Row B7: Envoy Gateway's own drain is 60 s."""
    for longest in (1, 3600):
        proxy = one(exposed(WAYS_IN["created"], longest), "EnvoyProxy")["spec"]
        assert int(proxy["shutdown"]["drainTimeout"].removesuffix("s")) > longest
