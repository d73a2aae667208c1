"""What a stack may say about the model hub: the token of gated models, and a mirror."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import DnsLabel, Settings
from components.document.quantities import Cidr, SecretKey


class _TokenSettings(Settings):
    secret_name: Annotated[
        DnsLabel,
        Field(description="Secret of the hub's token, lower-case letters, digits and '-'."),
    ]
    secret_key: SecretKey = "token"


class ExistingToken(_TokenSettings):
    """A Secret that is already in the namespace."""

    source: Annotated[Literal["existing"], Field(description="The Secret is there already.")]


class ConfigToken(_TokenSettings):
    """A Secret made from Pulumi's own encrypted configuration value `inference:hubToken`."""

    source: Annotated[Literal["config"], Field(description="Made from inference:hubToken.")]


class SecretStore(Settings):
    """Where the External Secrets Operator looks."""

    name: Annotated[
        DnsLabel, Field(description="Name of the store, lower-case letters, digits and '-'.")
    ]
    kind: Annotated[
        Literal["SecretStore", "ClusterSecretStore"],
        Field(description="Whether it is the namespace's own or the cluster's."),
    ]


class ExternalToken(_TokenSettings):
    """A Secret that the External Secrets Operator makes from a store outside, such as AWS'."""

    source: Annotated[Literal["external"], Field(description="Made by External Secrets.")]
    store: SecretStore
    remote_key: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_./+=@:-]+$",
            max_length=512,
            description="Name of the secret in the store.",
        ),
    ]
    property: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_.-]+$",
            max_length=253,
            description="Key inside the secret's JSON; left out, its whole text.",
        ),
    ] = None


HubToken = Annotated[ExistingToken | ConfigToken | ExternalToken, Field(discriminator="source")]


class HubSettings(Settings):
    """The hub that weights come from; only preload Jobs ask it."""

    token: Annotated[
        HubToken | None,
        Field(description="The token that gated models need; only preload Jobs see it."),
    ] = None
    endpoint: Annotated[
        str | None,
        Field(
            pattern=r"^https://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+(/[\w./-]*)?$",
            description="https:// address of a mirror that speaks the hub's API, on port 443.",
        ),
    ] = None
    endpoint_networks: Annotated[
        tuple[Cidr, ...],
        Field(description="Private networks of the mirror, which Jobs may then reach by HTTPS."),
    ] = ()
