"""The one way in from outside: a route from the cluster's Gateway to the LiteLLM gateway.

Owns the HTTPRoute. The parent Gateway, its listener and its certificate are the cluster's. Engines
have no route, and none can be asked for.
"""

from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.core.conventions import GATEWAY_PORT
from components.core.drain import DrainChain
from components.document.gateway import ExposureSettings
from components.workloads import Identity

PUBLIC_PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/models",
)
"""What clients need of the OpenAI API; key, model and admin routes stay inside the cluster."""


class GatewayRoute(pulumi.ComponentResource):
    """`https://<host>` leads to the LiteLLM gateway, on OpenAI's paths only."""

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: ExposureSettings,
        *,
        who: Identity,
        drain: DrainChain,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:network:GatewayRoute", name, None, opts)
        route = CustomResource(
            name,
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            metadata=who.metadata(),
            spec=route_spec(settings, who.name, drain),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = route.id.apply(lambda _: f"https://{settings.host}/v1")
        self.register_outputs({"url": self.url})


def route_spec(settings: ExposureSettings, service_name: str, drain: DrainChain) -> dict[str, Any]:
    """`spec` of the HTTPRoute; its time-out covers a whole stream, where 15 s is usual."""
    timeout = f"{drain.request_timeout_seconds}s"
    return {
        "hostnames": [settings.host],
        "parentRefs": [
            {
                "name": settings.parent_gateway.name,
                "namespace": settings.parent_gateway.namespace,
            }
        ],
        "rules": [
            {
                "matches": [
                    {"path": {"type": "PathPrefix", "value": path}} for path in PUBLIC_PATHS
                ],
                "backendRefs": [{"name": service_name, "port": GATEWAY_PORT}],
                "timeouts": {"request": timeout, "backendRequest": timeout},
            }
        ],
    }
