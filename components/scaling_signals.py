"""What each autoscaler looks at: triggers of KEDA, metrics of a HorizontalPodAutoscaler."""

from collections.abc import Sequence
from typing import Any

from components.autoscaling import Scaled
from components.core import queries
from components.core.queries import Target
from components.document import PlatformSettings
from components.document.cache import EbsCache
from components.document.plans import ModelPlan
from components.document.scale_in import start_seconds
from components.document.scaling import HoursSettings, ModelScalingSettings
from components.litellm import START_SECONDS

ADAPTER_IN_FLIGHT = "vllm_requests_in_flight"
ADAPTER_KV_CACHE = "vllm_kv_cache_use"
"""Names under which a metrics adapter has to offer vLLM's series; `runbooks/autoscaling.md` has its
rules. Names of Prometheus with a colon are none in a metrics API."""


def model_scaled(settings: PlatformSettings, found: ModelPlan) -> Scaled:
    """The workload of a model."""
    model = found.settings
    version, kind = "apps/v1", "Deployment"
    if model.nodes > 1:
        version, kind = "leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"
    elif isinstance(model.cache, EbsCache):
        kind = "StatefulSet"
    to_zero = model.scaling is not None and model.scaling.idle == "zero"
    others = settings.gateway.fallbacks.get(found.alias, ()) if to_zero else ()
    return Scaled(version, kind, "vllm", start_seconds(found.plans), ",".join(others))


def gateway_scaled() -> Scaled:
    """The workload of the gateway."""
    return Scaled("apps/v1", "Deployment", "litellm", START_SECONDS)


def model_signals(settings: PlatformSettings, alias: str) -> list[dict[str, Any]]:
    """What the autoscaler of a model looks at."""
    scaling = settings.vllm_models[alias].scaling
    assert scaling is not None, "the wiring asks for scaled models alone"
    if scaling.kind == "hpa":
        return _model_metrics(scaling, alias)
    return _model_triggers(settings, alias, scaling)


def gateway_signals(settings: PlatformSettings) -> list[dict[str, Any]]:
    """What the autoscaler of the gateway looks at."""
    scaling = settings.gateway.scaling
    assert scaling is not None, "the wiring asks for a scaled gateway alone"
    if scaling.kind == "hpa":
        target = {"type": "Utilization", "averageUtilization": scaling.cpu_percent}
        return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    url = settings.monitoring.prometheus_url
    asked = queries.open_requests(_gateway(settings))
    return [
        _prometheus("open-requests", url, asked, str(scaling.in_flight)),
        *_cron(scaling.hours),
    ]


def _model_triggers(
    settings: PlatformSettings, alias: str, scaling: ModelScalingSettings
) -> list[dict[str, Any]]:
    model, url = settings.vllm_models[alias], settings.monitoring.prometheus_url
    servers, gateway = Target(settings.namespace, model.service_name), _gateway(settings)
    to_zero = scaling.idle == "zero"

    def trigger(name: str, query: str, threshold: float, *, wakes: bool) -> dict[str, Any]:
        whole = queries.zero_without_servers(query, servers, gateway) if to_zero else query
        latency = name == "first-token-p99"
        return _prometheus(
            name,
            url,
            whole,
            f"{threshold:g}",
            # What lingers after the last request must not keep the last server.
            activation="0" if wakes else f"{threshold:g}",
            metric_type="Value" if latency else "AverageValue",
        )

    found = [trigger("in-flight", queries.in_flight(servers, alias), scaling.in_flight, wakes=True)]
    if scaling.kv_cache_use is not None:
        use = queries.kv_cache_use(servers, alias)
        found.append(trigger("kv-cache-use", use, scaling.kv_cache_use, wakes=False))
    if scaling.first_token_p99_seconds is not None:
        late = queries.first_token_p99(servers, alias)
        found.append(trigger("first-token-p99", late, scaling.first_token_p99_seconds, wakes=False))
    if to_zero:
        asked = queries.asked_for(gateway, _names(settings, alias))
        found.append(_prometheus("asked-for", url, asked, "1"))
    return [*found, *_cron(scaling.hours)]


def _names(settings: PlatformSettings, alias: str) -> Sequence[str]:
    """Names under which clients of the gateway reach a server."""
    own = (alias, *settings.vllm_models[alias].adapters)
    further = (name for name, to in settings.gateway.model_aliases.items() if to in own)
    return (*own, *further)


def _model_metrics(scaling: ModelScalingSettings, alias: str) -> list[dict[str, Any]]:
    wanted = {ADAPTER_IN_FLIGHT: str(scaling.in_flight)}
    if scaling.kv_cache_use is not None:
        wanted[ADAPTER_KV_CACHE] = f"{round(scaling.kv_cache_use * 1000)}m"
    return [
        {
            "type": "External",
            "external": {
                "metric": {"name": name, "selector": {"matchLabels": {"model_name": alias}}},
                "target": {"type": "AverageValue", "averageValue": value},
            },
        }
        for name, value in wanted.items()
    ]


def _prometheus(
    name: str,
    url: str,
    query: str,
    threshold: str,
    *,
    activation: str = "0",
    metric_type: str = "AverageValue",
) -> dict[str, Any]:
    return {
        "type": "prometheus",
        "name": name,
        "metricType": metric_type,
        "metadata": {
            "serverAddress": url,
            "query": query,
            "threshold": threshold,
            "activationThreshold": activation,
            # An empty answer is a lost target, not an idle one.
            "ignoreNullValues": "false",
        },
    }


def _cron(hours: HoursSettings | None) -> list[dict[str, Any]]:
    if hours is None:
        return []
    start, end = hours.crons
    return [
        {
            "type": "cron",
            "name": "hours",
            "metadata": {
                "timezone": hours.time_zone,
                "start": start,
                "end": end,
                "desiredReplicas": str(hours.replicas),
            },
        }
    ]


def _gateway(settings: PlatformSettings) -> Target:
    return Target(settings.namespace, settings.gateway.service_name)
