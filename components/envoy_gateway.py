"""The way in by Envoy Gateway, as plain objects: the route and what holds for it.

Pure builders of `gateway.networking.k8s.io` and `gateway.envoyproxy.io`; `exposure` makes the
objects. Every default of Envoy that would cut a long stream is set here: 15 s for a whole response,
5 minutes of silence, 1,024 requests at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.core.conventions import GATEWAY_PORT
from components.core.drain import IDLE_CONNECTION_SECONDS, DrainChain
from components.core.public_paths import PUBLIC_PATHS
from components.document.exposure import ClientLimits, CreatedGateway, EnvoyGatewayExposure
from components.own_gateway import (
    HTTP_LISTENER,
    HTTPS_LISTENER,
    client_traffic,
    envoy_proxy,
    gateway,
    issuer_annotation,
)

Spec = dict[str, Any]

GATEWAY_API = "gateway.networking.k8s.io/v1"
ENVOY_API = "gateway.envoyproxy.io/v1alpha1"
PROXY_LABELS = {
    "app.kubernetes.io/component": "proxy",
    "app.kubernetes.io/managed-by": "envoy-gateway",
}
"""Labels of Envoy Gateway's proxies (1.9, internal/infrastructure/kubernetes/proxy/resource.go)."""
_OWNER_LABEL = "gateway.envoyproxy.io/owning-gateway"

INTERNAL_HEADERS = (
    "x-litellm-model-api-base",
    "x-litellm-model-id",
    "x-litellm-model-name",
    "x-litellm-model-region",
    "x-litellm-key-spend",
    "x-litellm-key-max-budget",
    "x-litellm-version",
)
"""What LiteLLM tells of engines, of money and of itself, which is for callers inside."""
WITHHELD_HEADERS = (
    *(f"x-litellm-{what}" for what in ("timeout", "stream-timeout", "num-retries")),
    "x-litellm-keepalive-seconds",
    "x-litellm-spend-logs-metadata",
    "litellm-disable-message-redaction",
    "forwarded",
    *(f"x-forwarded-{what}" for what in ("host", "port", "prefix")),
    "x-original-url",
    "x-rewrite-url",
)
"""Headers that the gateway or its framework would believe, and that nobody outside has to send:
longer time-outs than the drain, prompts in logs, another host or path. 16 at most in a filter."""

_CONNECT_SECONDS = 5
_RETRIES = 2


@dataclass(frozen=True)
class Manifest:
    """One object.

    Attributes:
        role: Its part, for its name in the stack; empty for the route itself.
        api_version: Its `apiVersion`.
        kind: Its kind.
        suffix: What its name has behind the gateway's.
        spec: Its `spec`.
        annotations: Beside the gateway's.
    """

    role: str
    api_version: str
    kind: str
    spec: Spec
    suffix: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


def policies(
    exposure: EnvoyGatewayExposure, service: str, drain: DrainChain
) -> tuple[Manifest, ...]:
    """What holds for the route, and the Gateway: there before the route is."""
    return tuple(_policies(exposure, service, drain))


def _policies(
    exposure: EnvoyGatewayExposure, service: str, drain: DrainChain
) -> Iterator[Manifest]:
    target = {"group": "gateway.networking.k8s.io", "name": service}
    to_route = {"targetRefs": [{**target, "kind": "HTTPRoute"}]}
    traffic = {**to_route, **backend_traffic(exposure.limits, drain)}
    yield Manifest("traffic", ENVOY_API, "BackendTrafficPolicy", traffic)
    if exposure.client_networks:
        closed = {**to_route, "authorization": authorization(exposure.client_networks)}
        yield Manifest("networks", ENVOY_API, "SecurityPolicy", closed)
    parent = exposure.parent_gateway
    if isinstance(parent, CreatedGateway):
        yield Manifest("proxies", ENVOY_API, "EnvoyProxy", envoy_proxy(parent, drain))
        to_gateway = {"targetRefs": [{**target, "kind": "Gateway"}]}
        clients = {**to_gateway, **client_traffic(parent, drain)}
        yield Manifest("clients", ENVOY_API, "ClientTrafficPolicy", clients)
        yield Manifest(
            "gateway",
            GATEWAY_API,
            "Gateway",
            gateway(exposure.host, parent, service),
            annotations=issuer_annotation(parent),
        )


def routes(exposure: EnvoyGatewayExposure, service: str, namespace: str) -> tuple[Manifest, ...]:
    """The route to the gateway, and the one that leads from http to https."""
    parent = exposure.parent_gateway
    route = Manifest("", GATEWAY_API, "HTTPRoute", http_route(exposure, service, namespace))
    if not (isinstance(parent, CreatedGateway) and parent.redirect_http):
        return (route,)
    redirect: Spec = {
        "parentRefs": [{"name": service, "namespace": namespace, "sectionName": HTTP_LISTENER}],
        "hostnames": [exposure.host],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "filters": [
                    {
                        "type": "RequestRedirect",
                        "requestRedirect": {"scheme": "https", "statusCode": 301},
                    }
                ],
            }
        ],
    }
    return route, Manifest("redirect", GATEWAY_API, "HTTPRoute", redirect, suffix="-redirect")


def http_route(exposure: EnvoyGatewayExposure, service: str, namespace: str) -> Spec:
    """`spec` of the route: OpenAI's paths, each with its method, without an end for a response."""
    parent = exposure.parent_gateway
    if isinstance(parent, CreatedGateway):
        at = {"name": service, "namespace": namespace, "sectionName": HTTPS_LISTENER}
    else:
        at = {"name": parent.name, "namespace": parent.namespace, "sectionName": parent.listener}
    return {
        "parentRefs": [at],
        "hostnames": [exposure.host],
        "rules": [
            {
                "matches": [
                    {
                        "path": {
                            "type": "PathPrefix" if public.below else "Exact",
                            "value": public.value,
                        },
                        "method": public.method,
                    }
                    for public in PUBLIC_PATHS
                ],
                "filters": [
                    {
                        "type": "RequestHeaderModifier",
                        "requestHeaderModifier": {"remove": list(WITHHELD_HEADERS)},
                    },
                    {
                        "type": "ResponseHeaderModifier",
                        "responseHeaderModifier": {"remove": list(INTERNAL_HEADERS)},
                    },
                ],
                "backendRefs": [{"name": service, "port": GATEWAY_PORT}],
                "timeouts": {"request": "0s", "backendRequest": "0s"},
            }
        ],
    }


def backend_traffic(limits: ClientLimits, drain: DrainChain) -> Spec:
    """BackendTrafficPolicy: how the proxies call the gateway, and what a client may ask for.

    The body is held until it is whole, which is what makes its length known; answers are not held.
    Only what never reached the gateway is tried again: no generation runs twice.
    """
    at_once = limits.parallel_requests
    return {
        "timeout": {
            "tcp": {"connectTimeout": f"{_CONNECT_SECONDS}s"},
            "http": {
                # Below the gateway's keep-alive: no request meets a connection that is closed.
                "connectionIdleTimeout": f"{IDLE_CONNECTION_SECONDS}s",
                "streamIdleTimeout": f"{drain.silence_timeout_seconds}s",
                "maxStreamDuration": "0s",
            },
        },
        "circuitBreaker": {
            "maxConnections": at_once,
            "maxPendingRequests": at_once,
            "maxParallelRequests": at_once,
            "maxParallelRetries": at_once,
        },
        "loadBalancer": {"type": "LeastRequest"},
        "retry": {"numRetries": _RETRIES, "retryOn": {"triggers": ["connect-failure"]}},
        "requestBuffer": {"limit": f"{limits.max_request_mib}Mi"},
        "rateLimit": {
            "local": {
                "rules": [
                    _rate(network, requests, unit)
                    for network in ("0.0.0.0/0", "::/0")
                    for requests, unit in (
                        (limits.requests_per_second, "Second"),
                        (limits.requests_per_minute, "Minute"),
                    )
                ]
            }
        },
    }


def _rate(network: str, requests: int, unit: str) -> Spec:
    """A rule that counts every address of a network for itself."""
    return {
        "clientSelectors": [{"sourceCIDR": {"type": "Distinct", "value": network}}],
        "limit": {"requests": requests, "unit": unit},
    }


def authorization(networks: tuple[str, ...]) -> Spec:
    """Of a SecurityPolicy: these networks, and nobody else."""
    allowed = {"action": "Allow", "principal": {"clientCIDRs": list(networks)}}
    return {"defaultAction": "Deny", "rules": [{"name": "client-networks", **allowed}]}


def proxy_labels(exposure: EnvoyGatewayExposure, service: str, namespace: str) -> dict[str, str]:
    """Labels of the proxies that may call the gateway; of the stack's own Gateway, only they."""
    if not isinstance(exposure.parent_gateway, CreatedGateway):
        return PROXY_LABELS
    return {
        **PROXY_LABELS,
        f"{_OWNER_LABEL}-name": service,
        f"{_OWNER_LABEL}-namespace": namespace,
    }
