"""Where the value of a credential comes from: the cluster, Pulumi's configuration, the document."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import DnsLabel, Settings
from components.document.quantities import SecretKey


class _Credential(Settings):
    secret_name: Annotated[
        DnsLabel, Field(description="Name of its Secret, lower-case letters, digits and '-'.")
    ]
    secret_key: SecretKey = "value"


class ExistingCredential(_Credential):
    """A Secret that is already in the namespace, put there by the organisation's secret store."""

    source: Annotated[Literal["existing"], Field(description="The Secret is there already.")]


class ConfigCredential(_Credential):
    """A Secret made from one of Pulumi's own encrypted configuration values, `inference:...`."""

    source: Annotated[Literal["config"], Field(description="Made from Pulumi's configuration.")]


class DevelopmentCredential(_Credential):
    """A Secret with a value that everybody knows; refused in production."""

    source: Annotated[Literal["development"], Field(description="Made from the value below.")]
    value: Annotated[str, Field(pattern=r"^[!-~]{8,}$", description="8 or more signs, no blanks.")]


Credential = Annotated[
    ExistingCredential | ConfigCredential | DevelopmentCredential, Field(discriminator="source")
]

MadeCredential = Annotated[ConfigCredential | DevelopmentCredential, Field(discriminator="source")]
"""A credential whose Secret the stack makes itself."""
