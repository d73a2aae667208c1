"""What a stack may say about models on Ollama, and about the one server that runs them."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.ollama_models import ManifestDigest
from components.core.settings import ImageReference, PositiveInt, ServiceName, Settings
from components.document.cache import OllamaCache
from components.document.price import PriceSettings
from components.document.quantities import Cpus, MemoryGib, Tokens


class OllamaModelSettings(Settings):
    """What a stack may say about one model on Ollama."""

    engine: Annotated[Literal["ollama"], Field(description="Ollama on CPU, for development.")]
    source: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*$",
            description="Library name:tag.",
        ),
    ]
    digest: Annotated[
        ManifestDigest | None,
        Field(
            description="SHA-256 of its manifest as /api/tags lists it, 64 lower-case hexadecimal "
            "digits; left out, the locked one."
        ),
    ] = None
    size_gb: Annotated[
        float | None,
        Field(
            gt=0,
            le=1000,
            strict=True,
            description="Size as `ollama list` prints it, GB (10^9 bytes); left out, the locked "
            "one.",
        ),
    ] = None
    max_model_len: Annotated[Tokens, Field(description="Tokens of prompt and answer together.")]
    price: Annotated[
        PriceSettings | None, Field(description="What its tokens cost, for budgets.")
    ] = None


class OllamaServerSettings(Settings):
    """The one server that runs a stack's Ollama models."""

    service_name: ServiceName
    cpu: Annotated[
        Cpus | None, Field(description="CPUs to request; left out, by the models' size.")
    ] = None
    memory_gib: Annotated[
        MemoryGib | None,
        Field(description="Memory of the pod, GiB; left out, by the models' size."),
    ] = None
    parallel: Annotated[
        PositiveInt, Field(le=64, description="Requests that a model answers at once.")
    ] = 1
    max_loaded_models: Annotated[
        PositiveInt, Field(le=64, description="Models that are in memory at once.")
    ] = 1
    keep_alive: Annotated[
        str,
        Field(
            pattern=r"^(-1|0|([0-9]+(ms|s|m|h))+)$",
            max_length=20,
            description="How long an idle model stays in memory, such as 5m or 1h30m; -1 for ever.",
        ),
    ] = "5m"
    max_queue: Annotated[
        PositiveInt,
        Field(le=100_000, description="Requests that may wait; those beyond get a 503."),
    ] = 512
    cache: Annotated[OllamaCache, Field(description="Where the models are kept.")]
    image: Annotated[
        ImageReference | None, Field(description="Image of the engine; left out, the locked one.")
    ] = None
