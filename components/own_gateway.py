"""A Gateway of the stack's own: listeners, what they ask of clients, and Envoy's pods."""

from typing import Any

from components.core.drain import DrainChain
from components.document.exposure import CreatedGateway

Spec = dict[str, Any]

HTTPS_LISTENER, HTTP_LISTENER = "https", "http"

_HEADERS_SECONDS, _REQUEST_SECONDS = 10, 120
"""To send headers, and a whole request: 20 MiB in 120 s are 1.4 Mbit/s."""
_STREAMS_PER_CONNECTION = 100
"""Of HTTP/2; the value that its specification calls the least (RFC 9113, 6.5.2)."""


def client_traffic(parent: CreatedGateway, drain: DrainChain) -> Spec:
    """ClientTrafficPolicy: TLS, connections, and one spelling for a path."""
    hops = parent.trusted_hops
    detected = {"clientIPDetection": {"xForwardedFor": {"numTrustedHops": hops}}} if hops else {}
    return {
        **detected,
        "tls": {"minVersion": "1.2", "alpnProtocols": ["h2", "http/1.1"]},
        "path": {"escapedSlashesAction": "RejectRequest", "disableMergeSlashes": False},
        "headers": {"withUnderscoresAction": "RejectRequest"},
        "connection": {"connectionLimit": {"value": parent.connections}},
        "http2": {"maxConcurrentStreams": _STREAMS_PER_CONNECTION},
        "timeout": {
            "http": {
                "requestHeadersReceivedTimeout": f"{_HEADERS_SECONDS}s",
                "requestReceivedTimeout": f"{_REQUEST_SECONDS}s",
                "streamIdleTimeout": f"{drain.silence_timeout_seconds}s",
            }
        },
    }


def gateway(host: str, parent: CreatedGateway, name: str) -> Spec:
    """`spec` of the stack's own Gateway: TLS for the host, and port 80 for the redirect alone."""
    own = {"hostname": host, "allowedRoutes": {"namespaces": {"from": "Same"}}}
    secret = {"kind": "Secret", "name": parent.certificate_secret}
    listeners: list[Spec] = [
        {
            "name": HTTPS_LISTENER,
            "protocol": "HTTPS",
            "port": 443,
            "tls": {"mode": "Terminate", "certificateRefs": [secret]},
            **own,
        }
    ]
    if parent.redirect_http:
        listeners.append({"name": HTTP_LISTENER, "protocol": "HTTP", "port": 80, **own})
    proxy = {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": name}
    return {
        "gatewayClassName": parent.class_name,
        "infrastructure": {"parametersRef": proxy},
        "listeners": listeners,
    }


def envoy_proxy(parent: CreatedGateway, drain: DrainChain) -> Spec:
    """EnvoyProxy: proxies that end as late as the streams through them."""
    service = {"annotations": dict(parent.service_annotations)}
    budget = {"envoyPDB": {"minAvailable": 1}} if parent.proxies > 1 else {}
    return {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {"replicas": parent.proxies},
                **budget,
                "envoyService": {
                    "type": "LoadBalancer",
                    "externalTrafficPolicy": "Local",  # else the client's address is a node's
                    **(service if parent.service_annotations else {}),
                },
            },
        },
        "shutdown": {
            "drainTimeout": f"{drain.silence_timeout_seconds}s",
            "minDrainDuration": f"{drain.pre_stop_seconds}s",
        },
    }


def issuer_annotation(parent: CreatedGateway) -> dict[str, str]:
    """The annotation by which cert-manager makes the certificate of a Gateway."""
    if parent.issuer is None:
        return {}
    kind = {"Issuer": "issuer", "ClusterIssuer": "cluster-issuer"}[parent.issuer.kind]
    return {f"cert-manager.io/{kind}": parent.issuer.name}
