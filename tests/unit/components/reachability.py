"""Who reaches whom under NetworkPolicies, by the rules of networking.k8s.io/v1."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from tests.unit.components.manifests import Json, Pod, selects


@dataclass(frozen=True)
class Address:
    """Something that is no pod, by its IP address."""

    ip: str


def reaches(policies: Sequence[Json], source: Pod, target: Pod | Address, port: int) -> bool:
    """Whether a TCP connection is let out of its source and into its target."""
    out = _permits(policies, source, target, port, ("Egress", "egress", "to"))
    if isinstance(target, Address):
        return out
    return out and lets_in(policies, source, target, port)


def lets_in(policies: Sequence[Json], source: Pod, target: Pod, port: int) -> bool:
    """Whether a target takes a connection, whatever its source may send."""
    return _permits(policies, target, source, port, ("Ingress", "ingress", "from"))


def _permits(
    policies: Sequence[Json],
    subject: Pod,
    other: Pod | Address,
    port: int,
    direction: tuple[str, str, str],
) -> bool:
    """One side's word: open where no policy selects the pod, else what any rule permits."""
    policy_type, rules, peers = direction
    bound = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == subject.namespace
        and policy_type in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], subject.labels)
    ]
    return not bound or any(
        _covers(rule.get("ports"), port)
        and (not rule.get(peers) or any(_is(peer, other, subject) for peer in rule[peers]))
        for spec in bound
        for rule in spec.get(rules, [])
    )


def _covers(ports: Sequence[Json] | None, port: int) -> bool:
    """No ports mean all of them."""
    return not ports or any(
        entry.get("protocol", "TCP") == "TCP" and entry.get("port", port) == port for entry in ports
    )


def _is(peer: Json, other: Pod | Address, subject: Pod) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return (
            isinstance(other, Address)
            and _within(other, block["cidr"])
            and not any(_within(other, excepted) for excepted in block.get("except", []))
        )
    if isinstance(other, Address):
        return False
    if "namespaceSelector" in peer:
        labels = {"kubernetes.io/metadata.name": other.namespace}
        in_namespace = selects(peer["namespaceSelector"], labels)
    else:
        in_namespace = other.namespace == subject.namespace
    return in_namespace and selects(peer.get("podSelector", {}), other.labels)


def _within(address: Address, block: str) -> bool:
    return ipaddress.ip_address(address.ip) in ipaddress.ip_network(block)
