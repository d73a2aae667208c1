"""Faults that a user may write into a stack document, and the sentence that answers each."""

from collections.abc import Mapping
from typing import Any

from components.document import ROOT

MODEL = "models.akko-coder"
GONE = object()
"""Stands for a key that is left out."""

KEY_VALUE = "hunter22-hunter22"
"""Stands for a credential that somebody typed where it does not belong."""

FAULTS: Mapping[str, tuple[str, Any, str]] = {
    "a misspelt key": (
        f"{MODEL}.max_modle_len",
        4096,
        f"{MODEL}.max_modle_len is not a key of this document; did you mean "
        f"{ROOT}.{MODEL}.max_model_len?",
    ),
    "a misspelt key at the top": (
        "namespaces",
        "akko",
        f"namespaces is not a key of this document; did you mean {ROOT}.namespace?",
    ),
    "a key unlike any other": (
        "gateway.zzz",
        1,
        "gateway.zzz is not a key of this document; Possible here: service_name, ",
    ),
    "a missing key": (f"{MODEL}.max_model_len", GONE, f"{MODEL}.max_model_len is missing"),
    "a missing section": ("gateway", GONE, "gateway is missing"),
    "a quoted whole number": (
        f"{MODEL}.max_model_len",
        "4096",
        f"{MODEL}.max_model_len is '4096': input should be a valid integer",
    ),
    "a quoted fraction": (
        f"{MODEL}.gpu_memory_utilization",
        "0.9",
        f"{MODEL}.gpu_memory_utilization is '0.9': input should be a valid number",
    ),
    "a yes for a number": (
        "gateway.replicas",
        True,
        "gateway.replicas is True: input should be a valid integer",
    ),
    "a percentage for a share": (
        f"{MODEL}.gpu_memory_utilization",
        90,
        f"{MODEL}.gpu_memory_utilization is 90: input should be less than or equal to 1",
    ),
    "a number below one": (
        f"{MODEL}.replicas",
        0,
        f"{MODEL}.replicas is 0: input should be greater than 0",
    ),
    "a text for a list": (
        "node_pools.l4.instance_types",
        "g6.2xlarge",
        "node_pools.l4.instance_types is 'g6.2xlarge': input should be a list",
    ),
    "a text for a section": ("cluster", "kind-akko", "cluster holds no keys"),
    "an empty section": ("cluster", None, "cluster is missing"),
    "an empty model": (MODEL, None, f"{MODEL} is missing"),
    "no models": ("models", {}, "models is empty"),
    "an unknown engine": (
        f"{MODEL}.engine",
        "tgi",
        f"{MODEL} has engine 'tgi'; possible: 'vllm', 'ollama'",
    ),
    "no engine": (f"{MODEL}.engine", GONE, f"{MODEL} is missing its key engine"),
    "a pool that does not exist": (
        f"{MODEL}.pool",
        "l40",
        f"{MODEL}.pool is 'l40', which is not among {ROOT}.node_pools: l4",
    ),
    "an unknown instance type": (
        "node_pools.l4.instance_types",
        ["g6.2xlarg"],
        "node_pools.l4.instance_types names 'g6.2xlarg', which is no GPU machine of the catalogue "
        f"or of {ROOT}.hardware.instance_types; did you mean g6.2xlarge or ",
    ),
    "an unknown kind of capacity": (
        "node_pools.l4.capacity",
        ["spots"],
        "node_pools.l4.capacity.0 is 'spots': input should be 'reserved', 'spot' or 'on-demand'",
    ),
    "a pool without instance types": (
        "node_pools.l4.instance_types",
        [],
        "node_pools.l4.instance_types is empty",
    ),
    "more replicas than the pool's ceiling": (
        f"{MODEL}.replicas",
        5,
        "node_pools.l4.max_gpus is 4, but its models ask for 5 GPUs",
    ),
    "more GPUs than any node has": (
        f"{MODEL}.tensor_parallel",
        2,
        f"{MODEL} asks for 2 GPU, 6 CPU and 24 GiB a replica, which no node of pool l4 has "
        "(g6.2xlarge with 1 GPU, 7 CPU, 27 GiB for pods; g6.4xlarge ",
    ),
    "more memory than any node has": (
        f"{MODEL}.memory_gib",
        56,
        f"{MODEL} asks for 1 GPU, 6 CPU and 56 GiB a replica, which no node of pool l4 has",
    ),
    "more CPUs than any node has": (
        f"{MODEL}.cpu",
        16,
        f"{MODEL} asks for 1 GPU, 16 CPU and 24 GiB a replica, which no node of pool l4 has",
    ),
    "an engine for the public": (
        f"{MODEL}.service_type",
        "LoadBalancer",
        f"{MODEL}.service_type is 'LoadBalancer': input should be 'ClusterIP' (An engine's "
        "keys know no tenants; expose the gateway)",
    ),
    "a branch for a revision": (
        f"{MODEL}.revision",
        "main",
        f"{MODEL}.revision is 'main': needed: A commit, 40 lower-case hexadecimal digits",
    ),
    "a hub id that the command line would take for an option": (
        f"{MODEL}.source",
        "--token/x",
        f"{MODEL}.source is '--token/x': needed: Hub id, org/name",
    ),
    "a hub id that leads out of the volume": (
        f"{MODEL}.source",
        "a/..",
        f"{MODEL}.source is 'a/..': needed: Hub id, org/name",
    ),
    "a Service name that an account has": (
        f"{MODEL}.service_name",
        "default",
        f"{MODEL}.service_name is 'default', the name of another object of this stack",
    ),
    "a Service name that a network policy has": (
        f"{MODEL}.service_name",
        "akko-akko-litellm-clients",
        f"{MODEL}.service_name is 'akko-akko-litellm-clients', the name of another object",
    ),
    "a Service name that the gateway's database may have": (
        f"{MODEL}.service_name",
        "akko-akko-litellm-database",
        f"{MODEL}.service_name is 'akko-akko-litellm-database', the name of another object of this "
        "stack: choose another",
    ),
    "the namespace of the system": (
        "namespace",
        "kube-system",
        "namespace is 'kube-system', which is Kubernetes'",
    ),
    "the namespace of the parent Gateway": (
        "namespace",
        "envoy-gateway-system",
        "namespace is 'envoy-gateway-system', which is the parent Gateway's",
    ),
    "a Service that poisons its neighbours": (
        f"{MODEL}.service_name",
        "vllm",
        f"{MODEL}.service_name is 'vllm': other pods would get VLLM_PORT",
    ),
    "a Service name that Kubernetes refuses": (
        f"{MODEL}.service_name",
        "7b-vllm",
        f"{MODEL}.service_name is '7b-vllm': needed: A letter, then lower-case letters",
    ),
    "a Service name that leaves no room for the name of its Job": (
        f"{MODEL}.service_name",
        "a" * 47,
        f"{MODEL}.service_name is '{'a' * 47}': string should have at most 46 characters",
    ),
    "one Service for two": (
        f"{MODEL}.service_name",
        "akko-akko-litellm",
        f"gateway.service_name and {ROOT}.{MODEL}.service_name are both 'akko-akko-litellm'",
    ),
    "an alias that leads nowhere": (
        "gateway.model_aliases.akko-chat",
        "akko-codr",
        f"gateway.model_aliases.akko-chat is 'akko-codr', which is not among {ROOT}.models",
    ),
    "an alias that hides a model": (
        "gateway.model_aliases.akko-coder",
        "akko-coder",
        "gateway.model_aliases.akko-coder hides the model of that name",
    ),
    "the development engine in production": (
        "models.small",
        {"engine": "ollama", "source": "qwen2.5:3b", "max_model_len": 4096},
        "environment is 'production', but small run on Ollama, which is for development: set "
        "their engine to vllm or external, or environment to development",
    ),
    "an unknown environment": (
        "environment",
        "staging",
        "environment is 'staging': input should be 'development' or 'production'",
    ),
    "a server for Ollama without models": (
        "ollama",
        {
            "service_name": "o",
            "cache": {"kind": "claim", "storage_class": "standard", "size_gib": 1},
        },
        "ollama has nothing to serve",
    ),
    "the development key beside vLLM": (
        "gateway.master_key",
        {"source": "development", "secret_name": "key", "value": KEY_VALUE},
        "gateway.master_key.source is 'development', a key that everybody knows, beside vLLM "
        "(akko-coder) and the public host llm.akko.local: use 'existing' or 'config'",
    ),
    "a key in place of its section": ("gateway.master_key", KEY_VALUE, "gateway.master_key holds"),
    "a key in place of its source": (
        "gateway.master_key.source",
        KEY_VALUE,
        "gateway.master_key has an unknown source; possible: 'existing', 'config', 'development'",
    ),
    "a key in place of its Secret": (
        "gateway.master_key.secret_name",
        f"{KEY_VALUE}_",
        "gateway.master_key.secret_name is refused: needed: Name of its Secret, ",
    ),
    "a key where none belongs": (
        "gateway.master_key.value",
        KEY_VALUE,
        "gateway.master_key.value is not a key of this document; Possible here: secret_name, ",
    ),
    "a host with a wildcard": (
        "exposure.host",
        "*.akko.local",
        "exposure.host is '*.akko.local': needed: A full host name in lower case, without scheme, "
        "port or wildcard",
    ),
    "a stream without end": (
        "streams.longest_seconds",
        3601,
        "streams.longest_seconds is 3601: input should be less than or equal to 3600",
    ),
    "an unknown access mode": (
        f"{MODEL}.cache",
        {"kind": "claim", "storage_class": "nfs", "access_mode": "RWX", "size_gib": 50},
        f"{MODEL}.cache.access_mode is 'RWX': input should be 'ReadWriteOnce' or 'ReadWriteMany'",
    ),
    "a cluster without TLS": (
        "cluster.server",
        "http://127.0.0.1",
        "cluster.server is 'http://127.0.0.1': needed: https:// address",
    ),
    "an absurd length": (
        f"{MODEL}.max_model_len",
        2**70,
        f"{MODEL}.max_model_len is {2**70}: input should be less than or equal to 16777216 "
        "(Tokens of prompt and answer together)",
    ),
    "an absurd number of GPUs": (
        f"{MODEL}.tensor_parallel",
        10**6,
        f"{MODEL}.tensor_parallel is 1000000: input should be less than or equal to 64",
    ),
    "an absurd share of load": (
        f"{MODEL}.traffic",
        {"utilization": 30},
        f"{MODEL}.traffic.utilization is 30: input should be less than or equal to 1",
    ),
    "a KV cache of a type that the engine lacks": (
        f"{MODEL}.kv_cache_dtype",
        "int4",
        f"{MODEL}.kv_cache_dtype is 'int4': input should be 'auto', 'bfloat16', 'float16', 'fp8'",
    ),
    "a permission in quotes": (
        f"{MODEL}.tensor_parallel_over_pcie",
        "yes",
        f"{MODEL}.tensor_parallel_over_pcie is 'yes': input should be a valid boolean",
    ),
    "direct clients that are everybody": (
        f"{MODEL}.direct_clients",
        [{"namespace": "batch", "pod_labels": {}}],
        f"{MODEL}.direct_clients.0.pod_labels is empty",
    ),
}
"""Key in the production document, what stands there, and how the answer begins, below the root."""
