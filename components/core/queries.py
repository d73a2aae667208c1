"""What autoscalers ask Prometheus: each query gives one number, or none where nobody can know it.

None is not zero: a lost target must not end servers, so whoever asks takes an empty answer for an
error. Zero is said only where something that is scraped proves it. Names of vLLM's metrics: a
scrape of 0.32; of LiteLLM's: one of 1.106. Targets are called as Prometheus' operator calls those
of a ServiceMonitor: `job` is the Service, `namespace` its namespace.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_WOKEN_WITHIN = "2m"
_LATENCY_OVER = "5m"


@dataclass(frozen=True)
class Target:
    """Where a server's series are found.

    Attributes:
        namespace: Of its pods.
        service: Name of its Service.
    """

    namespace: str
    service: str

    @property
    def selector(self) -> str:
        """Labels of everything that is scraped from it."""
        return f'namespace="{self.namespace}",job="{self.service}"'


def _engine(target: Target, model: str) -> str:
    return f'{target.selector},model_name="{model}"'


def in_flight(target: Target, model: str) -> str:
    """Requests that run or wait in all servers of a model.

    Args:
        target: The servers.
        model: The engine's `model_name`, the first of its served names.
    """
    labels = _engine(target, model)
    return (
        f"sum(vllm:num_requests_running{{{labels}}}) + sum(vllm:num_requests_waiting{{{labels}}})"
    )


def kv_cache_use(target: Target, model: str) -> str:
    """Shares of KV cache in use, 0 to 1 a server, added up."""
    return f"sum(vllm:kv_cache_usage_perc{{{_engine(target, model)}}})"


def first_token_p99(target: Target, model: str) -> str:
    """Seconds within which 99 of 100 first tokens came; 0 where none was asked for."""
    labels = _engine(target, model)
    buckets = f"vllm:time_to_first_token_seconds_bucket{{{labels}}}"
    worst = f"histogram_quantile(0.99, sum by (le) (rate({buckets}[{_LATENCY_OVER}])))"
    return f"sum({worst} >= 0) or 0 * sum(vllm:num_requests_running{{{labels}}})"


def zero_without_servers(query: str, target: Target, gateway: Target) -> str:
    """The query, and 0 where no server is to be scraped at all although the gateway is."""
    return f"({query}) or ({_scraped(gateway)} unless sum(up{{{target.selector}}}))"


def asked_for(gateway: Target, models: Sequence[str]) -> str:
    """1 where the gateway was asked for one of the models of late, else 0.

    LiteLLM counts a request that its fallback answers under the fallback's name
    (`litellm_proxy_total_requests_metric`), so what counts is the try at the engine, and the fall
    itself where the router knows that the engine is away and does not try. A counter begins with
    its first request, of which `increase` knows nothing: what is new altogether counts too.

    Args:
        gateway: Who is asked.
        models: Names under which the engine is known to it.
    """
    names = "|".join(models)
    tries = _counter("deployment_total_requests", gateway, f'litellm_model_name=~"{names}"')
    falls = _counter("deployment_successful_fallbacks", gateway, f'requested_model=~"{names}"')
    grown = f"{_grown(tries)} or {_grown(falls)}"
    return f"sum({grown}) > bool 0 or {_scraped(gateway)}"


def _counter(name: str, gateway: Target, labels: str) -> str:
    return f"litellm_{name}_total{{{gateway.selector},{labels}}}"


def _grown(counter: str) -> str:
    lately = f"increase({counter}[{_WOKEN_WITHIN}]) > 0"
    return f"({lately}) or ({counter} unless {counter} offset {_WOKEN_WITHIN})"


def _scraped(target: Target) -> str:
    """0 where a target is scraped, else nothing."""
    return f"0 * (sum(up{{{target.selector}}}) > 0)"


def open_requests(gateway: Target) -> str:
    """Requests that the gateway's pods have not answered yet."""
    return f"sum(litellm_in_flight_requests{{{gateway.selector}}})"
