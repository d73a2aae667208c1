"""What a stack may say about models on Ollama, and about the one server that runs them."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import ImageReference, ServiceName, Settings
from components.document.cache import OllamaCache
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
    max_model_len: Annotated[Tokens, Field(description="Tokens of prompt and answer together.")]


class OllamaServerSettings(Settings):
    """The one server that runs a stack's Ollama models, one request at a time."""

    service_name: ServiceName
    cpu: Annotated[Cpus, Field(description="CPUs to request.")] = 4
    memory_gib: Annotated[MemoryGib, Field(description="Memory of the pod, GiB.")] = 8
    cache: Annotated[OllamaCache, Field(description="Where the models are kept.")]
    image: Annotated[
        ImageReference | None, Field(description="Image of the engine; left out, the locked one.")
    ] = None
