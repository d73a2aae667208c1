"""Which flags of the engine a document may give beside its own keys.

A list of what is possible, not of what is not: the engine has over 300 settings and new ones with
every release, many of which load code, open ports, or make the plan and the probes wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from components.core.engine_args import effective
from components.document.sentences import nearest
from components.document.serve_line import OWNED

FREE = frozenset(
    {
        *("seed", "max_logprobs", "logprobs_mode", "override_generation_config"),
        *("disable_sliding_window", "disable_cascade_attn", "attention_backend", "moe_backend"),
        *("linear_backend", "mamba_backend", "all2all_backend", "disable_custom_all_reduce"),
        *("enable_eplb", "expert_placement_strategy", "enable_dbo", "numa_bind"),
        *("prefix_caching_hash_algo", "long_prefill_token_threshold", "max_num_active_seqs"),
        *("scheduler_reserve_full_isl", "async_scheduling", "stream_interval", "watermark"),
        *("disable_chunked_mm_input", "cudagraph_capture_sizes", "max_cudagraph_capture_size"),
        *("optimization_level", "performance_mode", "enable_flashinfer_autotune"),
        *("response_role", "return_tokens_as_token_ids", "tool_strict_level"),
        *("exclude_tools_when_tool_choice_none", "chat_template_content_format"),
        *("default_chat_template_kwargs", "enable_prompt_tokens_details"),
        *("enable_per_request_metrics", "enable_server_load_tracking", "sse_keep_alive_interval"),
        *("enable_force_include_usage", "enable_request_id_headers", "disable_fastapi_docs"),
        *("uvicorn_log_level", "disable_uvicorn_access_log", "disable_access_log_for_endpoints"),
        *("safetensors_load_strategy", "use_tqdm_on_load", "fully_sharded_loras", "lora_dtype"),
        *("show_hidden_metrics_for_version", "kv_cache_metrics", "kv_cache_metrics_sample"),
        *("cudagraph_metrics", "enable_mfu_metrics", "per_request_spec_decode_metrics"),
    }
)
"""Settings that load no code, open nothing, and change neither plan nor probes."""

UNSAFE: Mapping[str, str] = MappingProxyType(
    {
        "trust_remote_code": "it runs code that came with the weights",
        "api_key": "who sees the pod sees a key on its line; use api_key, which names a Secret",
        "enable_sleep_mode": "it exists for development servers",
        "middleware": "it loads code that nobody here has seen",
        "tool_parser_plugin": "it loads code that nobody here has seen",
        "reasoning_parser_plugin": "it loads code that nobody here has seen",
        "worker_cls": "it loads code that nobody here has seen",
        "worker_extension_cls": "it loads code that nobody here has seen",
        "allowed_local_media_path": "requests could then read files of the server",
        "allowed_media_domains": "the server has no way out; pictures are sent inline",
        "trust_request_chat_template": "requests could then bring a template of their own",
        "enable_log_requests": "prompts would stand in the log",
        "enable_log_outputs": "answers would stand in the log",
        "disable_log_stats": "the engine would have no metrics",
        "host": "the platform's probes and network policies expect every address of the pod",
        "root_path": "the gateway calls the engine's own paths",
        "uds": "the gateway calls the engine by TCP",
        "port": "the platform decides it",
        "shutdown_timeout": "it follows from streams.longest_seconds",
        "distributed_executor_backend": "the platform starts the processes of a group itself",
        "node_rank": "the platform numbers the pods of a group",
        "master_addr": "the platform knows the first pod of a group",
        "master_port": "the network policy of a group opens the engine's own",
        "headless": "the platform decides which pod of a group serves",
        "load_format": "it follows from the cache's kind",
        "hf_overrides": "it follows from architecture; a longer context would not be planned",
        "kv_cache_memory_bytes": "the plan rests on gpu_memory_utilization",
        "cpu_offload_gb": "the plan does not know weights in host memory",
    }
)
"""Settings that people ask for and that are not possible, to the reason."""


def problems(key: str, words: Sequence[str]) -> Iterator[str]:
    """What extra flags may not say: what the document has a key for, and what is not possible.

    Args:
        key: Of the model.
        words: Its `extra_args`.
    """
    line = effective(("model", *words))
    for name in sorted(line.given):
        if name in OWNED:
            yield f"{key}.extra_args set {name}: write {key}.{OWNED[name]} instead"
        elif name in UNSAFE:
            yield f"{key}.extra_args set {name}, which is not possible: {UNSAFE[name]}"
        elif name not in FREE:
            possible = nearest(name, sorted(FREE))
            yield (
                f"{key}.extra_args set {name}, of which nobody has checked that plan, probes and "
                f"closed networks still hold with it; {possible}"
            )
