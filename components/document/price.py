"""What a model's tokens cost, so that budgets mean something."""

from typing import Annotated

from pydantic import Field

from components.core.settings import Settings

Usd = Annotated[float, Field(gt=0, le=1e6, strict=True)]


class PriceSettings(Settings):
    """Prices that the gateway counts with; LiteLLM counts a model without one as free."""

    input_usd_per_million_tokens: Annotated[
        Usd, Field(description="Price of prompts, USD per 1,000,000 tokens.")
    ]
    output_usd_per_million_tokens: Annotated[
        Usd | None,
        Field(description="Price of answers, USD per 1,000,000 tokens; left out, that of prompts."),
    ] = None

    @property
    def input_usd(self) -> float:
        """Price of a token of a prompt, USD."""
        return self.input_usd_per_million_tokens / 1e6

    @property
    def output_usd(self) -> float:
        """Price of a token of an answer, USD."""
        per_million = self.output_usd_per_million_tokens or self.input_usd_per_million_tokens
        return per_million / 1e6
