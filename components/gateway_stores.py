"""The gateway's own database and counters, for development: a pod each, closed to all others.

Owns PostgreSQL's claim and pod, Valkey's pod, the Secrets of both and their network policies. In
production both are the organisation's, with backups and failover.
"""

from urllib.parse import quote

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    KeyToPathArgsDict,
    PodSpecArgsDict,
    ProbeArgsDict,
)
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components.core.conventions import POSTGRES_PORT, REDIS_PORT
from components.core.images import image
from components.document.gateway_stores import InClusterDatabase, InClusterRedis
from components.network import ingress, network_policy, policy_spec
from components.pods import environment, hardened_pod, mounts, resources, scratch
from components.workloads import Identity, Replicas, server

USER = GROUP = 1000
"""Any user but root: both programs only want to own what they write, which is on volumes."""
URL = "url"
"""Key of the database's Secret: its whole address."""
_NAME = "litellm"
"""User and database."""
_CONFIG = "valkey.conf"
_START_SECONDS = 600
"""For image, node and volume."""
_GRACE_SECONDS = 60
"""Either is there again at once: PostgreSQL ends its sessions, and Valkey keeps nothing."""


class GatewayDatabase(pulumi.ComponentResource):
    """One PostgreSQL with a volume of its own."""

    def __init__(
        self,
        name: str,
        settings: InClusterDatabase,
        *,
        who: Identity,
        password: pulumi.Input[str],
        callers: list[NetworkPolicyPeerArgsDict],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:gateway:GatewayDatabase", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        spec = policy_spec(who.selector, ingress_rules=[ingress(callers, POSTGRES_PORT)])
        network_policy(who.name, who.namespace, spec, child)
        secret = pulumi.Output.secret(password)
        address = secret.apply(lambda value: database_url(who.name, value))
        k8s.core.v1.Secret(
            f"{name}-password",
            metadata=who.metadata(settings.password.secret_name),
            string_data={settings.password.secret_key: secret, URL: address},
            opts=child,
        )
        k8s.core.v1.PersistentVolumeClaim(
            f"{name}-data",
            metadata={
                **who.metadata(f"{who.name}-data"),
                # A volume that waits for its first consumer is bound by the pod.
                "annotations": {**who.annotations, "pulumi.com/skipAwait": "true"},
            },
            spec={
                "access_modes": ["ReadWriteOnce"],
                "storage_class_name": settings.storage_class,
                "resources": {"requests": {"storage": f"{settings.size_gib}Gi"}},
            },
            opts=child,
        )
        server(who, _one(), database_pod(settings, who), POSTGRES_PORT, child, port_name="postgres")
        self.register_outputs({})


class GatewayCounters(pulumi.ComponentResource):
    """One Valkey that keeps nothing: limits begin anew when it does."""

    def __init__(
        self,
        name: str,
        settings: InClusterRedis,
        *,
        who: Identity,
        password: pulumi.Input[str],
        callers: list[NetworkPolicyPeerArgsDict],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:gateway:GatewayCounters", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        spec = policy_spec(who.selector, ingress_rules=[ingress(callers, REDIS_PORT)])
        network_policy(who.name, who.namespace, spec, child)
        secret = pulumi.Output.secret(password)
        config = secret.apply(lambda value: counters_config(value, settings.memory_gib))
        k8s.core.v1.Secret(
            f"{name}-password",
            metadata=who.metadata(settings.password.secret_name),
            string_data={settings.password.secret_key: secret, _CONFIG: config},
            opts=child,
        )
        server(who, _one(), counters_pod(settings), REDIS_PORT, child, port_name="redis")
        self.register_outputs({})


def database_url(host: str, password: str) -> str:
    """Address with user and password, for LiteLLM and its migrations."""
    return f"postgresql://{_NAME}:{quote(password, safe='')}@{host}:{POSTGRES_PORT}/{_NAME}"


def counters_config(password: str, memory_gib: int) -> str:
    """Valkey's configuration file; in a file, the password is in no process list."""
    escaped = password.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        (
            f'requirepass "{escaped}"',
            'save ""',
            "appendonly no",
            "dir /tmp",
            f"maxmemory {memory_gib * 2**30 * 3 // 4}",  # the rest is its own, and copies
            # Windows of limits end by themselves; without room the oldest ends first.
            "maxmemory-policy volatile-ttl",
            "",
        )
    )


def database_pod(settings: InClusterDatabase, who: Identity) -> PodSpecArgsDict:
    """PostgreSQL as its image starts it, on a read-only root file system."""
    password = settings.password
    container: ContainerArgsDict = {
        "name": "postgres",
        "image": settings.image or image("postgres"),
        "env": [
            {
                "name": "POSTGRES_PASSWORD",
                "value_from": {
                    "secret_key_ref": {"name": password.secret_name, "key": password.secret_key}
                },
            },
            *environment(
                {
                    "HOME": "/tmp",
                    "POSTGRES_USER": _NAME,
                    "POSTGRES_DB": _NAME,
                    "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256",
                    # Below the volume's root, where some file systems keep lost+found.
                    "PGDATA": "/var/lib/postgresql/data/pgdata",
                }
            ),
        ],
        "ports": [{"name": "postgres", "container_port": POSTGRES_PORT}],
        "resources": resources(1, settings.memory_gib),
        "startup_probe": {**_postgres_probe(), "period_seconds": 5, "failure_threshold": 60},
        "readiness_probe": {**_postgres_probe(), "period_seconds": 5, "failure_threshold": 3},
        "liveness_probe": {**_postgres_probe(), "period_seconds": 10, "failure_threshold": 6},
        "volume_mounts": mounts(
            data="/var/lib/postgresql/data", run="/var/run/postgresql", tmp="/tmp"
        ),
    }
    return hardened_pod(
        [container],
        [
            {"name": "data", "persistent_volume_claim": {"claim_name": f"{who.name}-data"}},
            scratch("run", "1Gi"),
            scratch("tmp", "1Gi"),
        ],
        uid=USER,
        group=GROUP,
    )


def _postgres_probe() -> ProbeArgsDict:
    ask = ["pg_isready", "--quiet", f"--username={_NAME}", f"--dbname={_NAME}"]
    return {"exec_": {"command": ask}, "timeout_seconds": 5}


def counters_pod(settings: InClusterRedis) -> PodSpecArgsDict:
    """Valkey with its configuration from the Secret."""
    port_is_open: ProbeArgsDict = {"tcp_socket": {"port": "redis"}, "timeout_seconds": 5}
    container: ContainerArgsDict = {
        "name": "valkey",
        "image": settings.image or image("valkey"),
        "args": [f"/etc/valkey/{_CONFIG}"],
        "env": environment({"HOME": "/tmp"}),
        "ports": [{"name": "redis", "container_port": REDIS_PORT}],
        "resources": resources(1, settings.memory_gib),
        "startup_probe": {**port_is_open, "period_seconds": 2, "failure_threshold": 60},
        "readiness_probe": {**port_is_open, "period_seconds": 5, "failure_threshold": 3},
        "liveness_probe": {**port_is_open, "period_seconds": 10, "failure_threshold": 6},
        "volume_mounts": [
            {"name": "config", "mount_path": "/etc/valkey", "read_only": True},
            *mounts(tmp="/tmp"),
        ],
    }
    items: list[KeyToPathArgsDict] = [{"key": _CONFIG, "path": _CONFIG}]
    return hardened_pod(
        [container],
        [
            {
                "name": "config",
                "secret": {"secret_name": settings.password.secret_name, "items": items},
            },
            scratch("tmp", "1Gi"),
        ],
        uid=USER,
        group=GROUP,
    )


def _one() -> Replicas:
    return Replicas(1, surge=False, grace_seconds=_GRACE_SECONDS, start_seconds=_START_SECONDS)
