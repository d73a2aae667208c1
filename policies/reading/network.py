"""What a NetworkPolicy says about pods with given labels."""

from collections.abc import Iterator, Mapping, Sequence

from policies.reading.objects import Object, Resource, texts
from policies.reading.tree import Node

Labels = Mapping[str, str]


def policies_of(resources: Sequence[Resource]) -> Iterator[tuple[Resource, Object]]:
    """The NetworkPolicies of a stack that judge what comes in."""
    for resource in resources:
        for found in resource.objects:
            kinds = found.node.at("spec", "policyTypes")
            judged = kinds.absent or any(one.text == "Ingress" for one in kinds.elements())
            if found.kind == "NetworkPolicy" and judged:
                yield resource, found


def selects(selector: Node, labels: Labels) -> bool:
    """Whether a label selector certainly matches; an empty one matches all."""
    if not isinstance(selector.value, dict):
        return False
    wanted = list(selector.at("matchLabels").items())
    demands = selector.at("matchExpressions")
    if selector.at("matchLabels").unknown or demands.unknown:
        return False
    return all(labels.get(key) == value.text for key, value in wanted) and all(
        _meets(demand, labels) for demand in demands.elements()
    )


def is_empty(selector: Node) -> bool:
    """Whether a selector leaves nobody out."""
    return not texts(selector.at("matchLabels")) and not list(
        selector.at("matchExpressions").elements()
    )


def open_peers(rule: Node, group: Sequence[Labels], ports: frozenset[str]) -> Iterator[Node]:
    """What in a rule of ingress lets others than a group's own pods reach other ports than these.

    Args:
        rule: An element of `spec.ingress`.
        group: Labels of the group's pods.
        ports: Numbers and names of ports that everybody may be let in to.
    """
    opened = list(rule.at("ports").elements())
    if opened and all(_is_one_of(port, ports) for port in opened):
        return
    peers = list(rule.at("from").elements())
    if not peers:
        yield rule.at("from")
    for peer in peers:
        selector = peer.at("podSelector")
        elsewhere = not (peer.at("ipBlock").absent and peer.at("namespaceSelector").absent)
        own = any(selects(selector, labels) for labels in group)
        if elsewhere or is_empty(selector) or not own:
            yield peer


def _is_one_of(port: Node, ports: frozenset[str]) -> bool:
    return port.at("port").text in ports and port.at("endPort").absent


def _meets(demand: Node, labels: Labels) -> bool:
    key, operator = demand.at("key").text or "", demand.at("operator").text
    values = {one.text for one in demand.at("values").elements()}
    if operator == "In":
        return labels.get(key) in values and key in labels
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists") and operator in {"Exists", "DoesNotExist"}
