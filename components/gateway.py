"""The gateway with all that it needs, in the order in which each needs the one before."""

import pulumi
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components import exposure
from components.backends import backends
from components.core.conventions import Role
from components.core.drain import DrainChain
from components.document import PlatformSettings
from components.document.gateway_stores import InClusterDatabase, InClusterRedis
from components.document.tenant_state import keeps_state
from components.gateway_environment import counters_name, database_name
from components.gateway_migration import GatewayMigration
from components.gateway_state import GatewayState
from components.gateway_stores import GatewayCounters, GatewayDatabase
from components.identities import gateway_identity, identity, state_identity
from components.keys import Keys
from components.litellm import Callers, LiteLlmGateway
from components.network import other_namespace, same_namespace
from components.workloads import Identity


def gateway(
    settings: PlatformSettings, keys: Keys, drain: DrainChain, opts: pulumi.ResourceOptions
) -> LiteLlmGateway:
    """Stores, the database as this version needs it, the pods that serve, and then who may call."""
    who = gateway_identity(settings)
    needed: list[pulumi.Resource] = _stores(settings, keys, opts)
    if settings.gateway.database is not None:
        migration = GatewayMigration(
            "gateway-migration",
            settings.gateway,
            who=_part(settings, "migration"),
            salt=keys.salt,
            opts=_after(opts, *needed),
        )
        needed.append(migration)
    front = LiteLlmGateway(
        "gateway",
        settings.gateway,
        who=who,
        backends=backends(settings),
        callers=Callers(gateway_callers(settings), monitoring(settings)),
        keys=keys,
        drain=drain,
        opts=_after(opts, *needed),
    )
    if keeps_state(settings.gateway):
        GatewayState(
            "gateway-state",
            settings.gateway,
            who=state_identity(settings),
            gateway_labels=who.selector,
            api_server_networks=settings.cluster.api_server_networks,
            opts=_after(opts, front),
        )
    return front


def _stores(
    settings: PlatformSettings, keys: Keys, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """The stores that are the stack's own; others are there already."""
    database, redis = settings.gateway.database, settings.gateway.redis
    serving = same_namespace(gateway_identity(settings).selector)
    found: list[pulumi.Resource] = []
    if isinstance(database, InClusterDatabase) and keys.database_password is not None:
        migrating = same_namespace(_part(settings, "migration").selector)
        found.append(
            GatewayDatabase(
                "gateway-database",
                database,
                who=identity(
                    "postgres", database_name(settings.gateway), settings, "database", *_DATABASE
                ),
                password=keys.database_password,
                callers=[serving, migrating],
                opts=opts,
            )
        )
    if isinstance(redis, InClusterRedis) and keys.redis_password is not None:
        found.append(
            GatewayCounters(
                "gateway-counters",
                redis,
                who=identity(
                    "valkey", counters_name(settings.gateway), settings, "counters", *_REDIS
                ),
                password=keys.redis_password,
                callers=[serving],
                opts=opts,
            )
        )
    return found


_DATABASE, _REDIS = ("gateway", "database"), ("gateway", "redis")


def _part(settings: PlatformSettings, role: Role) -> Identity:
    return identity("litellm", settings.gateway.service_name, settings, role, "gateway")


def gateway_callers(settings: PlatformSettings) -> list[NetworkPolicyPeerArgsDict]:
    """Who may ask the gateway: its own namespace, named ones, the way in."""
    namespaces = dict.fromkeys(settings.gateway.client_namespaces)
    others = [other_namespace(namespace) for namespace in namespaces]
    public, name = settings.exposure, settings.gateway.service_name
    way_in = exposure.callers(public, name, settings.namespace) if public else []
    return [same_namespace({}), *others, *way_in]


def monitoring(settings: PlatformSettings) -> NetworkPolicyPeerArgsDict:
    """Prometheus, wherever the document says it is."""
    return other_namespace(settings.monitoring.namespace, {"app.kubernetes.io/name": "prometheus"})


def _after(opts: pulumi.ResourceOptions, *needed: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(needed)))
