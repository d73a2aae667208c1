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
from components.document.cache import CompileCacheSettings, ModelCache
from components.document.price import PriceSettings
from components.document.quantities import Cpus, HubId, KeySecret, MemoryGib, Tokens
from components.document.scaling import ModelScalingSettings
from components.document.vllm_features import AdapterSettings, Speculation, TrafficClass

_CLASS = r"^[A-Za-z][A-Za-z0-9_]*$"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$"


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
    source: HubId
    revision: Revision
    architecture: Annotated[
        str | None,
        Field(
            pattern=_CLASS,
            description="Class of the engine that serves a model whose own one is not known, such "
            "as LlamaForCausalLM; passed on as --hf-overrides.",
        ),
    ] = None
    task: Annotated[
        Literal["generate", "embed", "rerank", "classify"],
        Field(description="What clients ask of it; all but generate answer without a stream."),
    ] = "generate"
    served_names: Annotated[
        tuple[Annotated[str, Field(pattern=_NAME, max_length=128)], ...],
        Field(max_length=16, description="Further names for clients that call it directly."),
    ] = ()
    service_name: ServiceName
    service_type: Annotated[
        Literal["ClusterIP"],
        Field(description="An engine's keys know no tenants; expose the gateway."),
    ] = "ClusterIP"
    pool: Annotated[str, Field(description="One of node_pools.")]
    max_model_len: Annotated[Tokens, Field(description="Tokens of prompt and answer together.")]
    price: Annotated[
        PriceSettings | None, Field(description="What its tokens cost, for budgets.")
    ] = None
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
    pipeline_parallel: Annotated[
        PositiveInt, Field(le=64, description="Groups of GPUs that each hold some layers.")
    ] = 1
    data_parallel: Annotated[
        PositiveInt, Field(le=64, description="Copies of the model behind one server of one node.")
    ] = 1
    expert_parallel: Annotated[
        bool, Field(strict=True, description="Whole experts on each GPU, not slices of all.")
    ] = False
    nodes: Annotated[
        PositiveInt,
        Field(le=16, description="Machines that share a replica, started and replaced as one."),
    ] = 1
    efa_devices: Annotated[
        int,
        Field(ge=0, le=32, strict=True, description="EFA devices of each node; 0 for plain TCP."),
    ] = 0
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
    chunked_prefill: Annotated[
        bool | None, Field(strict=True, description="Whether long prompts share steps.")
    ] = None
    prefix_caching: Annotated[
        Literal["per-tenant", "shared", "off"],
        Field(
            description="Who may profit from whose prompts: by answer times a tenant can tell what "
            "others asked where it is shared."
        ),
    ] = "per-tenant"
    kv_offload_gib: Annotated[
        MemoryGib | None,
        Field(description="Host memory of a replica for KV entries that leave the GPUs, GiB."),
    ] = None
    max_num_queued_reqs: Annotated[
        Annotated[PositiveInt, Field(le=2**20)] | None,
        Field(description="Requests that may wait or run; further ones get a 503 at once."),
    ] = None
    max_num_queued_tokens: Annotated[
        Annotated[PositiveInt, Field(le=2**31)] | None,
        Field(description="Prompt tokens that may wait; further requests get a 503 at once."),
    ] = None
    scheduling: Annotated[
        Literal["fcfs", "priority"],
        Field(description="First come, first served, or by the request's `priority`, low first."),
    ] = "fcfs"
    traffic_class: Annotated[
        TrafficClass,
        Field(description="Interactive servers take the nodes of batch ones where GPUs are short."),
    ] = "interactive"
    adapters: Annotated[
        dict[DnsLabel, AdapterSettings],
        Field(max_length=64, description="LoRA adapters by the name that clients ask for."),
    ] = Field(default_factory=dict)
    max_loras: Annotated[
        Annotated[PositiveInt, Field(le=64)] | None,
        Field(description="Adapters on the GPU at once; left out, all of them."),
    ] = None
    speculation: Annotated[
        Speculation | None, Field(description="Guesses that the model checks several at once.")
    ] = None
    reasoning_parser: Annotated[
        str | None, Field(description="Splits thoughts from the answer, such as qwen3.")
    ] = None
    tool_call_parser: Annotated[
        str | None, Field(description="Reads tool calls out of answers, such as hermes.")
    ] = None
    chat_template: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\.jinja$",
            description="A .jinja file in the project's folder, in place of the model's own.",
        ),
    ] = None
    images_per_prompt: Annotated[
        int | None,
        Field(
            ge=0,
            le=64,
            strict=True,
            description="Pictures in a request, sent inline; 0 serves text alone and frees memory.",
        ),
    ] = None
    extra_args: Annotated[
        tuple[str, ...],
        Field(
            max_length=64,
            description="Further flags of the engine that change neither plan nor safety.",
        ),
    ] = ()
    replicas: Annotated[PositiveInt, Field(le=10_000, description="Servers of this model.")] = 1
    scaling: Annotated[
        ModelScalingSettings | None,
        Field(description="As many servers as load asks for, instead of replicas."),
    ] = None
    vpa: Annotated[
        bool,
        Field(strict=True, description="Whether a VPA recommends CPU and memory; it sets nothing."),
    ] = False
    cpu: Annotated[
        Cpus | None, Field(description="CPUs to request; left out, one for each process.")
    ] = None
    memory_gib: Annotated[
        MemoryGib | None,
        Field(description="Memory of the pod with its /dev/shm, GiB; left out, the plan's."),
    ] = None
    startup_seconds: Annotated[
        Annotated[PositiveInt, Field(ge=300, le=86_400)] | None,
        Field(
            description="Loading, compiling and graphs, once weights are there; else the plan's."
        ),
    ] = None
    traffic: TrafficSettings = TrafficSettings()
    cache: Annotated[ModelCache, Field(description="Where the weights are kept.")]
    compile_cache: Annotated[
        CompileCacheSettings | None,
        Field(
            description="Where compiled kernels outlive a pod, on a class that many nodes mount; "
            "left out, they outlive restarts of its container only."
        ),
    ] = None
    api_key: Annotated[
        KeySecret | None,
        Field(
            description="Secret each of whose entries is a key that lets callers in, and the entry "
            "that the gateway brings; left out, network policies alone keep callers away."
        ),
    ] = None
    direct_clients: Annotated[
        tuple[DirectClient, ...], Field(description="Pods that may call without the gateway.")
    ] = ()
    image: Annotated[
        ImageReference | None, Field(description="Image of the engine; left out, the locked one.")
    ] = None

    @property
    def gpus_per_replica(self) -> int:
        """GPUs that one replica takes, on all its nodes."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def gpus_per_node(self) -> int:
        """GPUs of each pod of a replica; where they do not divide, `checks` refuses."""
        return max(1, self.gpus_per_replica // self.nodes)

    @property
    def most_replicas(self) -> int:
        """Servers that there are at most; always so many where nothing scales them."""
        return self.scaling.max_replicas if self.scaling else self.replicas

    @property
    def least_replicas(self) -> int:
        """Servers that there are while anything is asked; the first roll-out makes so many."""
        return self.scaling.min_replicas if self.scaling else self.replicas

    @property
    def gpus(self) -> int:
        """GPUs that all replicas take together, at most."""
        return self.most_replicas * self.gpus_per_replica
