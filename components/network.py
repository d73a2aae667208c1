"""Network policies: who may talk to whom, said once per workload, closed everywhere else."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_kubernetes.networking.v1 import (
    NetworkPolicy,
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyIngressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
    NetworkPolicyPortArgsDict,
    NetworkPolicySpecArgsDict,
)

from components.core.conventions import PART_OF

_NAMESPACE_NAME = "kubernetes.io/metadata.name"

PRIVATE_RANGES = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
)
"""RFC 1918, RFC 6598 and link-local addresses: a download never goes to the cluster's own network
or to the metadata service (169.254.169.254)."""


def same_namespace(pod_labels: Mapping[str, str]) -> NetworkPolicyPeerArgsDict:
    """Pods of the platform's own namespace; an empty mapping means all of them."""
    return {"pod_selector": {"match_labels": dict(pod_labels)}}


def other_namespace(
    namespace: str, pod_labels: Mapping[str, str] | None = None
) -> NetworkPolicyPeerArgsDict:
    """Pods of one other namespace, known by the label that the API server itself sets."""
    return {
        "namespace_selector": {"match_labels": {_NAMESPACE_NAME: namespace}},
        "pod_selector": {"match_labels": dict(pod_labels or {})},
    }


def address_block(network: str) -> NetworkPolicyPeerArgsDict:
    """Whatever has an address of a network: load balancers outside the cluster."""
    return {"ip_block": {"cidr": network}}


def ingress(
    peers: Sequence[NetworkPolicyPeerArgsDict], port: int
) -> NetworkPolicyIngressRuleArgsDict:
    """Let peers reach one TCP port."""
    return {"from_": list(peers), "ports": [{"protocol": "TCP", "port": port}]}


def egress(
    peers: Sequence[NetworkPolicyPeerArgsDict], port: int
) -> NetworkPolicyEgressRuleArgsDict:
    """Reach one TCP port of peers."""
    return {"to": list(peers), "ports": [{"protocol": "TCP", "port": port}]}


def group_rules(
    pod_labels: Mapping[str, str],
) -> tuple[Sequence[NetworkPolicyIngressRuleArgsDict], Sequence[NetworkPolicyEgressRuleArgsDict]]:
    """Ways in and out among the pods of a server on several nodes, and for nobody else.

    Rendezvous, collectives and the engine's messages each take ports that are chosen at start; what
    is sent there is trusted by who gets it (the engine's messages are pickles).
    """
    peers = [same_namespace(pod_labels)]
    ports: list[NetworkPolicyPortArgsDict] = [{"protocol": "TCP", "port": 1024, "end_port": 65_535}]
    return [{"from_": peers, "ports": ports}], [{"to": peers, "ports": ports}]


def internet_egress() -> NetworkPolicyEgressRuleArgsDict:
    """Reach HTTPS servers outside; no private address, so neither the cluster nor its metadata."""
    return {
        "to": [{"ip_block": {"cidr": "0.0.0.0/0", "except_": list(PRIVATE_RANGES)}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    }


def private_egress(network: str) -> NetworkPolicyEgressRuleArgsDict:
    """Reach HTTPS servers of one private network that the document names."""
    return {
        "to": [{"ip_block": {"cidr": network}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    }


def pod_identity_egress() -> NetworkPolicyEgressRuleArgsDict:
    """Reach the agent of EKS Pod Identity on the node, at its fixed link-local address."""
    return {
        "to": [{"ip_block": {"cidr": "169.254.170.23/32"}}],
        "ports": [{"protocol": "TCP", "port": 80}],
    }


def api_server_egress(networks: Sequence[str]) -> NetworkPolicyEgressRuleArgsDict:
    """Reach the Kubernetes API server, which no selector finds, on its two ports.

    443 is its Service and what managed clusters serve it on, 6443 what it listens on elsewhere; a
    policy judges the one that is left after the Service's address was replaced.
    """
    return {
        "to": [{"ip_block": {"cidr": each}} for each in networks],
        "ports": [{"protocol": "TCP", "port": port} for port in (443, 6443)],
    }


def dns_egress() -> NetworkPolicyEgressRuleArgsDict:
    """Resolve names at the cluster's DNS service."""
    return {
        "to": [other_namespace("kube-system", {"k8s-app": "kube-dns"})],
        "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
    }


def policy_spec(
    pod_labels: Mapping[str, str],
    *,
    ingress_rules: Sequence[NetworkPolicyIngressRuleArgsDict] = (),
    egress_rules: Sequence[NetworkPolicyEgressRuleArgsDict] = (),
) -> NetworkPolicySpecArgsDict:
    """A policy in both directions: what no rule allows is closed."""
    return {
        "pod_selector": {"match_labels": dict(pod_labels)},
        "policy_types": ["Ingress", "Egress"],
        "ingress": list(ingress_rules),
        "egress": list(egress_rules),
    }


def neighbour_egress(
    pod_labels: Mapping[str, str], server: Mapping[str, str], port: int
) -> NetworkPolicySpecArgsDict:
    """Pods of the namespace that are not the platform's own may call one server of it.

    Args:
        pod_labels: Labels of these pods; an empty mapping means all of them.
        server: Labels of the server's pods.
        port: Its port.
    """
    return {
        "pod_selector": {
            "match_labels": dict(pod_labels),
            "match_expressions": [
                {"key": "app.kubernetes.io/part-of", "operator": "NotIn", "values": [PART_OF]}
            ],
        },
        "policy_types": ["Egress"],
        "egress": [egress([same_namespace(server)], port)],
    }


def network_policy(
    name: str, namespace: str, spec: NetworkPolicySpecArgsDict, opts: pulumi.ResourceOptions
) -> NetworkPolicy:
    """The NetworkPolicy `name`, usually a child of the workload that it protects."""
    return NetworkPolicy(
        name, metadata={"name": name, "namespace": namespace}, spec=spec, opts=opts
    )
