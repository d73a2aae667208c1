"""What a stack may say about a model of a provider outside."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import Settings
from components.document.price import PriceSettings
from components.document.quantities import KeySecret, Tokens


class ExternalModelSettings(Settings):
    """What a stack may say about a model of a provider outside, which only the gateway calls."""

    engine: Annotated[Literal["external"], Field(description="A provider outside the cluster.")]
    provider_model: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9_]+/[A-Za-z0-9][A-Za-z0-9._:/-]*$",
            description="LiteLLM's provider/model, of a provider that takes one API key.",
        ),
    ]
    api_base: Annotated[
        str | None,
        Field(
            pattern=r"^https://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*(/[A-Za-z0-9._/-]*)?$",
            description="https:// address by host name on port 443, where it is not the "
            "provider's own.",
        ),
    ] = None
    secret: Annotated[KeySecret, Field(description="Where the provider's API key is.")]
    max_model_len: Annotated[
        Tokens | None,
        Field(description="Tokens of prompt and answer together, as the provider says."),
    ] = None
    price: Annotated[
        PriceSettings | None, Field(description="What its tokens cost, for budgets.")
    ] = None
