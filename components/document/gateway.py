"""What a stack may say about its gateway."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from components.core.settings import (
    DnsLabel,
    ImageReference,
    PositiveInt,
    ServiceName,
    Settings,
)
from components.document.credentials import (
    ConfigCredential,
    Credential,
    DevelopmentCredential,
    ExistingCredential,
)
from components.document.gateway_routing import (
    ObservabilitySettings,
    RequestLimits,
    RoutingSettings,
    RoutingTag,
)
from components.document.gateway_stores import Database, Redis
from components.document.quantities import SecretKey
from components.document.scaling import GatewayScalingSettings
from components.document.tenants import DeleteAfter, TeamSettings, TenantName


class ExistingKey(ExistingCredential):
    """A Secret that is already in the namespace, put there by the organisation's secret store."""

    secret_key: SecretKey = "master-key"


class ConfigKey(ConfigCredential):
    """A Secret made from Pulumi's own encrypted configuration value `inference:gatewayKey`."""

    secret_key: SecretKey = "master-key"


class DevelopmentKey(DevelopmentCredential):
    """A Secret with a value that everybody knows; refused beside engines of production."""

    secret_key: SecretKey = "master-key"


ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
"""What a client may ask for; the characters of model names at OpenAI, the hub and Ollama."""

MasterKey = Annotated[ExistingKey | ConfigKey | DevelopmentKey, Field(discriminator="source")]

Several = Annotated[tuple[str, ...], Field(min_length=2, max_length=64)]


def _number(meant: object) -> str:
    """Which of the two shapes a value has, so that what is wrong is said of that one alone."""
    return "several" if isinstance(meant, list | tuple) else "one"


Meant = Annotated[
    Annotated[str, Tag("one")] | Annotated[Several, Tag("several")], Discriminator(_number)
]
Others = Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]


class GatewaySettings(Settings):
    """What a stack may say about its gateway."""

    service_name: Annotated[
        ServiceName,
        # Less the 19 that the name of its migration Job adds, of the 63 of a label.
        Field(
            max_length=44,
            description="A letter, then lower-case letters, digits and '-', 44 at most.",
        ),
    ]
    replicas: Annotated[PositiveInt, Field(le=1000, description="Pods of the gateway.")] = 1
    scaling: Annotated[
        GatewayScalingSettings | None,
        Field(description="As many pods as load asks for, instead of replicas."),
    ] = None
    vpa: Annotated[
        bool,
        Field(strict=True, description="Whether a VPA recommends CPU and memory; it sets nothing."),
    ] = False
    master_key: Annotated[MasterKey, Field(description="The key that may do everything.")]
    previous_master_key: Annotated[
        MasterKey | None,
        Field(
            description="The one before it, good until it is taken out here; source config is "
            "inference:previousGatewayKey."
        ),
    ] = None
    salt_key: Annotated[
        Credential | None,
        Field(
            description="Encrypts what the database keeps secret, and can never change; source "
            "config is inference:gatewaySaltKey."
        ),
    ] = None
    database: Annotated[
        Database | None, Field(description="Where teams, keys and their spend are kept.")
    ] = None
    redis: Annotated[
        Redis | None, Field(description="Where requests of all replicas are counted.")
    ] = None
    model_aliases: Annotated[
        dict[ModelName, Meant],
        Field(
            max_length=1000,
            description="Further names that clients may use, to their alias, or to several: each "
            "request goes to one that its prompt fits into.",
        ),
    ] = Field(default_factory=dict)
    tag_routes: Annotated[
        dict[str, Annotated[dict[RoutingTag, str], Field(min_length=1, max_length=16)]],
        Field(description="By alias and a request's tag: the alias that answers it instead."),
    ] = Field(default_factory=dict)
    fallbacks: Annotated[
        dict[str, Others],
        Field(description="Aliases that answer instead of an alias that fails, in this order."),
    ] = Field(default_factory=dict)
    context_fallbacks: Annotated[
        dict[str, Others],
        Field(description="Aliases that answer instead where a prompt is too long for an alias."),
    ] = Field(default_factory=dict)
    routing: RoutingSettings = RoutingSettings()
    limits: RequestLimits = RequestLimits()
    observability: ObservabilitySettings = ObservabilitySettings()
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

    def meant(self, name: str) -> tuple[str, ...]:
        """The aliases of the models section that a name of clients stands for."""
        aliases = self.model_aliases.get(name, name)
        return (aliases,) if isinstance(aliases, str) else aliases
