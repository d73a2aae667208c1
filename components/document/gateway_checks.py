"""What the ways from a client's name to a model must agree on with the models, a sentence each."""

from collections.abc import Iterator, Mapping
from itertools import chain

from components.document.vllm_model import VllmServerSettings
from components.document.whole import ROOT, PlatformSettings

_GATEWAY = f"{ROOT}.gateway"


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """What is wrong with the ways from a client's name to a model."""
    for check in (_aliases, _further_names, _fallbacks, _lengths, _circles, _tag_routes):
        yield from check(document)


def _aliases(document: PlatformSettings) -> Iterator[str]:
    for name in document.gateway.model_aliases:
        key = f"{_GATEWAY}.model_aliases.{name}"
        meant = document.gateway.meant(name)
        for alias in meant:
            if alias not in document.aliases:
                yield f"{key} is {alias!r}, {_no_model(document)}"
        if name in document.models:
            yield f"{key} hides the model of that name: choose another name"
        if len(set(meant)) < len(meant):
            yield f"{key} names a model twice: name each once"
        tasks = {task(document, alias) for alias in meant if alias in document.aliases}
        if len(tasks) > 1:
            yield (
                f"{key} names models of different tasks ({', '.join(sorted(tasks))}): a client "
                "would not know what to ask; name models of one task"
            )


def _further_names(document: PlatformSettings) -> Iterator[str]:
    """Adapters are aliases of the gateway too; who calls a server directly uses its names."""
    taken = {alias: f"{ROOT}.models.{alias}" for alias in document.models}
    for name in document.gateway.model_aliases:
        taken.setdefault(name, f"{_GATEWAY}.model_aliases.{name}")
    adapters = [(alias, name) for alias, m in document.vllm_models.items() for name in m.adapters]
    for alias, name in adapters:
        key = f"{ROOT}.models.{alias}.adapters.{name}"
        if name in taken:
            yield f"{key} has the name of {taken[name]}: choose another name"
        taken.setdefault(name, key)
    for alias, model in document.vllm_models.items():
        for name in model.served_names:
            if name in taken:
                yield (
                    f"{ROOT}.models.{alias}.served_names holds {name!r}, the name of "
                    f"{taken[name]}: choose another name"
                )


def _fallbacks(document: PlatformSettings) -> Iterator[str]:
    for key, alias, others in ways(document):
        if alias not in document.aliases:
            yield f"{key} is of {alias!r}, {_no_model(document)}"
        for other in others:
            if other not in document.aliases:
                yield f"{key} names {other!r}, {_no_model(document)}"
            elif alias in document.aliases and task(document, alias) != task(document, other):
                yield (
                    f"{key} names {other!r}, a model to {task(document, other)}, where {alias!r} "
                    f"is one to {task(document, alias)}: name a model of the same task"
                )
            elif _is_batch(document, alias) and _is_interactive(document, other):
                yield (
                    f"{key} names {other!r}, whose traffic_class is 'interactive', while "
                    f"{alias!r} is 'batch': bulk work would take the places of those who wait for "
                    "an answer; name a model of class batch or one outside"
                )


def _lengths(document: PlatformSettings) -> Iterator[str]:
    """A shorter model refuses what the one before would have answered."""
    gateway = document.gateway
    for alias, others in gateway.fallbacks.items():
        for other in others:
            here, there = length(document, alias), length(document, other)
            if here and there and there < here:
                yield (
                    f"{_GATEWAY}.fallbacks.{alias} names {other!r}, whose max_model_len is {there} "
                    f"where {alias!r} has {here}: it would refuse longer prompts; name a model of "
                    f"at least {here}, or lower {ROOT}.models.{alias}.max_model_len"
                )
    for alias, others in gateway.context_fallbacks.items():
        here = length(document, alias)
        for other in others:
            key, there = f"{_GATEWAY}.context_fallbacks.{alias}", length(document, other)
            if other in document.external_models and there is None:
                yield (
                    f"{key} names {other!r}, of which nobody says how long a prompt may be: set "
                    f"{ROOT}.models.{other}.max_model_len to what the provider says"
                )
            elif here and there and there <= here:
                yield (
                    f"{key} names {other!r}, whose max_model_len is {there}, and {alias!r} itself "
                    f"has {here}: what is too long for one is too long for the other; name a "
                    f"longer model, or raise {ROOT}.models.{other}.max_model_len"
                )


def _circles(document: PlatformSettings) -> Iterator[str]:
    """Either kind of fallback leads on to either kind, so they are looked at together."""
    gateway = document.gateway
    both: dict[str, tuple[str, ...]] = {}
    for alias, others in chain(gateway.fallbacks.items(), gateway.context_fallbacks.items()):
        both[alias] = (*both.get(alias, ()), *others)
    for alias in both:
        circle = _circle(alias, both)
        if circle and alias == min(circle):  # each circle once
            kind = "fallbacks" if alias in gateway.fallbacks else "context_fallbacks"
            path = " to ".join((*circle, alias))
            yield f"{_GATEWAY}.{kind}.{alias} goes round: {path}; take one of them out"


def _tag_routes(document: PlatformSettings) -> Iterator[str]:
    several = {n for n, a in document.gateway.model_aliases.items() if not isinstance(a, str)}
    possible = (*document.aliases, *sorted(several))
    for alias, tags in document.gateway.tag_routes.items():
        key = f"{_GATEWAY}.tag_routes.{alias}"
        if alias not in possible:
            yield f"{key} is of {alias!r}, which is not among the aliases: {', '.join(possible)}"
        for tag, other in tags.items():
            if other not in document.aliases:
                yield f"{key}.{tag} is {other!r}, {_no_model(document)}"
            elif other in document.gateway.meant(alias):
                yield f"{key}.{tag} leads back to {other!r} itself: name another model"
            elif any(
                task(document, each) != task(document, other)
                for each in document.gateway.meant(alias)
                if each in document.aliases
            ):
                yield f"{key}.{tag} is {other!r}, a model to {task(document, other)}: name another"
            if tag == "default":
                yield f"{key}.default is the gateway's own tag of what answers untagged: rename it"


def ways(document: PlatformSettings) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Fallbacks of both kinds: their key in the document, the alias, who answers instead."""
    gateway = document.gateway
    for kind, found in (
        ("fallbacks", gateway.fallbacks),
        ("context_fallbacks", gateway.context_fallbacks),
    ):
        for alias, others in found.items():
            yield f"{_GATEWAY}.{kind}.{alias}", alias, others


def task(document: PlatformSettings, alias: str) -> str:
    """What a model is asked to do, in vLLM's word; providers and Ollama generate."""
    served = _served(document, alias)
    return served.task if served else "generate"


def length(document: PlatformSettings, alias: str) -> int | None:
    """`max_model_len` of the model behind an alias; None where nobody says it."""
    served = _served(document, alias)
    if served:
        return served.max_model_len
    model = document.models.get(alias)
    return model.max_model_len if model else None


def _served(document: PlatformSettings, alias: str) -> VllmServerSettings | None:
    for name, model in document.vllm_models.items():
        if alias == name or alias in model.adapters:
            return model
    return None


def _is_batch(document: PlatformSettings, alias: str) -> bool:
    served = _served(document, alias)
    return served is not None and served.traffic_class == "batch"


def _is_interactive(document: PlatformSettings, alias: str) -> bool:
    served = _served(document, alias)
    return served is not None and served.traffic_class == "interactive"


def _no_model(document: PlatformSettings) -> str:
    return f"which is not among {ROOT}.models: {', '.join(document.aliases)}"


def _circle(start: str, fallbacks: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The way from an alias back to itself; empty where there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for after in fallbacks.get(way[-1], ()):
            if after == start:
                return way
            if after not in seen:
                seen.add(after)
                ways.append((*way, after))
    return ()
