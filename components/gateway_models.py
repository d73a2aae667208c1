"""LiteLLM's list of models: which addresses stand behind each name that clients ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.document.gateway import GatewaySettings
from components.document.price import PriceSettings
from components.document.quantities import KeySecret

_SALTED = "salted_per_tenant"
"""Mark of a model whose prefix cache the hook `tenant_salt` keeps apart."""
_UNTAGGED = "default"
"""LiteLLM's own tag of what answers requests whose tags lead nowhere."""


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
        price: What its tokens cost; None where nobody says it.
        max_model_len: Tokens of prompt and answer together; None where nobody says it.
        truncates: Whether it cuts a prompt that is too long without a word, as Ollama does.
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
    price: PriceSettings | None = None
    max_model_len: int | None = None
    truncates: bool = False

    @property
    def key_variable(self) -> str:
        """Variable of the gateway that holds the provider's key."""
        return f"PROVIDER_KEY_{self.alias.upper().replace('-', '_')}"


def model_list(settings: GatewaySettings, backends: Sequence[Backend]) -> list[dict[str, Any]]:
    """LiteLLM's `model_list`: each alias, names with several models behind them, and tag routes.

    Every entry has an id of its own, name and alias, by which metrics and logs tell them apart.
    """
    by_alias = {backend.alias: backend for backend in backends}
    names = [*by_alias, *(n for n, a in settings.model_aliases.items() if not isinstance(a, str))]
    # Where tags count, LiteLLM refuses a tagged request to a model without any tag.
    tags = [_UNTAGGED] if settings.tag_routes else []
    entries: list[dict[str, Any]] = []
    for name in names:
        routes = settings.tag_routes.get(name, {})
        behind = [by_alias[alias] for alias in settings.meant(name)]
        longest = max((backend.max_model_len or 0 for backend in behind), default=0)
        entries += [_entry(name, backend, tags, longest) for backend in behind]
        entries += [
            _entry(name, by_alias[alias], [tag], 0, mark=tag) for tag, alias in routes.items()
        ]
        if has_choices(settings) and len(behind) == 1:
            # To rest would be to refuse every tenant, for one request that an engine does not know.
            for entry in entries[-1 - len(routes) :]:
                entry["litellm_params"]["cooldown_time"] = 0
    return entries


def has_choices(settings: GatewaySettings) -> bool:
    """Whether some name has several models behind it, one of which may rest."""
    return any(not isinstance(alias, str) for alias in settings.model_aliases.values())


def truncates(backends: Sequence[Backend]) -> bool:
    """Whether some model cuts prompts, so that the gateway has to count tokens before the call."""
    return any(backend.truncates for backend in backends)


def salts(backends: Sequence[Backend]) -> bool:
    """Whether some model's prefix cache is kept apart by tenant."""
    return any(backend.salted for backend in backends)


def _entry(
    name: str, backend: Backend, tags: Sequence[str], longest: int, *, mark: str = ""
) -> dict[str, Any]:
    parts = (name, backend.alias, mark) if mark else (name, backend.alias)
    info = {
        "id": ".".join(dict.fromkeys(parts)),
        **({"mode": backend.mode} if backend.mode else {}),
        **({_SALTED: True} if backend.salted else {}),
        **_context(backend, longest),
    }
    parameters = {
        **_provider_parameters(backend),
        **({"tags": list(tags)} if tags else {}),
        **_prices(backend),
    }
    return {"model_name": name, "litellm_params": parameters, "model_info": info}


def _context(backend: Backend, longest: int) -> dict[str, int]:
    """A bound for the gateway's own count of tokens, for all but the longest model of a name.

    It counts with another tokenizer than the engine, so it may only choose, never refuse: the
    longest model gets whatever is left, and its engine counts exactly. One that would cut the
    prompt instead is refused by this count.
    """
    length = backend.max_model_len
    bound = length and (length < longest or backend.truncates)
    return {"max_input_tokens": length} if bound and length else {}


def _provider_parameters(backend: Backend) -> dict[str, Any]:
    address = {"api_base": backend.api_base} if backend.api_base else {}
    key = {"api_key": f"os.environ/{backend.key_variable}"} if backend.key else {}
    return {"model": backend.litellm_model, **address, **key, **backend.parameters}


def _prices(backend: Backend) -> dict[str, float]:
    if backend.price is None:
        return {}
    return {
        "input_cost_per_token": backend.price.input_usd,
        "output_cost_per_token": backend.price.output_usd,
    }
