"""What a stack may say about its gateway, and about access from outside the cluster."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import (
    DnsLabel,
    HostName,
    ImageReference,
    PositiveInt,
    ServiceName,
    Settings,
)
from components.document.quantities import SecretKey
from components.document.tenants import DeleteAfter, TeamSettings, TenantName


class _KeySettings(Settings):
    secret_name: Annotated[
        DnsLabel,
        Field(description="Secret of the gateway's key, lower-case letters, digits and '-'."),
    ]
    secret_key: SecretKey = "master-key"


class ExistingKey(_KeySettings):
    """A Secret that is already in the namespace, put there by the organisation's secret store."""

    source: Annotated[Literal["existing"], Field(description="The Secret is there already.")]


class ConfigKey(_KeySettings):
    """A Secret made from Pulumi's own encrypted configuration value `inference:gatewayKey`."""

    source: Annotated[Literal["config"], Field(description="Made from inference:gatewayKey.")]


class DevelopmentKey(_KeySettings):
    """A Secret with a value that everybody knows; refused beside engines of production."""

    source: Annotated[Literal["development"], Field(description="Made from the value below.")]
    value: Annotated[str, Field(pattern=r"^[!-~]{8,}$", description="8 or more signs, no blanks.")]


ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
"""What a client may ask for; the characters of model names at OpenAI, the hub and Ollama."""

MasterKey = Annotated[ExistingKey | ConfigKey | DevelopmentKey, Field(discriminator="source")]


class GatewaySettings(Settings):
    """What a stack may say about its gateway."""

    service_name: ServiceName
    replicas: Annotated[PositiveInt, Field(le=1000, description="Pods of the gateway.")] = 1
    master_key: Annotated[MasterKey, Field(description="The key that every client has to show.")]
    model_aliases: Annotated[
        dict[ModelName, str],
        Field(max_length=1000, description="Further names that clients may use, to their alias."),
    ] = Field(default_factory=dict)
    fallbacks: Annotated[
        dict[str, Annotated[tuple[str, ...], Field(min_length=1)]],
        Field(description="Aliases that answer instead of an alias that fails, in this order."),
    ] = Field(default_factory=dict)
    client_namespaces: Annotated[
        tuple[DnsLabel, ...], Field(description="Whose pods may call, beside the platform's own.")
    ] = ()
    cpu: Annotated[PositiveInt, Field(le=1024, description="CPUs to request, a pod.")] = 1
    memory_gib: Annotated[PositiveInt, Field(le=65_536, description="Memory of a pod, GiB.")] = 2
    image: Annotated[
        ImageReference | None, Field(description="Image of LiteLLM; left out, the locked one.")
    ] = None
    teams: Annotated[
        dict[TenantName, TeamSettings],
        Field(max_length=1000, description="Tenants by name: who may call what, and how much."),
    ] = Field(default_factory=dict)
    unmanaged: Annotated[
        Literal["report", "delete"],
        Field(description="What becomes of teams and keys that people made by hand."),
    ] = "report"
    delete_blocked_after_days: Annotated[
        DeleteAfter, Field(description="Days for which a team taken out is only blocked, or never.")
    ] = 7
    drift_minutes: Annotated[
        PositiveInt, Field(le=59, description="Minutes between two looks for drift.")
    ] = 15


class ParentGatewaySettings(Settings):
    """The Gateway of the cluster that terminates TLS for the host."""

    name: Annotated[
        DnsLabel, Field(description="Name of the Gateway, lower-case letters, digits and '-'.")
    ]
    namespace: Annotated[
        DnsLabel, Field(description="Its namespace, lower-case letters, digits and '-'.")
    ]


class ExposureSettings(Settings):
    """What a stack may say about access from outside the cluster."""

    host: HostName
    parent_gateway: ParentGatewaySettings
