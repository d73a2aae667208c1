"""What leaves the cluster: models of providers outside, their Secrets, and who is sent there."""

from collections.abc import Iterator

from components.document.external_model import ExternalModelSettings
from components.document.providers import HOSTS, host_of, leads_inside, looks_like_key, refusal
from components.document.store_checks import secret_names
from components.document.whole import ROOT, PlatformSettings


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """What is wrong with models of providers outside, a sentence each."""
    for alias, model in document.external_models.items():
        yield from _provider(f"{ROOT}.models.{alias}", model)
    yield from _secrets(document)


def host(model: ExternalModelSettings) -> str:
    """Where prompts of a model go; empty where the document does not say it."""
    if model.api_base:
        return host_of(model.api_base)
    if _name(model).startswith("cohere") and "v1/" in model.provider_model:
        return "api.cohere.ai"  # LiteLLM's route to Cohere's former interface
    return HOSTS.get(_name(model)) or ""


def warnings(document: PlatformSettings) -> tuple[str, ...]:
    """A sentence for each model outside: its host, and which names lead there."""
    return tuple(_leaves(document, alias) for alias in document.external_models)


def _leaves(document: PlatformSettings, alias: str) -> str:
    model = document.external_models[alias]
    text = (
        f"{ROOT}.models.{alias}: prompts leave the cluster for {host(model)}: all that ask for "
        f"{_listed(_names(document, alias))}"
    )
    tagged = [_tagged(document, *way) for way in _tags(document, alias)]
    failing = _failing(document, alias)
    return "; and those ".join(
        (
            text,
            *([f"tagged {_listed(tagged)}"] if tagged else []),
            *([f"of {_listed(failing)} whenever it fails"] if failing else []),
        )
    )


def _tags(document: PlatformSettings, alias: str) -> Iterator[tuple[str, str]]:
    """Tags that lead to a model, with the name that they are of."""
    for name, routes in document.gateway.tag_routes.items():
        yield from ((tag, name) for tag, other in routes.items() if other == alias)


def _tagged(document: PlatformSettings, tag: str, name: str) -> str:
    """A fallback takes the tags of a request along."""
    failing = _failing(document, name)
    late = f", or for {_listed(failing)} whenever it fails" if failing else ""
    return f"{tag!r} that ask for {_listed(_same(document, name))}{late}"


def _failing(document: PlatformSettings, alias: str) -> list[str]:
    """Models that another one answers for when they fail, with the names to which that happens."""
    return [
        f"{other} (asked for as {_listed(_same(document, other))})"
        for other in document.aliases
        if other != alias and alias in _answering(document, other)
    ]


def _same(document: PlatformSettings, name: str) -> list[str]:
    """A name and those that stand for it alone, so that its ways are theirs."""
    return [name, *(n for n, meant in document.gateway.model_aliases.items() if meant == name)]


def _names(document: PlatformSettings, alias: str) -> list[str]:
    """What clients may ask for to get a model."""
    further = document.gateway.model_aliases
    return [alias, *(name for name in further if alias in document.gateway.meant(name))]


def _answering(document: PlatformSettings, alias: str) -> set[str]:
    """Who may answer instead of a model: its fallbacks, and theirs."""
    found: set[str] = set()
    waiting = [alias]
    while waiting:
        alias, gateway = waiting.pop(), document.gateway
        others = (*gateway.fallbacks.get(alias, ()), *gateway.context_fallbacks.get(alias, ()))
        after = set(others) - found
        found |= after
        waiting += after
    return found


def _listed(words: list[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def _provider(key: str, model: ExternalModelSettings) -> Iterator[str]:
    if looks_like_key(model.provider_model):
        yield (
            f"{key}.provider_model looks like a key: a provider's key belongs into the Secret that "
            f"{key}.secret names; write provider/model, and take that key out of use"
        )
        return
    refused = refusal(_name(model))
    if refused:
        yield f"{key}.provider_model {refused}"
    elif not host(model):
        yield (
            f"{key}.api_base is missing: {_name(model)} has no address of its own, every customer "
            "has another"
        )
    elif leads_inside(host(model)):
        yield (
            f"{key}.api_base leads to {host(model)}, a name of a private network: the gateway "
            "reaches public addresses alone, name a provider's public host"
        )


def _secrets(document: PlatformSettings) -> Iterator[str]:
    """A key goes to one host only, and the gateway's own to none."""
    own = {name: key for key, name in secret_names(document).items()}
    first: dict[str, tuple[str, str]] = {}
    for alias, model in document.external_models.items():
        key = f"{ROOT}.models.{alias}.secret.name"
        if model.secret.name in own:
            yield (
                f"{key} is {model.secret.name!r}, as is {own[model.secret.name]}, and the "
                f"gateway's own credential would be sent to {host(model)}: name a Secret of the "
                "provider's key"
            )
            continue
        other, where = first.setdefault(model.secret.name, (alias, host(model)))
        if where != host(model):
            yield (
                f"{key} is {model.secret.name!r}, as that of {ROOT}.models.{other}, whose prompts "
                f"go to {where} and these to {host(model)}: one host would get the other's key, "
                "name a Secret for each"
            )


def _name(model: ExternalModelSettings) -> str:
    return model.provider_model.partition("/")[0]
