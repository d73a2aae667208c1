"""What a stack may say about one model on vLLM."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import (
    DnsLabel,
    ImageReference,
    PositiveInt,
    Revision,
    ServiceName,
    Settings,
)
from components.document.cache import ModelCache
from components.document.quantities import Cpus, MemoryGib, Tokens

_HUB_ID = (
    r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$"
)
_CLASS = r"^[A-Za-z][A-Za-z0-9_]*$"


class DirectClient(Settings):
    """Pods that may call the engine without the gateway."""

    namespace: Annotated[
        DnsLabel, Field(description="Namespace of the pods, lower-case letters, digits and '-'.")
    ]
    pod_labels: Annotated[
        dict[str, str], Field(min_length=1, description="Labels that all of them have.")
    ]


class TrafficSettings(Settings):
    """What is asked of a replica, for the plan's concurrency, speed and price."""

    prompt_tokens: Annotated[Tokens, Field(description="Tokens of a typical prompt.")] = 1024
    output_tokens: Annotated[Tokens, Field(description="Tokens of a typical answer.")] = 256
    utilization: Annotated[
        float,
        Field(
            ge=0.001,
            le=1,
            strict=True,
            description="Share of full load over a month, 0.001 to 1.",
        ),
    ] = 0.3


class VllmServerSettings(Settings):
    """What a stack may say about one model on vLLM; what is left out is the engine's default."""

    engine: Annotated[Literal["vllm"], Field(description="vLLM on GPUs.")]
    source: Annotated[str, Field(pattern=_HUB_ID, description="Hub id, org/name.")]
    revision: Revision
    architecture: Annotated[
        str | None,
        Field(
            pattern=_CLASS,
            description="Class of the engine that serves a model whose own one is not known, such "
            "as LlamaForCausalLM; passed on as --hf-overrides.",
        ),
    ] = None
    service_name: ServiceName
    service_type: Annotated[
        Literal["ClusterIP"],
        Field(description="An engine has no authentication of its own; expose the gateway."),
    ] = "ClusterIP"
    pool: Annotated[str, Field(description="One of node_pools.")]
    max_model_len: Annotated[Tokens, Field(description="Tokens of prompt and answer together.")]
    gpu_memory_utilization: Annotated[
        float,
        Field(gt=0, le=1, strict=True, description="Share of a GPU's memory, above 0, at most 1."),
    ] = 0.9
    tensor_parallel: Annotated[
        PositiveInt, Field(le=64, description="GPUs of one node that share every layer.")
    ] = 1
    tensor_parallel_over_pcie: Annotated[
        bool,
        Field(
            strict=True,
            description="Whether GPUs without NVLink may share a model, which is slower.",
        ),
    ] = False
    max_num_seqs: Annotated[
        Annotated[PositiveInt, Field(le=65_536)] | None,
        Field(description="Requests in one step of the engine."),
    ] = None
    max_num_batched_tokens: Annotated[
        Tokens | None, Field(description="Tokens in one step of the engine.")
    ] = None
    kv_cache_dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2"] | None,
        Field(description="Type of the KV cache's entries."),
    ] = None
    quantization: Annotated[
        Literal["fp8", "fp8_per_tensor", "fp8_per_block", "fp8_per_channel"] | None,
        Field(description="Quantises plain weights while loading."),
    ] = None
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32"] | None,
        Field(description="Type of weights and activations."),
    ] = None
    enforce_eager: Annotated[
        bool | None, Field(strict=True, description="Whether to run without CUDA graphs.")
    ] = None
    replicas: Annotated[PositiveInt, Field(le=10_000, description="Servers of this model.")] = 1
    cpu: Annotated[
        Cpus | None, Field(description="CPUs to request; left out, one for each process.")
    ] = None
    memory_gib: Annotated[
        MemoryGib | None,
        Field(description="Memory of the pod with its /dev/shm, GiB; left out, the plan's."),
    ] = None
    startup_seconds: Annotated[
        PositiveInt,
        Field(le=86_400, description="Loading, compiling and graphs, once weights are there."),
    ] = 900
    traffic: TrafficSettings = TrafficSettings()
    cache: Annotated[ModelCache, Field(description="Where the weights are kept.")]
    direct_clients: Annotated[
        tuple[DirectClient, ...], Field(description="Pods that may call without the gateway.")
    ] = ()
    image: Annotated[
        ImageReference | None, Field(description="Image of the engine; left out, the locked one.")
    ] = None

    @property
    def gpus(self) -> int:
        """GPUs that all replicas take together."""
        return self.replicas * self.tensor_parallel
