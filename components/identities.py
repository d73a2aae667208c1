"""Who the workloads of a stack are: names, labels, and the keys of the document behind them."""

from dataclasses import replace

from components.core.conventions import ARCHITECTURE_OVERRIDE, Role, document_key
from components.document import PlatformSettings
from components.document.ollama_models import OllamaServerSettings
from components.workloads import Identity


def gateway_identity(settings: PlatformSettings) -> Identity:
    """Names and labels of the gateway."""
    return identity("litellm", settings.gateway.service_name, settings, "gateway", "gateway")


def state_identity(settings: PlatformSettings) -> Identity:
    """Names and labels of what makes the gateway's teams and keys."""
    name = settings.gateway.service_name
    return identity("gateway-state", name, settings, "state", "gateway", "teams")


def vllm_identity(alias: str, settings: PlatformSettings) -> Identity:
    """Names and labels of one model's server."""
    model = settings.vllm_models[alias]
    who = identity("vllm", model.service_name, settings, "engine", "models", alias)
    who = replace(who, traffic=model.traffic_class)
    if model.architecture is None:
        return who
    note = {ARCHITECTURE_OVERRIDE: f"{model.source} served as {model.architecture}"}
    return replace(who, annotations={**who.annotations, **note})


def ollama_identity(server: OllamaServerSettings, settings: PlatformSettings) -> Identity:
    """Names and labels of the Ollama server."""
    return identity("ollama", server.service_name, settings, "engine", "ollama")


def identity(app: str, name: str, settings: PlatformSettings, role: Role, *key: str) -> Identity:
    """A workload of the stack, and the key of the document that it comes from."""
    return Identity(
        app=app,
        name=name,
        namespace=settings.namespace,
        role=role,
        annotations=document_key(*key),
        environment=settings.environment,
    )
