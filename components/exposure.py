"""The one way in from outside: `https://<host>` leads to the gateway, on OpenAI's paths only.

Owns what stands before the gateway: for Envoy Gateway the route, its policies and, where the
document asks for one, the Gateway; for AWS an Ingress. Engines have no route, and none can be asked
for.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components import alb, envoy_gateway
from components.core.conventions import document_key
from components.core.drain import DrainChain
from components.document.exposure import AlbExposure, EnvoyGatewayExposure
from components.envoy_gateway import Manifest
from components.network import address_block, other_namespace
from components.workloads import Identity

NO_WAIT = {"pulumi.com/skipAwait": "true"}
"""Nothing here needs the load balancer's address, which takes AWS minutes; a fault of it is in the
events of the Ingress."""


class GatewayRoute(pulumi.ComponentResource):
    """`https://<host>` leads to the LiteLLM gateway, on OpenAI's paths only."""

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: EnvoyGatewayExposure | AlbExposure,
        *,
        who: Identity,
        drain: DrainChain,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:network:GatewayRoute", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        if isinstance(settings, AlbExposure):
            way: pulumi.CustomResource = k8s.networking.v1.Ingress(
                name,
                metadata=_noting(who, {**alb.ingress_annotations(settings, drain), **NO_WAIT}),
                spec=alb.ingress_spec(settings, who.name),
                opts=child,
            )
        else:
            # The route comes last, and goes first: it is never there without its limits.
            limits = _made(name, envoy_gateway.policies(settings, who.name, drain), who, child)
            routes = envoy_gateway.routes(settings, who.name, who.namespace)
            after = pulumi.ResourceOptions(parent=self, depends_on=limits)
            way = _made(name, routes, who, after)[0]
        self.url = way.id.apply(lambda _: f"https://{settings.host}/v1")
        self.register_outputs({"url": self.url})


def _made(
    name: str, manifests: Sequence[Manifest], who: Identity, opts: pulumi.ResourceOptions
) -> list[CustomResource]:
    return [
        CustomResource(
            f"{name}-{each.role}".removesuffix("-"),
            api_version=each.api_version,
            kind=each.kind,
            metadata=_noting(who, each.annotations, each.suffix),
            spec=each.spec,
            opts=opts,
        )
        for each in manifests
    ]


def _noting(who: Identity, annotations: Mapping[str, str], suffix: str = "") -> ObjectMetaArgsDict:
    return {
        **who.metadata(f"{who.name}{suffix}"),
        "annotations": {**document_key("exposure"), **annotations},
    }


def namespace_labels(settings: EnvoyGatewayExposure | AlbExposure | None) -> dict[str, str]:
    """Labels of the namespace that a way in needs.

    With this one AWS' controller holds a new pod back until the load balancer has found it healthy;
    else a roll-out is over before a single new pod is known to it.
    """
    gated = {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}
    return gated if isinstance(settings, AlbExposure) else {}


def callers(
    settings: EnvoyGatewayExposure | AlbExposure, service: str, namespace: str
) -> list[NetworkPolicyPeerArgsDict]:
    """Who calls the gateway for clients outside.

    Args:
        settings: The exposure.
        service: The gateway's name.
        namespace: The stack's namespace.
    """
    if isinstance(settings, AlbExposure):
        return [address_block(network) for network in settings.vpc_networks]
    labels = envoy_gateway.proxy_labels(settings, service, namespace)
    return [other_namespace(settings.proxy_namespace, labels)]
