"""LiteLLM's configuration: its models, their order of fallback, and the hook that it loads.

Which models exist is not said here: backends are handed over, derived from the stack's models.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.drain import DrainChain
from components.document.gateway import GatewaySettings
from components.document.quantities import KeySecret

MASTER_KEY = "LITELLM_MASTER_KEY"
_SALT, _SALTED = "tenant_salt", "salted_per_tenant"
"""Module and object of the hook in `programs`, and its mark on a model; LiteLLM looks for modules
beside its configuration."""


@dataclass(frozen=True)
class Backend:
    """One model as the gateway sees it.

    Attributes:
        alias: What clients ask for.
        litellm_model: LiteLLM's name of provider and model, `hosted_vllm/akko-coder`.
        api_base: Address of the engine, in the form that the provider wants; None for a
            provider's own.
        parameters: Further parameters of the provider.
        pod_labels: Labels of the engine's pods; empty for a provider outside the cluster.
        port: TCP port on which they answer.
        key: Secret of the provider's key; None for an engine of the stack, which asks for none.
        host: Where prompts go outside the cluster; empty for an engine of the stack.
        mode: What LiteLLM calls the task; empty for chat.
        salted: Whether each tenant has a prefix cache of its own there.
    """

    alias: str
    litellm_model: str
    api_base: str | None
    parameters: Mapping[str, int]
    pod_labels: Mapping[str, str]
    port: int
    key: KeySecret | None = None
    host: str = ""
    mode: str = ""
    salted: bool = False

    @property
    def key_variable(self) -> str:
        """Variable of the gateway that holds the provider's key."""
        return f"PROVIDER_KEY_{self.alias.upper().replace('-', '_')}"


def gateway_config(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> dict[str, Any]:
    """LiteLLM's configuration (written as JSON, which is YAML); the key comes by environment."""
    return {
        "model_list": [
            {
                "model_name": backend.alias,
                "litellm_params": _provider_parameters(backend),
                **_model_info(backend),
            }
            for backend in backends
        ],
        "router_settings": {
            "num_retries": 1,
            # An alias is one address: to rest it would be to refuse every tenant, and one request
            # that its engine does not know (404) is enough for that.
            "disable_cooldowns": True,
            "timeout": drain.request_timeout_seconds,
            "stream_timeout": drain.request_timeout_seconds,
            "model_group_alias": dict(settings.model_aliases),
            **_fallbacks(settings),
        },
        "litellm_settings": {
            "request_timeout": drain.request_timeout_seconds,
            "turn_off_message_logging": True,
            **({"callbacks": [f"{_SALT}.{_SALT}"]} if _salts(backends) else {}),
        },
        "general_settings": {"master_key": f"os.environ/{MASTER_KEY}"},
    }


def _salts(backends: Sequence[Backend]) -> bool:
    return any(backend.salted for backend in backends)


def _model_info(backend: Backend) -> dict[str, Any]:
    mode = {"mode": backend.mode} if backend.mode else {}
    info = {**mode, **({_SALTED: True} if backend.salted else {})}
    return {"model_info": info} if info else {}


def gateway_files(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> dict[str, str]:
    """What lies beside the gateway: its configuration, and the hook that this one names."""
    config = json.dumps(gateway_config(settings, backends, drain), indent=2)
    hook = Path(__file__).parent / "programs" / f"{_SALT}.py"
    hooks = {hook.name: hook.read_text(encoding="utf-8")} if _salts(backends) else {}
    return {"config.yaml": config, **hooks}


def _provider_parameters(backend: Backend) -> dict[str, Any]:
    address = {"api_base": backend.api_base} if backend.api_base else {}
    key = {"api_key": f"os.environ/{backend.key_variable}"} if backend.key else {}
    return {"model": backend.litellm_model, **address, **key, **backend.parameters}


def _fallbacks(settings: GatewaySettings) -> dict[str, Any]:
    """Who answers instead; LiteLLM looks under the name that was asked for, so aliases count too.

    Where none is named the key is left out, and the configuration stays as it was.
    """
    ways = dict(settings.fallbacks)
    for name, alias in settings.model_aliases.items():
        if alias in settings.fallbacks:
            ways[name] = settings.fallbacks[alias]
    listed = [{name: list(others)} for name, others in ways.items()]
    return {"fallbacks": listed} if listed else {}
