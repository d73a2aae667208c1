"""Who reaches the gateway and its stores, and where the gateway may go."""

from collections.abc import Sequence

from pulumi_kubernetes.networking.v1 import (
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
    NetworkPolicySpecArgsDict,
)

from components.core.conventions import (
    GATEWAY_PORT,
    METRICS_PORT,
    POSTGRES_PORT,
    REDIS_PORT,
    selector,
)
from components.document.gateway import GatewaySettings
from components.document.gateway_stores import InClusterDatabase, InClusterRedis
from components.gateway_environment import counters_name, database_name
from components.gateway_models import Backend
from components.network import (
    egress,
    ingress,
    internet_egress,
    other_namespace,
    policy_spec,
    same_namespace,
)
from components.workloads import Identity


def gateway_policy(
    settings: GatewaySettings,
    who: Identity,
    backends: Sequence[Backend],
    callers: Sequence[NetworkPolicyPeerArgsDict],
    monitoring: NetworkPolicyPeerArgsDict,
) -> NetworkPolicySpecArgsDict:
    """The gateway's own policy: clients on one port, monitoring on another, and the ways on."""
    return policy_spec(
        who.selector,
        ingress_rules=[ingress(callers, GATEWAY_PORT), ingress([monitoring], METRICS_PORT)],
        egress_rules=[
            *backend_egress(backends),
            *database_egress(settings),
            *_counters_egress(settings),
            *_traces_egress(settings),
        ],
    )


def backend_egress(backends: Sequence[Backend]) -> list[NetworkPolicyEgressRuleArgsDict]:
    """The ways to the engines, each once, and to the internet where a provider is among them."""
    ways = {(b.port, tuple(sorted(b.pod_labels.items()))) for b in backends if not b.host}
    engines = [egress([same_namespace(dict(pods))], port) for port, pods in sorted(ways)]
    outside = [internet_egress()] if any(b.host for b in backends) else []
    return [*engines, *outside]


def database_egress(settings: GatewaySettings) -> list[NetworkPolicyEgressRuleArgsDict]:
    """The way to the database, in the cluster or in the networks that the document names."""
    database = settings.database
    if isinstance(database, InClusterDatabase):
        pods = selector("postgres", database_name(settings), "database")
        return [egress([same_namespace(pods)], POSTGRES_PORT)]
    return [egress(_blocks(database.networks), database.port)] if database else []


def _counters_egress(settings: GatewaySettings) -> list[NetworkPolicyEgressRuleArgsDict]:
    redis = settings.redis
    if isinstance(redis, InClusterRedis):
        pods = selector("valkey", counters_name(settings), "counters")
        return [egress([same_namespace(pods)], REDIS_PORT)]
    return [egress(_blocks(redis.networks), redis.port)] if redis else []


def _traces_egress(settings: GatewaySettings) -> list[NetworkPolicyEgressRuleArgsDict]:
    there = settings.observability.traces
    return [egress([other_namespace(there.namespace)], there.port)] if there else []


def _blocks(networks: Sequence[str]) -> list[NetworkPolicyPeerArgsDict]:
    return [{"ip_block": {"cidr": network}} for network in networks]
