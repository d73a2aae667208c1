"""The gateway: one OpenAI-compatible address for every model of the stack.

Owns the LiteLLM Deployment, its configuration, its key and its network policy. Which models exist
is not said here: backends are handed over, derived from the stack's models.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, EnvVarArgsDict, PodSpecArgsDict
from pulumi_kubernetes.networking.v1 import (
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
)

from components.core.conventions import GATEWAY_PORT, HOSTS_OUTSIDE
from components.core.drain import DrainChain
from components.core.images import image
from components.document.gateway import GatewaySettings
from components.gateway_config import MASTER_KEY, Backend, gateway_files
from components.network import (
    egress,
    ingress,
    internet_egress,
    neighbour_egress,
    network_policy,
    policy_spec,
    same_namespace,
)
from components.pods import (
    environment,
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

_CONFIG = "/etc/litellm"
_HOME = "/home/litellm"
_START_SECONDS = 600


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
        callers: Sequence[NetworkPolicyPeerArgsDict],
        key: pulumi.Input[str] | None,
        drain: DrainChain,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:gateway:LiteLlmGateway", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        network_policy(
            who.name,
            who.namespace,
            policy_spec(
                who.selector,
                ingress_rules=[ingress(callers, GATEWAY_PORT)],
                egress_rules=backend_egress(backends),
            ),
            child,
        )
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
        if key is not None:
            k8s.core.v1.Secret(
                f"{name}-key",
                metadata=who.metadata(settings.master_key.secret_name),
                string_data={settings.master_key.secret_key: pulumi.Output.secret(key)},
                opts=child,
            )
        replicas = Replicas(
            count=settings.replicas,
            surge=True,
            grace_seconds=drain.pod_grace_seconds,
            start_seconds=_START_SECONDS,
        )
        pod = gateway_pod(settings, backends, config_name, drain)
        self.service_name = server(
            _noting(who, backends), replicas, pod, GATEWAY_PORT, child
        ).metadata.name
        self.register_outputs({"service_name": self.service_name})


def _noting(who: Identity, backends: Sequence[Backend]) -> Identity:
    """The gateway as who it is, and where it sends prompts outside the cluster."""
    hosts = sorted({backend.host for backend in backends if backend.host})
    note = {HOSTS_OUTSIDE: ",".join(hosts)} if hosts else {}
    return replace(who, annotations={**who.annotations, **note})


def backend_egress(backends: Sequence[Backend]) -> list[NetworkPolicyEgressRuleArgsDict]:
    """The ways to the engines, each once, and to the internet where a provider is among them."""
    ways = {(b.port, tuple(sorted(b.pod_labels.items()))) for b in backends if b.key is None}
    engines = [egress([same_namespace(dict(pods))], port) for port, pods in sorted(ways)]
    outside = [internet_egress()] if any(b.key is not None for b in backends) else []
    return [*engines, *outside]


def gateway_pod(
    settings: GatewaySettings, backends: Sequence[Backend], config_name: str, drain: DrainChain
) -> PodSpecArgsDict:
    """The gateway's pod; its keys are required: a missing Secret keeps it from starting."""
    master_key = settings.master_key
    container: ContainerArgsDict = {
        "name": "litellm",
        "image": settings.image or image("litellm"),
        "args": [
            f"--config={_CONFIG}/config.yaml",
            f"--port={GATEWAY_PORT}",
            "--num_workers=1",
            f"--keepalive_timeout={drain.keep_alive_seconds}",
        ],
        "env": [
            _from_secret(MASTER_KEY, master_key.secret_name, master_key.secret_key),
            *(_from_secret(b.key_variable, b.key.name, b.key.key) for b in backends if b.key),
            *environment(_gateway_environment(drain)),
        ],
        "ports": [{"name": HTTP, "container_port": GATEWAY_PORT}],
        "resources": resources(settings.cpu, settings.memory_gib),
        "startup_probe": http_probe("/health/liveliness", HTTP, period=5, failures=60),
        "readiness_probe": http_probe("/health/readiness", HTTP, period=5, failures=3),
        "liveness_probe": liveness_probe("/health/liveliness", HTTP),
        "lifecycle": {"pre_stop": {"sleep": {"seconds": drain.pre_stop_seconds}}},
        "volume_mounts": [
            {"name": "config", "mount_path": _CONFIG, "read_only": True},
            *mounts(home=_HOME, tmp="/tmp"),
        ],
    }
    return hardened_pod(
        [container],
        [
            {"name": "config", "config_map": {"name": config_name}},
            scratch("home", "1Gi"),
            scratch("tmp", "1Gi"),
        ],
        uid=USER,
        group=GROUP,
    )


def _from_secret(variable: str, secret: str, key: str) -> EnvVarArgsDict:
    return {"name": variable, "value_from": {"secret_key_ref": {"name": secret, "key": key}}}


def _gateway_environment(drain: DrainChain) -> dict[str, str]:
    return {
        "HOME": _HOME,
        "GRACEFUL_SHUTDOWN_TIMEOUT": str(drain.shutdown_timeout_seconds),
        # Without it the proxy asks the internet for prices while it starts.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DISABLE_ADMIN_UI": "True",
        # Even switched off, the proxy unpacks its pages at start-up, by default beside its code.
        "LITELLM_NON_ROOT": "true",
        "LITELLM_UI_PATH": "/tmp/ui",
        "LITELLM_ASSETS_PATH": "/tmp/assets",
    }
