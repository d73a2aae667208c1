"""What a stack may switch on beside a model's weights: adapters, drafts, pictures, queues."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import PositiveInt, Revision, Settings
from components.document.quantities import HubId

TrafficClass = Literal["interactive", "batch"]

DraftTokens = Annotated[
    PositiveInt, Field(le=64, description="Tokens that are guessed before each check.")
]


class AdapterSettings(Settings):
    """A LoRA adapter, which clients ask for by its name as if it were a model."""

    source: HubId
    revision: Revision


class NgramSettings(Settings):
    """Guesses from the prompt itself: for answers that repeat it, such as edits of code."""

    method: Annotated[Literal["ngram"], Field(description="Repeats of the prompt.")]
    tokens: DraftTokens
    lookup: Annotated[
        PositiveInt, Field(le=16, description="Tokens that have to match before a guess.")
    ] = 4


class DraftSettings(Settings):
    """Guesses of a small model that is loaded beside the large one."""

    method: Annotated[
        Literal["draft_model", "eagle3"],
        Field(description="A small model of the same tokenizer, or an EAGLE-3 head."),
    ]
    source: HubId
    revision: Revision
    tokens: DraftTokens


class MtpSettings(Settings):
    """Guesses of the model's own prediction layers, where its weights have them."""

    method: Annotated[Literal["mtp"], Field(description="The model's own layers.")]
    tokens: DraftTokens


Speculation = Annotated[NgramSettings | DraftSettings | MtpSettings, Field(discriminator="method")]
