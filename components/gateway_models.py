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
_FAILURES = 4
"""More of them within `routing.rest_seconds`, in one pod of the gateway, and a model rests."""
_RESTS: Mapping[str, Any] = {
    "allowed_fails": _FAILURES,
    "allowed_fails_policy": {
        # What an engine does not know is the client's mistake, and no reason to rest for others.
        "NotFoundErrorAllowedFails": 10**9,
        # A provider that says "too many" means it.
        "RateLimitErrorAllowedFails": 0,
    },
}
_NEVER_RESTS: Mapping[str, Any] = {"cooldown_time": 0}
"""Of the one address of a name: to let it rest would be to refuse every tenant."""


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
        key: Secret of the key that it asks for; None for an engine that asks for none.
        host: Where prompts go outside the cluster; empty for an engine of the stack, which alone
            is reached by `pod_labels`.
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
        """Variable of the gateway that holds the provider's or the engine's key."""
        return f"PROVIDER_KEY_{self.alias.upper().replace('-', '_')}"


def model_list(settings: GatewaySettings, backends: Sequence[Backend]) -> list[dict[str, Any]]:
    """LiteLLM's `model_list`: each alias, names with several models behind them, and tag routes.

    Every entry has an id of its own, name and alias, by which metrics and logs tell them apart.
    """
    by_alias = {backend.alias: backend for backend in backends}
    names = [*by_alias, *(n for n, a in settings.model_aliases.items() if not isinstance(a, str))]
    # Where tags count, LiteLLM refuses a tagged request to a model without any tag.
    tags = [_UNTAGGED] if settings.tag_routes else []
    several = choices(settings)
    alone: Mapping[str, Any] = _NEVER_RESTS if several else {}
    entries: list[dict[str, Any]] = []
    for name in names:
        routes = settings.tag_routes.get(name, {})
        behind = [by_alias[alias] for alias in settings.meant(name)]
        longest = max((backend.max_model_len or 0 for backend in behind), default=0)
        rest = _RESTS if name in several else alone
        entries += [_entry(name, backend, tags, longest, rest) for backend in behind]
        entries += [
            _entry(name, by_alias[alias], [tag], 0, alone, mark=tag)
            for tag, alias in routes.items()
        ]
    return entries


def choices(settings: GatewaySettings) -> list[str]:
    """Names with several models behind them, one of which may rest."""
    return [name for name in settings.model_aliases if len(settings.meant(name)) > 1]


def truncates(backends: Sequence[Backend]) -> bool:
    """Whether some model cuts prompts, so that the gateway has to count tokens before the call."""
    return any(backend.truncates for backend in backends)


def asks_for_key(backend: Backend) -> bool:
    """Whether a model of the stack's own asks the gateway for a key."""
    return backend.key is not None and not backend.host


def salts(backends: Sequence[Backend]) -> bool:
    """Whether some model's prefix cache is kept apart by tenant."""
    return any(backend.salted for backend in backends)


def _entry(
    name: str,
    backend: Backend,
    tags: Sequence[str],
    longest: int,
    rest: Mapping[str, Any],
    *,
    mark: str = "",
) -> dict[str, Any]:
    parts = (name, backend.alias, mark) if mark else (name, backend.alias)
    info = {
        "id": ".".join(dict.fromkeys(parts)),
        **({"mode": backend.mode} if backend.mode else {}),
        **({_SALTED: True} if backend.salted else {}),
        **_context(backend, longest),
        **rest,
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
