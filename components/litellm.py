"""The gateway: one OpenAI-compatible address for every model of the stack.

Owns the LiteLLM Deployment, its configuration, its key and its network policy. Which models exist
is not said here: backends are handed over, derived from the stack's models.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict
from pulumi_kubernetes.networking.v1 import (
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicyPeerArgsDict,
    NetworkPolicySpecArgsDict,
)
from pydantic import Field

from components.core.conventions import GATEWAY_PORT, PART_OF
from components.core.drain import DrainChain
from components.core.images import image
from components.core.settings import (
    DnsLabel,
    ImageReference,
    PositiveInt,
    ServiceName,
    Settings,
)
from components.network import egress, ingress, network_policy, policy_spec, same_namespace
from components.pods import (
    environment,
    hardened_pod,
    http_probe,
    liveness_probe,
    mounts,
    resources,
    rollout,
    scratch,
)
from components.workloads import HTTP, Identity, Replicas, server

MASTER_KEY = "LITELLM_MASTER_KEY"
USER = GROUP = 1000
"""Any user but root; nothing in the image belongs to it, and nothing has to."""

_CONFIG = "/etc/litellm"
_HOME = "/home/litellm"
_START_SECONDS = 600
_KEEP_ALIVE_SECONDS = 75
"""Above the 60 s after which common proxies drop an idle connection: the proxy closes first."""


class _KeySettings(Settings):
    secret_name: DnsLabel
    secret_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=253)] = (
        "master-key"
    )


class ExistingKey(_KeySettings):
    """A Secret that is already in the namespace, put there by the organisation's secret store."""

    source: Literal["existing"]


class ConfigKey(_KeySettings):
    """A Secret made from Pulumi's own encrypted configuration value `inference:gatewayKey`."""

    source: Literal["config"]


class DevelopmentKey(_KeySettings):
    """A Secret with a value that everybody knows; refused beside engines of production."""

    source: Literal["development"]
    value: Annotated[str, Field(pattern=r"^[!-~]{8,}$", description="8 or more signs, no blanks.")]


ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
"""What a client may ask for; the characters of model names at OpenAI, the hub and Ollama."""

MasterKey = Annotated[ExistingKey | ConfigKey | DevelopmentKey, Field(discriminator="source")]


class GatewaySettings(Settings):
    """What a stack may say about its gateway."""

    service_name: ServiceName
    replicas: PositiveInt = 1
    master_key: MasterKey
    model_aliases: Annotated[
        dict[ModelName, str],
        Field(description="Further names that clients may use, to their alias."),
    ] = Field(default_factory=dict)
    client_namespaces: Annotated[
        tuple[DnsLabel, ...], Field(description="Whose pods may call, beside the platform's own.")
    ] = ()
    cpu: PositiveInt = 1
    memory_gib: PositiveInt = 2
    image: ImageReference | None = None


@dataclass(frozen=True)
class Backend:
    """One model as the gateway sees it.

    Attributes:
        alias: What clients ask for.
        litellm_model: LiteLLM's name of provider and model, `hosted_vllm/akko-coder`.
        api_base: Address of the engine, in the form that the provider wants.
        parameters: Further parameters of the provider.
        pod_labels: Labels of the engine's pods.
        port: TCP port on which they answer.
    """

    alias: str
    litellm_model: str
    api_base: str
    parameters: Mapping[str, int]
    pod_labels: Mapping[str, str]
    port: int


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
                egress_rules=engine_egress(backends),
            ),
            child,
        )
        network_policy(f"{who.name}-clients", who.namespace, client_egress(who), child)
        config = json.dumps(gateway_config(settings, backends, drain), indent=2)
        config_name = f"{who.name}-config-{hashlib.sha256(config.encode()).hexdigest()[:8]}"
        k8s.core.v1.ConfigMap(
            f"{name}-config",
            metadata=who.metadata(config_name),
            immutable=True,
            data={"config.yaml": config},
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
            strategy=rollout(surge=True),
            grace_seconds=drain.pod_grace_seconds,
            start_seconds=_START_SECONDS,
        )
        pod = gateway_pod(settings, config_name, drain)
        self.service_name = server(who, replicas, pod, GATEWAY_PORT, child).metadata.name
        self.register_outputs({"service_name": self.service_name})


def gateway_config(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> dict[str, Any]:
    """LiteLLM's configuration (written as JSON, which is YAML); the key comes by environment."""
    return {
        "model_list": [
            {
                "model_name": backend.alias,
                "litellm_params": {
                    "model": backend.litellm_model,
                    "api_base": backend.api_base,
                    **backend.parameters,
                },
            }
            for backend in backends
        ],
        "router_settings": {
            "num_retries": 1,
            "timeout": drain.request_timeout_seconds,
            "stream_timeout": drain.request_timeout_seconds,
            "model_group_alias": dict(settings.model_aliases),
        },
        "litellm_settings": {
            "request_timeout": drain.request_timeout_seconds,
            "turn_off_message_logging": True,
        },
        "general_settings": {"master_key": f"os.environ/{MASTER_KEY}"},
    }


def engine_egress(backends: Sequence[Backend]) -> list[NetworkPolicyEgressRuleArgsDict]:
    """The ways to the engines, each once however many models it serves."""
    ways = {(backend.port, tuple(sorted(backend.pod_labels.items()))) for backend in backends}
    return [egress([same_namespace(dict(pods))], port) for port, pods in sorted(ways)]


def client_egress(who: Identity) -> NetworkPolicySpecArgsDict:
    """Pods of the namespace that are not the platform's own may call the gateway."""
    return {
        "pod_selector": {
            "match_expressions": [
                {"key": "app.kubernetes.io/part-of", "operator": "NotIn", "values": [PART_OF]}
            ]
        },
        "policy_types": ["Egress"],
        "egress": [egress([same_namespace(who.selector)], GATEWAY_PORT)],
    }


def gateway_pod(settings: GatewaySettings, config_name: str, drain: DrainChain) -> PodSpecArgsDict:
    """The gateway's pod; its key is required, so that a missing Secret keeps it from starting."""
    container: ContainerArgsDict = {
        "name": "litellm",
        "image": settings.image or image("litellm"),
        "args": [
            f"--config={_CONFIG}/config.yaml",
            f"--port={GATEWAY_PORT}",
            "--num_workers=1",
            f"--keepalive_timeout={_KEEP_ALIVE_SECONDS}",
        ],
        "env": [
            {
                "name": MASTER_KEY,
                "value_from": {
                    "secret_key_ref": {
                        "name": settings.master_key.secret_name,
                        "key": settings.master_key.secret_key,
                    }
                },
            },
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
