"""All of a stack's Ollama models on one CPU server, for development.

Owns the Deployment, its Service and its network policy, and says how models are pulled and held
against their pins. Ollama has no authentication: who reaches its port can pull, push and delete.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s
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
from components.document.ollama_models import OllamaServerSettings
from components.document.ollama_plan import OllamaPlan
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

_PROGRAM_FILE = Path(__file__).parent / "programs" / "ollama_verify.py"
_PROGRAM = "/opt/verify"
_MODELS = "/models"
_HOME = "/home/ollama"
_START_SECONDS = 600
"""For image and node."""
_READ_BYTES_PER_SECOND = 100_000_000
"""Of a volume that is checked before the server starts; a gp3 volume gives 125 MB/s."""


class VerifyProgram(pulumi.ComponentResource):
    """The program that holds the volume against the pins, as pods mount it.

    Attributes:
        config_map_name: Follows the program's content, so that another program is another pod.
    """

    config_map_name: str

    def __init__(
        self, name: str, *, who: Identity, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("inference:storage:VerifyProgram", name, None, opts)
        text = _PROGRAM_FILE.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.config_map_name = f"{who.name}-verify-{digest[:8]}"
        k8s.core.v1.ConfigMap(
            name,
            metadata=who.metadata(self.config_map_name),
            immutable=True,
            data={_PROGRAM_FILE.name: text},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"config_map_name": self.config_map_name})


class OllamaServer(pulumi.ComponentResource):
    """An Ollama Deployment that only the gateway and monitoring may reach."""

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: OllamaServerSettings,
        *,
        who: Identity,
        pod: PodSpecArgsDict,
        start_seconds: int,
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
            start_seconds=start_seconds,
        )
        self.service_name = server(who, replicas, pod, OLLAMA_PORT, child).metadata.name
        self.register_outputs({"service_name": self.service_name})


def start_seconds(planned: OllamaPlan) -> int:
    """From creation to readiness at most: every model is read once before the server starts."""
    return _START_SECONDS + planned.size_bytes // _READ_BYTES_PER_SECOND


def server_pod(
    settings: OllamaServerSettings,
    planned: OllamaPlan,
    drain: DrainChain,
    claim_name: pulumi.Input[str],
    program_name: str,
) -> PodSpecArgsDict:
    """The server's pod: it starts on models that are what was pinned, or not at all.

    Open streams end before SIGTERM, because Ollama cuts them on it.
    """
    container: ContainerArgsDict = {
        "name": "ollama",
        "image": settings.image or image("ollama"),
        "env": environment({**_environment(), **_limits(settings, planned)}),
        "ports": [{"name": HTTP, "container_port": OLLAMA_PORT}],
        "resources": resources(planned.cpu, planned.memory_gib),
        "startup_probe": http_probe("/api/version", HTTP, period=5, failures=60),
        "readiness_probe": http_probe("/api/version", HTTP, period=5, failures=3),
        "liveness_probe": liveness_probe("/api/version", HTTP),
        "lifecycle": {"pre_stop": {"sleep": {"seconds": drain.abrupt_pre_stop_seconds}}},
        "volume_mounts": _mounts(),
    }
    return hardened_pod(
        [container],
        _volumes(claim_name, program_name),
        uid=USER,
        group=GROUP,
        init_containers=[_verify(planned, discard=False)],
    )


def preload_pod(
    settings: OllamaServerSettings,
    planned: OllamaPlan,
    claim_name: str,
    program_name: str,
) -> PodSpecArgsDict:
    """The pod that pulls every model in turn through a server of its own, on the same volume.

    The serving pod therefore never needs a way out to the internet. What was pulled is held against
    the pins in the end; a model that is not what was pinned is taken off the volume again.
    """
    reference = settings.image or image("ollama")

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
    pulls = [step(f"pull-{number}", "pull", source) for number, source in enumerate(planned.pins)]
    return hardened_pod(
        [_verify(planned, discard=True)],
        _volumes(claim_name, program_name),
        uid=USER,
        group=GROUP,
        init_containers=[sidecar, *pulls],
    )


def _verify(planned: OllamaPlan, *, discard: bool) -> ContainerArgsDict:
    """The step that reads every file of every model, some seconds a GB."""
    return {
        "name": "verify",
        "image": image("python"),
        "command": ["python3", f"{_PROGRAM}/{_PROGRAM_FILE.name}"],
        "args": [
            *(["--discard"] if discard else []),
            _MODELS,
            *(f"{source}={digest}" for source, digest in planned.pins.items()),
        ],
        "env": environment({"HOME": _HOME}),
        "resources": resources(1, 1),
        "termination_message_policy": "FallbackToLogsOnError",
        "volume_mounts": [
            *(mounts(models=_MODELS) if discard else [_read_only("models", _MODELS)]),
            _read_only("program", _PROGRAM),
            *mounts(home=_HOME),
        ],
    }


def _limits(settings: OllamaServerSettings, planned: OllamaPlan) -> dict[str, str]:
    """What a server holds and answers; the gateway says each model's own context (`num_ctx`)."""
    return {
        "OLLAMA_CONTEXT_LENGTH": str(planned.context),
        "OLLAMA_NUM_PARALLEL": str(settings.parallel),
        "OLLAMA_MAX_LOADED_MODELS": str(settings.max_loaded_models),
        "OLLAMA_MAX_QUEUE": str(settings.max_queue),
        "OLLAMA_KEEP_ALIVE": settings.keep_alive,
        "OLLAMA_NO_CLOUD": "1",
    }


def _environment() -> dict[str, str]:
    return {
        "HOME": _HOME,
        "OLLAMA_HOST": f"0.0.0.0:{OLLAMA_PORT}",
        "OLLAMA_MODELS": _MODELS,
        "OLLAMA_NOPRUNE": "1",
        # The image asks for every GPU of its node, wherever a runtime listens to this variable.
        "NVIDIA_VISIBLE_DEVICES": "void",
    }


def _read_only(name: str, path: str) -> VolumeMountArgsDict:
    return {"name": name, "mount_path": path, "read_only": True}


def _mounts() -> list[VolumeMountArgsDict]:
    return mounts(models=_MODELS, home=_HOME, tmp="/tmp")


def _volumes(claim_name: pulumi.Input[str], program_name: str) -> list[VolumeArgsDict]:
    return [
        {"name": "models", "persistent_volume_claim": {"claim_name": claim_name}},
        {"name": "program", "config_map": {"name": program_name}},
        scratch("home", "1Gi"),
        scratch("tmp", "2Gi"),
    ]
