"""What scaling must agree on with the rest of a document, a sentence each."""

from collections.abc import Iterator

from components.document.cache import is_shared
from components.document.scaling import (
    GatewayScalingSettings,
    HoursSettings,
    ModelScalingSettings,
)
from components.document.vllm_model import VllmServerSettings
from components.document.whole import ROOT, PlatformSettings

_GATEWAY = f"{ROOT}.gateway"
_GATEWAY_MOST = 1000


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """Everything that is wrong with how models and gateway are scaled."""
    for alias, model in document.vllm_models.items():
        key, scaling = f"{ROOT}.models.{alias}", model.scaling
        if scaling is None:
            continue
        if "replicas" in model.model_fields_set:
            yield _both(key, model.replicas)
        yield from _counts(f"{key}.scaling", scaling)
        yield from _hpa(f"{key}.scaling", scaling)
        yield from _signals(key, model, scaling)
        if not is_shared(model.cache) and scaling.max_replicas > 1:
            yield (
                f"{key}.scaling.max_replicas is {scaling.max_replicas}, but its cache "
                f"({model.cache.kind}) is made for a fixed number of servers: choose a "
                f"{key}.cache that nodes share, such as efs, or set max_replicas to 1"
            )
        if scaling.idle == "zero":
            yield from _idle(document, alias, model)
    yield from _gateway(document)


def _both(key: str, replicas: int) -> str:
    return (
        f"{key}.replicas is {replicas} beside {key}.scaling, and only one can say how many there "
        "are: take one of them out"
    )


def _counts(key: str, scaling: ModelScalingSettings | GatewayScalingSettings) -> Iterator[str]:
    least, most = scaling.min_replicas, scaling.max_replicas
    if least > most:
        yield (
            f"{key}.min_replicas is {least}, but max_replicas is {most}: lower it, or raise "
            f"{key}.max_replicas"
        )
        return
    blind = scaling.blind_replicas
    if not least <= blind <= most:
        yield (
            f"{key}.fallback_replicas is {blind}, but from min_replicas {least} to max_replicas "
            f"{most} are possible: change it, or leave it out"
        )
    if scaling.hours is not None:
        yield from _hours(f"{key}.hours", scaling.hours, most)
        floor = getattr(scaling, "idle", "keep") == "keep" and scaling.hours.replicas <= least
        if floor:
            yield (
                f"{key}.hours.replicas is {scaling.hours.replicas}, but min_replicas {least} are "
                "kept at all hours: raise it, or take hours out"
            )


def _hours(key: str, hours: HoursSettings, most: int) -> Iterator[str]:
    if hours.replicas > most:
        yield (
            f"{key}.replicas is {hours.replicas}, but max_replicas is {most}: lower it, or raise "
            "max_replicas"
        )
    if hours.start == hours.end:
        yield f"{key}.end is {hours.end!r}, which is {key}.start too: hours end at another time"
    if not hours.by_clock:
        clocks = [text for text in (hours.start, hours.end) if ":" in text]
        if clocks:
            yield (
                f"{key}.start is {hours.start!r} and {key}.end {hours.end!r}: write both as times "
                "of the day, or both as cron"
            )
        elif "days" in hours.model_fields_set:
            yield (
                f"{key}.days is there, but {key}.start is cron, which says the days itself: take "
                "days out"
            )


def _hpa(key: str, scaling: ModelScalingSettings | GatewayScalingSettings) -> Iterator[str]:
    """What only KEDA knows."""
    if scaling.kind == "keda":
        return
    wanted = ["hours"] if scaling.hours else []
    wanted += ["fallback_replicas"] if scaling.fallback_replicas else []
    if isinstance(scaling, ModelScalingSettings):
        wanted += ["idle"] if scaling.idle == "zero" else []
        wanted += ["first_token_p99_seconds"] if scaling.first_token_p99_seconds else []
    for leaf in wanted:
        yield (
            f"{key}.{leaf} is there, but {key}.kind is 'hpa', which cannot do it: set kind to "
            f"keda, or take {leaf} out"
        )


def _signals(key: str, model: VllmServerSettings, scaling: ModelScalingSettings) -> Iterator[str]:
    """Targets that can be reached, and measured for this task."""
    limit = model.max_num_queued_reqs
    if limit is not None and scaling.in_flight >= limit:
        yield (
            f"{key}.scaling.in_flight is {scaling.in_flight}, but a server refuses more than "
            f"{limit} requests: lower it below {key}.max_num_queued_reqs, or raise that"
        )
    for leaf in ("kv_cache_use", "first_token_p99_seconds"):
        if model.task != "generate" and getattr(scaling, leaf) is not None:
            yield (
                f"{key}.scaling.{leaf} is there, but {key}.task is {model.task!r}, which generates "
                "no tokens: take it out, in_flight is possible"
            )


def _idle(document: PlatformSettings, alias: str, model: VllmServerSettings) -> Iterator[str]:
    """Somebody answers what wakes a model, through the gateway alone."""
    key = f"{ROOT}.models.{alias}"
    for name in (alias, *model.adapters):
        others = document.gateway.fallbacks.get(name, ())
        if not any(_awake(document, other) for other in others):
            yield (
                f"{key}.scaling.idle is 'zero', but nobody would answer {name} meanwhile: name an "
                f"alias that always runs in {_GATEWAY}.fallbacks.{name}, or set idle to keep"
            )
    if model.direct_clients:
        yield (
            f"{key}.scaling.idle is 'zero', but {key}.direct_clients call past the gateway, which "
            "wakes it: take direct_clients out, or set idle to keep"
        )


def _awake(document: PlatformSettings, alias: str) -> bool:
    """Whether an alias, or the model of an adapter, is never at zero."""
    owners = {name: model for model in document.vllm_models.values() for name in model.adapters}
    model = document.vllm_models.get(alias) or owners.get(alias)
    return model is None or model.scaling is None or model.scaling.idle == "keep"


def _gateway(document: PlatformSettings) -> Iterator[str]:
    settings, key = document.gateway, f"{_GATEWAY}.scaling"
    scaling = settings.scaling
    if scaling is None:
        return
    if "replicas" in settings.model_fields_set:
        yield _both(_GATEWAY, settings.replicas)
    yield from _counts(key, scaling)
    yield from _hpa(key, scaling)
    if scaling.max_replicas > _GATEWAY_MOST:
        yield (
            f"{key}.max_replicas is {scaling.max_replicas}, at most {_GATEWAY_MOST} are possible: "
            "lower it"
        )
    unused = {"keda": "cpu_percent", "hpa": "in_flight"}[scaling.kind]
    if unused in scaling.model_fields_set:
        yield (
            f"{key}.{unused} is there, but {key}.kind is {scaling.kind!r}, which does not ask for "
            f"it: take {unused} out, or change kind"
        )
