"""Keys of a vLLM model that contradict each other or what they name, and the answers."""

from components.document import ROOT
from tests.unit.components.ways import (
    ADAPTED,
    ADAPTER,
    DRAFT,
    EFS,
    EXPERTS,
    FOUR_GPUS,
    FOUR_L4,
    FOUR_L40S,
    HEAD,
    MODEL,
    ONE_L40S,
    QWEN3,
    QWEN3_LARGE,
    QWEN3_SMALL,
    RERANKER,
    STREAMED,
    TWO_NODES,
    Change,
)

KEY = f"{ROOT}.models.{MODEL}"
_CLAIM = {"kind": "claim", "storage_class": "gp3", "size_gib": 200}
_EBS = {"kind": "ebs", "storage_class": "gp3", "size_gib": 200}
_SLOW = {**_EBS, "throughput_mib_per_second": 125}

CONTRADICTIONS: dict[str, tuple[Change, str, str]] = {
    "copies on several nodes": (
        {"nodes": 2, "data_parallel": 2, "cache": EFS},
        FOUR_L4,
        ".data_parallel is 2 on 2 nodes: copies belong on one node; raise ",
    ),
    "fewer GPUs than nodes": (
        {"nodes": 2, "cache": EFS},
        FOUR_L4,
        ".nodes is 2, among which the 1 GPUs of tensor_parallel 1 x pipeline_parallel 1 cannot be "
        "shared evenly: set pipeline_parallel to a multiple of nodes",
    ),
    "stages that nodes cannot share": (
        {"nodes": 2, "pipeline_parallel": 3},
        FOUR_L4,
        ".nodes is 2, among which the 3 GPUs of tensor_parallel 1 x pipeline_parallel 3 cannot ",
    ),
    "layers shared over a network": (
        {"nodes": 2, "tensor_parallel": 4, "tensor_parallel_over_pcie": True, "cache": EFS},
        FOUR_L4,
        ".tensor_parallel is 4, but each of the 2 nodes has 2 of the GPUs, and layers shared over "
        f"a network wait for it at every token: set {KEY}.pipeline_parallel to 2",
    ),
    "layers of more GPUs than a machine has": (
        {**TWO_NODES, "tensor_parallel": 8, "pipeline_parallel": 1},
        FOUR_L4,
        ": tensor_parallel is 8, but g6.12xlarge has 4 GPUs; choose a larger machine, or "
        "pipeline_parallel for several",
    ),
    "a network inside a node": (
        {"efa_devices": 1},
        FOUR_L4,
        ".efa_devices is 1, but the GPUs of one node need no network: leave it out",
    ),
    "EFA without its libraries": (
        {**TWO_NODES, "efa_devices": 1},
        FOUR_L4,
        ".efa_devices is 1, but the published image has no EFA libraries: name one that has ",
    ),
    "host memory of several nodes": (
        {**TWO_NODES, "kv_offload_gib": 8},
        FOUR_L4,
        ".kv_offload_gib is 8 on 2 nodes, but the engine shares host memory within one node",
    ),
    "experts that a model lacks": (
        {"expert_parallel": True},
        FOUR_L4,
        ".expert_parallel is true, but Qwen/Qwen2.5-7B-Instruct has no experts: leave it out",
    ),
    "disks on several nodes": (
        {**TWO_NODES, "cache": _EBS},
        FOUR_L4,
        ".cache.kind is 'ebs' on 2 nodes, but one node at a time mounts such a volume and each pod "
        "of a group is on another: take efs, fsx, or a claim whose access_mode is ReadWriteMany",
    ),
    "a claim of one node on several": (
        {**TWO_NODES, "cache": _CLAIM},
        FOUR_L4,
        ".cache.kind is 'claim' on 2 nodes, but one node at a time mounts such a volume",
    ),
    "an adapter that nobody streams": (
        {**ADAPTED, "cache": STREAMED},
        FOUR_L40S,
        ".cache.reader is 'streamer', by which the engine reads the model alone, not what "
        f"{KEY}.adapters loads beside it: set reader to mountpoint",
    ),
    "a draft that nobody streams": (
        {**QWEN3, "speculation": DRAFT, "cache": STREAMED},
        ONE_L40S,
        ".cache.reader is 'streamer', by which the engine reads the model alone, not what "
        f"{KEY}.speculation loads beside it: set reader to mountpoint",
    ),
    "a queue shorter than a step": (
        {"max_num_seqs": 64, "max_num_queued_reqs": 63},
        FOUR_L4,
        ".max_num_queued_reqs is 63, which counts running requests too, but "
        f"{KEY}.max_num_seqs is 64: raise it to 64 or more",
    ),
    "a prompt longer than a step": (
        {"chunked_prefill": False, "max_num_batched_tokens": 2048},
        FOUR_L4,
        ".chunked_prefill is false, so that a prompt goes into one step, but "
        f"{KEY}.max_num_batched_tokens is 2048 and max_model_len 4096: raise it to that",
    ),
    "answers of a model that scores": (
        RERANKER,
        FOUR_L4,
        ".task is 'generate', but BAAI/bge-reranker-v2-m3 is a XLMRobertaForSequenceClassification"
        ", which scores texts: set it to rerank or classify",
    ),
    "more adapters at once than there are": (
        {**ADAPTED, "max_loras": 2},
        FOUR_L40S,
        ".max_loras is 2, but there are 1 adapters: lower it, or leave it out",
    ),
    "an adapter that is a model": (
        {"adapters": {"a": QWEN3_SMALL}},
        FOUR_L4,
        ".adapters.a.source is Qwen/Qwen3-0.6B, which is no LoRA adapter: a model of its own ",
    ),
    "an adapter of another model": (
        {"adapters": {"a": ADAPTER}},
        FOUR_L4,
        ".adapters.a.source is mit-oasys/rlm-qwen3-30b-a3b-v0.1, an adapter of "
        "Qwen/Qwen3-30B-A3B-Instruct-2507, but ",
    ),
    "an adapter without a lock": (
        {"adapters": {"a": {**ADAPTER, "revision": "0" * 40}}},
        FOUR_L4,
        ".adapters.a.source: mit-oasys/rlm-qwen3-30b-a3b-v0.1 is locked at 7d72253525f4, not at ",
    ),
    "a draft without a lock": (
        {"speculation": {**DRAFT, "source": "org/none"}},
        FOUR_L4,
        ".speculation.source: org/none ",
    ),
    "an adapter for a model": (
        ADAPTER,
        FOUR_L4,
        ".source is mit-oasys/rlm-qwen3-30b-a3b-v0.1, an adapter and no model: name the model ",
    ),
    "layers for guesses that a model lacks": (
        {"speculation": {"method": "mtp", "tokens": 1}},
        FOUR_L4,
        ".speculation.method is 'mtp', but Qwen/Qwen2.5-7B-Instruct has no prediction layers of "
        "its own: possible are ngram, and draft_model or eagle3 with a source",
    ),
    "a draft of another tokenizer": (
        {"speculation": DRAFT},
        FOUR_L4,
        ".speculation.source is Qwen/Qwen3-0.6B, whose vocabulary of 151936 tokens is not the "
        "152064 of Qwen/Qwen2.5-7B-Instruct: a draft shares its tokenizer",
    ),
    "a draft on several stages": (
        {**QWEN3, "speculation": DRAFT, "pipeline_parallel": 2},
        FOUR_L40S,
        ".speculation.method is 'draft_model', which the engine runs on one pipeline stage only",
    ),
    "an adapter for a draft": (
        {**EXPERTS, **FOUR_GPUS, "speculation": {**DRAFT, **ADAPTER}},
        FOUR_L40S,
        ".speculation.source is mit-oasys/rlm-qwen3-30b-a3b-v0.1, a LoRA adapter: it belongs ",
    ),
    "a head that is a model": (
        {**QWEN3, "speculation": HEAD},
        ONE_L40S,
        ".speculation.source is Qwen/Qwen3-0.6B, which is no EAGLE-3 head: set ",
    ),
    "a parser of thoughts that the engine lacks": (
        {"reasoning_parser": "qwen33"},
        FOUR_L4,
        ".reasoning_parser is 'qwen33', which vLLM 0.31.0 does not have; did you mean qwen3",
    ),
    "a parser of calls that the engine lacks": (
        {"tool_call_parser": "hermess"},
        FOUR_L4,
        ".tool_call_parser is 'hermess', which vLLM 0.31.0 does not have; did you mean hermes",
    ),
    "pictures for a model that reads none": (
        {"images_per_prompt": 2},
        FOUR_L4,
        ".images_per_prompt is 2, but Qwen/Qwen2.5-7B-Instruct reads no pictures: leave it out",
    ),
    "a flag that the engine lacks": (
        {"extra_args": ["--no-such=1"]},
        FOUR_L4,
        ": vLLM 0.31.0 refuses extra_args: unrecognized arguments: --no-such=1",
    ),
    "a value without its flag": (
        {"extra_args": ["seed"]},
        FOUR_L4,
        ": extra_args start with 'seed'; begin with a flag such as --seed=1",
    ),
    "a start that nobody has seen so short": (
        {**QWEN3_LARGE, **FOUR_GPUS, "cache": _SLOW, "startup_seconds": 300},
        FOUR_L4,
        ".startup_seconds is 300, but no start is known to take less than ",
    ),
    "a name that another alias has": (
        {"served_names": ["akko-chat"]},
        FOUR_L4,
        f".served_names holds 'akko-chat', the name of {ROOT}.gateway.model_aliases.akko-chat",
    ),
    "a name that the model has": (
        {"served_names": [MODEL]},
        FOUR_L4,
        f".served_names holds '{MODEL}', the name of {KEY}: choose another name",
    ),
    "an adapter called as its model": (
        {**ADAPTED, "adapters": {MODEL: ADAPTER}},
        FOUR_L40S,
        f".adapters.{MODEL} has the name of {KEY}: choose another name",
    ),
    "an adapter called as an alias": (
        {**ADAPTED, "adapters": {"akko-chat": ADAPTER}},
        FOUR_L40S,
        f".adapters.akko-chat has the name of {ROOT}.gateway.model_aliases.akko-chat: choose ",
    ),
}
"""Keys of the model, the machine of its pool, and how the answer goes on after the model's key."""
