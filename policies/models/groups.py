"""Engines of several pods, that only those pods may talk to (policy ML-10).

Between its pods vLLM speaks ZMQ and torch.distributed without any authentication, with pickled
objects in them: who reaches those ports runs code (CVE-2025-32444, CVE-2025-30165).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from pulumi_policy import Severity

from components.core.conventions import VLLM_PORT
from components.core.engine_args import Reading
from policies.adapter import Breach, Parameters, StackRule
from policies.models.gpus import spread
from policies.reading.network import Labels, open_peers, policies_of, selects
from policies.reading.objects import Resource
from policies.reading.quantities import whole
from policies.reading.servers import Server, servers

_GROUP_NAME = "leaderworkerset.sigs.k8s.io/name"
"""Label that LeaderWorkerSet gives the pods of its groups."""
_WITHIN_POD = frozenset(
    {"OffloadingConnector", "SimpleCPUOffloadConnector", "LMCacheConnectorV1"}
    | {"ExampleConnector", "ExampleHiddenStatesConnector", "DecodeBenchConnector"}
)
"""KV connectors that keep to memory and disk of the pod."""
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})
_ADDRESSES = ("VLLM_HOST_IP", "HOST_IP")
_POSSIBLE = (
    "a NetworkPolicy for these pods that lets in only themselves, but for the serving port, is "
    "possible"
)


def _check(
    resources: Sequence[Resource], parameters: Parameters
) -> Iterator[tuple[Resource, Breach]]:
    del parameters
    for resource in resources:
        group = [one for one in servers(resource) if one.container.serves and coordinates(one)]
        for server in group:
            yield from ((resource, breach) for breach in _address_breaches(server))
            yield from _isolation_breaches(resource, server, resources)


def coordinates(server: Server) -> bool:
    """Whether a server works together with others in further pods."""
    size = server.owner.node.at("spec", "leaderWorkerTemplate", "size")
    if server.owner.kind == "LeaderWorkerSet" and whole(size, 1) != 1:
        return True
    if not server.line:
        return False
    layout = spread(server)
    return (
        (not isinstance(layout, str) and layout.pods > 1)
        or server.count("nnodes") is Reading.UNKNOWN
        or server.setting("distributed_executor_backend") == "ray"
        or server.setting("data_parallel_address") is not None
        or _transfers(server.setting("kv_transfer_config"))
    )


def _transfers(config: object) -> bool:
    """Whether the KV cache goes to other pods, or may."""
    if config is None:
        return False
    if not isinstance(config, Mapping):
        return True
    return cast("Mapping[str, object]", config).get("kv_connector") not in _WITHIN_POD


def _address_breaches(server: Server) -> Iterator[Breach]:
    possible = "the pod's own address (status.podIP) is possible"
    title = server.container.title
    for name in _ADDRESSES:
        if server.environment.get(name) in _EVERY_ADDRESS:
            yield Breach(server.variable(name), f"binds {title} to every address", possible)
    for setting in ("master_addr", "data_parallel_address"):
        if server.setting(setting) in _EVERY_ADDRESS:
            yield Breach(server.line_node, f"binds {title} to every address", possible)


def _isolation_breaches(
    resource: Resource, server: Server, resources: Sequence[Resource]
) -> Iterator[tuple[Resource, Breach]]:
    group = [_labels(one) for one in servers(resource)]
    labels, namespace = _labels(server), server.owner.node.at("metadata", "namespace").text
    title, isolated = server.container.title, False
    for place, found in policies_of(resources):
        same = found.node.at("metadata", "namespace").text == namespace
        if not same or not selects(found.node.at("spec", "podSelector"), labels):
            continue
        isolated = True
        rules = found.node.at("spec", "ingress")
        for rule in (rules,) if rules.unknown else rules.elements():
            for peer in open_peers(rule, group, _serving_ports(server)):
                asked = f"lets others reach the ports on which {title} trusts its group"
                yield place, Breach(peer, asked, _POSSIBLE)
    if not isolated:
        asked = f"lets everybody reach the ports on which {title} trusts its group"
        yield resource, Breach(server.pod.node, asked, _POSSIBLE)


def _labels(server: Server) -> Labels:
    group = {_GROUP_NAME: server.owner.name} if server.owner.kind == "LeaderWorkerSet" else {}
    return {**server.pod.labels, **group}


def _serving_ports(server: Server) -> frozenset[str]:
    port = server.setting("port")
    number = str(VLLM_PORT) if isinstance(port, Reading) else str(port)
    named = (
        one.at("name").text
        for one in server.container.node.at("ports").elements()
        if one.at("containerPort").text == number
    )
    return frozenset({number, *(name for name in named if name)})


MULTINODE_ISOLATED = StackRule(
    name="ml-10-multinode-isolated",
    severity=Severity.HIGH,
    description="A vLLM server of several pods is closed to all others, but for its serving port.",
    remediation="Add a NetworkPolicy that selects the group's pods and lets in only themselves.",
    check=_check,
)
"""About the stack, since the NetworkPolicy is a resource of its own. A group is known by a
LeaderWorkerSet of more than one pod, --nnodes, data parallel copies elsewhere, Ray, or a KV
connector that leaves the pod."""
