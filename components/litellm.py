"""The gateway: one OpenAI-compatible address for every model of the stack.

Owns the LiteLLM Deployment, its configuration, its keys and its network policy. Which models exist
is not said here: backends are handed over, derived from the stack's models.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, VolumeMountArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components.core.conventions import GATEWAY_PORT, HOSTS_OUTSIDE, KEY_DIGEST, METRICS_PORT
from components.core.drain import DrainChain
from components.core.images import image
from components.document.gateway import GatewaySettings
from components.engine_keys import key_guard
from components.gateway_config import gateway_files
from components.gateway_environment import HOME, gateway_environment
from components.gateway_migration import salt_guard
from components.gateway_models import Backend
from components.gateway_network import gateway_policy
from components.keys import Keys
from components.network import neighbour_egress, network_policy
from components.pods import (
    hardened_pod,
    http_probe,
    liveness_probe,
    mounts,
    resources,
    scratch,
)
from components.workloads import HTTP, Identity, Replicas, server

USER = GROUP = 1000
"""Any user but root; nothing in the image belongs to it, and nothing has to."""
METRICS = "metrics"
"""Name of the container port that monitoring reads."""

CONFIG = "/etc/litellm"
"""Folder of the configuration and of the programs that it names."""
START_SECONDS = 600
"""From a pod's creation to its readiness, at most."""


@dataclass(frozen=True)
class Callers:
    """Who may reach the gateway.

    Attributes:
        clients: Peers that may ask for answers.
        monitoring: The peer that may read metrics, which need no key.
    """

    clients: Sequence[NetworkPolicyPeerArgsDict]
    monitoring: NetworkPolicyPeerArgsDict


class LiteLlmGateway(pulumi.ComponentResource):
    """A LiteLLM Deployment that refuses callers without a key."""

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: GatewaySettings,
        *,
        who: Identity,
        backends: Sequence[Backend],
        callers: Callers,
        keys: Keys,
        drain: DrainChain,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:gateway:LiteLlmGateway", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        spec = gateway_policy(settings, who, backends, callers.clients, callers.monitoring)
        network_policy(who.name, who.namespace, spec, child)
        clients = neighbour_egress({}, who.selector, GATEWAY_PORT)
        network_policy(f"{who.name}-clients", who.namespace, clients, child)
        files = gateway_files(settings, backends, drain)
        content = hashlib.sha256(json.dumps(files).encode()).hexdigest()
        config_name = f"{who.name}-config-{content[:8]}"
        k8s.core.v1.ConfigMap(
            f"{name}-config",
            metadata=who.metadata(config_name),
            immutable=True,
            data=files,
            opts=child,
        )
        _master_keys(name, settings, who, keys, child)
        replicas = Replicas(
            count=settings.scaling.min_replicas if settings.scaling else settings.replicas,
            surge=True,
            grace_seconds=drain.pod_grace_seconds,
            start_seconds=START_SECONDS,
            most=settings.scaling.max_replicas if settings.scaling else None,
        )
        pod = gateway_pod(settings, backends, config_name, drain)
        self.service_name = server(
            _noting(who, backends, keys.gateway), replicas, pod, GATEWAY_PORT, child
        ).metadata.name
        self.register_outputs({"service_name": self.service_name})


def _noting(who: Identity, backends: Sequence[Backend], key: pulumi.Input[str] | None) -> Identity:
    """The gateway as who it is, where it sends prompts outside the cluster, and by which key."""
    hosts = sorted({backend.host for backend in backends if backend.host})
    note = {HOSTS_OUTSIDE: ",".join(hosts)} if hosts else {}
    digest = {} if key is None else {KEY_DIGEST: pulumi.Output.unsecret(_digest(key))}
    return replace(who, annotations={**who.annotations, **note, **digest})


def _digest(key: pulumi.Input[str]) -> pulumi.Output[str]:
    """32 of 256 bits tell one key from the next, and leave whoever guesses as many as before."""
    return pulumi.Output.from_input(key).apply(
        lambda value: hashlib.sha256(value.encode()).hexdigest()[:8]
    )


def _master_keys(
    name: str,
    settings: GatewaySettings,
    who: Identity,
    keys: Keys,
    opts: pulumi.ResourceOptions,
) -> None:
    """Secrets of keys that the stack brings, each called after its own, to outlive a rotation."""
    for credential, key in (
        (settings.master_key, keys.gateway),
        (settings.previous_master_key, keys.previous_gateway),
    ):
        if credential is not None and key is not None:
            k8s.core.v1.Secret(
                f"{name}-{credential.secret_name}",
                metadata=who.metadata(credential.secret_name),
                string_data={credential.secret_key: pulumi.Output.secret(key)},
                opts=opts,
            )


def gateway_pod(
    settings: GatewaySettings, backends: Sequence[Backend], config_name: str, drain: DrainChain
) -> PodSpecArgsDict:
    """The gateway's pod; its keys are required: a missing Secret keeps it from starting."""
    config: VolumeMountArgsDict = {"name": "config", "mount_path": CONFIG, "read_only": True}
    container: ContainerArgsDict = {
        "name": "litellm",
        "image": settings.image or image("litellm"),
        "args": [
            f"--config={CONFIG}/config.yaml",
            f"--port={GATEWAY_PORT}",
            # More pods, not more processes in one: two gave 1.6 times the answers for 2.3 times
            # the memory (`make bench-gateway`), and uvicorn kills a worker, streams and all, that a
            # busy CPU keeps silent for 5 s; a lone one has no such supervisor.
            "--num_workers=1",
            f"--keepalive_timeout={drain.keep_alive_seconds}",
            f"--prometheus_metrics_port={METRICS_PORT}",
        ],
        "env": gateway_environment(settings, backends, drain),
        "ports": [
            {"name": HTTP, "container_port": GATEWAY_PORT},
            {"name": METRICS, "container_port": METRICS_PORT},
        ],
        "resources": resources(settings.cpu, settings.memory_gib),
        "startup_probe": http_probe("/health/liveliness", HTTP, period=5, failures=60),
        "readiness_probe": http_probe("/health/readiness", HTTP, period=5, failures=3),
        "liveness_probe": liveness_probe("/health/liveliness", HTTP),
        "lifecycle": {"pre_stop": {"sleep": {"seconds": drain.pre_stop_seconds}}},
        "volume_mounts": [config, *mounts(home=HOME, tmp="/tmp")],
    }
    guards = [salt_guard(settings, CONFIG, [config])] if settings.database else []
    guards += key_guard(settings, backends, CONFIG, config)
    return hardened_pod(
        [container],
        [
            {"name": "config", "config_map": {"name": config_name}},
            scratch("home", "1Gi"),
            scratch("tmp", "1Gi"),
        ],
        uid=USER,
        group=GROUP,
        init_containers=guards,
    )
