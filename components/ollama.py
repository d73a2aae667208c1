"""All of a stack's Ollama models on one CPU server, for development.

Owns the Deployment, its Service and its network policy, and says how models are pulled. Ollama has
no authentication: whoever reaches its port can pull, push and delete.
"""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    PodSpecArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components.core.conventions import OLLAMA_PORT
from components.core.drain import DrainChain
from components.core.images import image
from components.document.cache import access_mode
from components.document.ollama_models import OllamaModelSettings, OllamaServerSettings
from components.network import ingress, network_policy, policy_spec
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
"""Any user but root; the image has no user of its own."""

_MODELS = "/models"
_HOME = "/home/ollama"
_START_SECONDS = 600


class OllamaServer(pulumi.ComponentResource):
    """An Ollama Deployment that only the gateway and monitoring may reach."""

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: OllamaServerSettings,
        *,
        who: Identity,
        models: Mapping[str, OllamaModelSettings],
        claim_name: pulumi.Input[str],
        callers: Sequence[NetworkPolicyPeerArgsDict],
        drain: DrainChain,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:serving:OllamaServer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        network_policy(
            who.name,
            who.namespace,
            policy_spec(who.selector, ingress_rules=[ingress(callers, OLLAMA_PORT)]),
            child,
        )
        replicas = Replicas(
            count=1,
            surge=access_mode(settings.cache) == "ReadWriteMany",
            grace_seconds=drain.pod_grace_seconds,
            start_seconds=_START_SECONDS,
        )
        pod = server_pod(settings, models, drain, claim_name)
        self.service_name = server(who, replicas, pod, OLLAMA_PORT, child).metadata.name
        self.register_outputs({"service_name": self.service_name})


def server_pod(
    settings: OllamaServerSettings,
    models: Mapping[str, OllamaModelSettings],
    drain: DrainChain,
    claim_name: pulumi.Input[str],
) -> PodSpecArgsDict:
    """The server's pod; open streams end before SIGTERM, because Ollama cuts them on it."""
    context = max(model.max_model_len for model in models.values())
    container: ContainerArgsDict = {
        "name": "ollama",
        "image": settings.image or image("ollama"),
        "env": environment(
            {
                **_environment(),
                "OLLAMA_CONTEXT_LENGTH": str(context),
                "OLLAMA_NUM_PARALLEL": "1",
                "OLLAMA_MAX_LOADED_MODELS": "1",
                "OLLAMA_NO_CLOUD": "1",
            }
        ),
        "ports": [{"name": HTTP, "container_port": OLLAMA_PORT}],
        "resources": resources(settings.cpu, settings.memory_gib),
        "startup_probe": http_probe("/api/version", HTTP, period=5, failures=60),
        "readiness_probe": http_probe("/api/version", HTTP, period=5, failures=3),
        "liveness_probe": liveness_probe("/api/version", HTTP),
        "lifecycle": {"pre_stop": {"sleep": {"seconds": drain.abrupt_pre_stop_seconds}}},
        "volume_mounts": _mounts(),
    }
    return hardened_pod([container], _volumes(claim_name), uid=USER, group=GROUP)


def preload_pod(
    settings: OllamaServerSettings, models: Mapping[str, OllamaModelSettings], claim_name: str
) -> PodSpecArgsDict:
    """The pod that pulls every model in turn through a server of its own, on the same volume.

    The serving pod therefore never needs a way out to the internet.
    """
    reference = settings.image or image("ollama")
    sources = sorted({model.source for model in models.values()})

    def step(name: str, *command: str) -> ContainerArgsDict:
        return {
            "name": name,
            "image": reference,
            "command": ["/bin/ollama", *command],
            "env": environment(_environment()),
            "resources": resources(1, 2),
            "volume_mounts": _mounts(),
        }

    ready = http_probe("/api/version", OLLAMA_PORT, period=1, failures=60)
    sidecar: ContainerArgsDict = {
        **step("serve", "serve"),
        "restart_policy": "Always",
        "startup_probe": ready,
    }
    pulls = [step(f"pull-{number}", "pull", source) for number, source in enumerate(sources)]
    return hardened_pod(
        [step("list", "list")],
        _volumes(claim_name),
        uid=USER,
        group=GROUP,
        init_containers=[sidecar, *pulls],
    )


def _environment() -> dict[str, str]:
    return {
        "HOME": _HOME,
        "OLLAMA_HOST": f"0.0.0.0:{OLLAMA_PORT}",
        "OLLAMA_MODELS": _MODELS,
        "OLLAMA_NOPRUNE": "1",
        # The image asks for every GPU of its node, wherever a runtime listens to this variable.
        "NVIDIA_VISIBLE_DEVICES": "void",
    }


def _mounts() -> list[VolumeMountArgsDict]:
    return mounts(models=_MODELS, home=_HOME, tmp="/tmp")


def _volumes(claim_name: pulumi.Input[str]) -> list[VolumeArgsDict]:
    return [
        {"name": "models", "persistent_volume_claim": {"claim_name": claim_name}},
        scratch("home", "1Gi"),
        scratch("tmp", "2Gi"),
    ]
