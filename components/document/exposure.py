"""What a stack may say about access from outside the cluster: by Envoy Gateway, or by an ALB."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.core.settings import DnsLabel, HostName, PositiveInt, Settings


def _network(value: str) -> str:
    """A network as it is written everywhere; one with bits of a host is a slip."""
    network = str(ipaddress.ip_interface(value).network)
    if network != value:
        raise ValueError(f"{value} is no network, it lies in {network}: write that")
    return network


Network = Annotated[
    str,
    AfterValidator(_network),
    Field(description="A network, such as 203.0.113.0/24 or 2001:db8::/32."),
]

_Name = Annotated[DnsLabel, Field(description="Lower-case letters, digits and '-'.")]
_Arn = r"^arn:aws[a-z-]*:"


class ExistingGateway(Settings):
    """A Gateway of the cluster; its TLS, connections and headers are its owner's."""

    source: Annotated[Literal["existing"], Field(description="The Gateway is there already.")]
    name: _Name
    namespace: _Name
    listener: Annotated[
        _Name,
        Field(description="Its listener with TLS; on another one keys would travel in plain."),
    ] = "https"


class CertificateIssuer(Settings):
    """Who makes the certificate: an issuer of cert-manager."""

    kind: Annotated[
        Literal["Issuer", "ClusterIssuer"], Field(description="Of the namespace, or of all.")
    ] = "ClusterIssuer"
    name: _Name


class CreatedGateway(Settings):
    """A Gateway of the stack's own, with proxies that nobody else uses."""

    source: Annotated[Literal["created"], Field(description="The stack makes the Gateway.")]
    class_name: Annotated[DnsLabel, Field(description="GatewayClass of Envoy Gateway.")]
    certificate_secret: Annotated[
        DnsLabel, Field(description="Secret of the namespace with tls.crt and tls.key.")
    ]
    issuer: Annotated[
        CertificateIssuer | None,
        Field(description="Issuer of cert-manager that fills that Secret; left out, it is there."),
    ] = None
    redirect_http: Annotated[
        bool, Field(strict=True, description="Port 80 sends clients to https, and does no more.")
    ] = True
    proxies: Annotated[PositiveInt, Field(le=100, description="Pods of Envoy.")] = 2
    connections: Annotated[
        PositiveInt, Field(le=1_000_000, description="Open at once, of all clients, a proxy.")
    ] = 10_000
    trusted_hops: Annotated[
        int,
        Field(
            ge=0,
            le=10,
            strict=True,
            description="Proxies before it that write X-Forwarded-For; 0: the peer is the client.",
        ),
    ] = 0
    service_annotations: Annotated[
        dict[str, str], Field(max_length=32, description="Of the Service that has the address.")
    ] = Field(default_factory=dict)


ParentGateway = Annotated[ExistingGateway | CreatedGateway, Field(discriminator="source")]


class ClientLimits(Settings):
    """What one client may ask for; each proxy counts for itself."""

    requests_per_second: Annotated[
        PositiveInt,
        Field(le=100_000, description="Of one client address, for each path and proxy."),
    ] = 50
    requests_per_minute: Annotated[
        PositiveInt,
        Field(le=1_000_000, description="Of one client address, for each path and proxy."),
    ] = 1200
    parallel_requests: Annotated[
        PositiveInt, Field(le=1_000_000, description="Of all clients at once, a proxy.")
    ] = 10_000
    max_request_mib: Annotated[
        PositiveInt, Field(le=1024, description="Longest body, MiB; a longer one gets a 413.")
    ] = 20


class _Exposure(Settings):
    host: HostName
    client_networks: Annotated[
        tuple[Network, ...],
        Field(description="From where clients may come; left out, from everywhere."),
    ] = ()


class EnvoyGatewayExposure(_Exposure):
    """The host on a Gateway of Envoy Gateway (1.9)."""

    kind: Annotated[Literal["envoy-gateway"], Field(description="Gateway API, by Envoy Gateway.")]
    parent_gateway: Annotated[ParentGateway, Field(description="The Gateway that ends TLS.")]
    proxy_namespace: Annotated[
        DnsLabel, Field(description="Where Envoy Gateway runs its proxies.")
    ] = "envoy-gateway-system"
    limits: ClientLimits = ClientLimits()


class AlbExposure(_Exposure):
    """The host on an Application Load Balancer, by the AWS Load Balancer Controller (3.x)."""

    kind: Annotated[Literal["alb"], Field(description="Ingress, by AWS' controller.")]
    certificate_arn: Annotated[
        str,
        Field(
            pattern=_Arn + r"acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+$",
            description="Certificate of the host in ACM, arn:aws:acm:....",
        ),
    ]
    vpc_networks: Annotated[
        tuple[Network, ...],
        Field(min_length=1, description="Subnets of the load balancer, whose addresses may call."),
    ]
    scheme: Annotated[
        Literal["internal", "internet-facing"], Field(description="Who can resolve and reach it.")
    ] = "internal"
    class_name: Annotated[DnsLabel, Field(description="IngressClass of the controller.")] = "alb"
    ssl_policy: Annotated[
        str,
        Field(
            pattern=r"^ELBSecurityPolicy-TLS13-1-[23]-[A-Za-z0-9-]+$",
            description="ELB's policy of TLS 1.2 or 1.3 and later.",
        ),
    ] = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    web_acl_arn: Annotated[
        str | None,
        Field(
            pattern=_Arn + r"wafv2:[a-z0-9-]+:\d{12}:regional/webacl/[\w-]+/[0-9a-f-]+$",
            description="Web ACL of WAF, arn:aws:wafv2:...; its rate rules limit clients.",
        ),
    ] = None


ExposureSettings = Annotated[EnvoyGatewayExposure | AlbExposure, Field(discriminator="kind")]


def disagreements(exposure: EnvoyGatewayExposure | AlbExposure, root: str) -> Iterator[str]:
    """What the keys of an exposure must agree on.

    Args:
        exposure: The exposure.
        root: Key of the document.
    """
    key = f"{root}.exposure"
    if exposure.host.endswith((".svc", ".cluster.local")):
        yield f"{key}.host is {exposure.host!r}, a name inside the cluster: choose a public one"
    if exposure.host.rpartition(".")[2].isdecimal():
        yield (
            f"{key}.host is {exposure.host!r}, an address, by which no route and no certificate is "
            "found: name a host that leads there"
        )
    if isinstance(exposure, AlbExposure):
        for network in exposure.vpc_networks:
            if ipaddress.ip_network(network).is_global or network in {"0.0.0.0/0", "::/0"}:
                yield (
                    f"{key}.vpc_networks holds {network}, which is no private network: name the "
                    f"subnets of the load balancer, and those of clients in {key}.client_networks"
                )
        return
    parent, limits = exposure.parent_gateway, exposure.limits
    if isinstance(parent, ExistingGateway) and parent.listener == "http":
        yield (
            f"{key}.parent_gateway.listener is 'http', where keys would travel in plain: name the "
            "listener with TLS, such as https"
        )
    if limits.requests_per_minute < limits.requests_per_second:
        yield (
            f"{key}.limits.requests_per_minute is {limits.requests_per_minute}, below the "
            f"{limits.requests_per_second} that one second allows: raise it, or lower "
            f"{key}.limits.requests_per_second"
        )


def warnings(exposure: EnvoyGatewayExposure | AlbExposure | None, root: str) -> Iterator[str]:
    """What a way in leaves open, and what does it instead.

    Args:
        exposure: The exposure, where there is one.
        root: Key of the document.
    """
    key = f"{root}.exposure"
    if isinstance(exposure, AlbExposure):
        acl = "" if exposure.web_acl_arn else f" ({key}.web_acl_arn names none)"
        yield (
            f"{key}.kind is 'alb': a load balancer of AWS limits neither the requests of a client, "
            f"which a rate rule of WAF does{acl}, nor bodies, requests at once and headers, which "
            f"{root}.gateway's own limits, or kind 'envoy-gateway', do"
        )
    elif exposure is not None and isinstance(exposure.parent_gateway, ExistingGateway):
        parent = exposure.parent_gateway
        yield (
            f"{key}.parent_gateway.source is 'existing': oldest TLS, connections at once and how "
            f"paths are made plain are what Gateway {parent.namespace}/{parent.name} says; "
            "'created' sets them here"
        )
