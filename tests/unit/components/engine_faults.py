"""Values that the keys of a vLLM model do not take, and the sentence that answers each."""

from collections.abc import Mapping
from typing import Any

from tests.unit.components.ways import ADAPTER

VALUES: Mapping[str, tuple[str, Any, str]] = {
    "a task that nobody serves": (
        "task",
        "chat",
        "task is 'chat': input should be 'generate', 'embed', 'rerank' or 'classify'",
    ),
    "one name for a list of names": (
        "served_names",
        "coder",
        "served_names is 'coder': input should be a list",
    ),
    "a name that is an option": (
        "served_names",
        ["-coder"],
        "served_names.0 is '-coder': string should match pattern",
    ),
    "too many names": (
        "served_names",
        ["coder"] * 17,
        "served_names has 17 entries, at most 16 are possible",
    ),
    "no stage": ("pipeline_parallel", 0, "pipeline_parallel is 0: input should be greater than 0"),
    "stages in quotes": (
        "pipeline_parallel",
        "2",
        "pipeline_parallel is '2': input should be a valid integer",
    ),
    "absurdly many stages": (
        "pipeline_parallel",
        65,
        "pipeline_parallel is 65: input should be less than or equal to 64",
    ),
    "a yes for copies": (
        "data_parallel",
        True,
        "data_parallel is True: input should be a valid integer",
    ),
    "no copy": ("data_parallel", 0, "data_parallel is 0: input should be greater than 0"),
    "a word for whole experts": (
        "expert_parallel",
        "yes",
        "expert_parallel is 'yes': input should be a valid boolean",
    ),
    "no node": ("nodes", 0, "nodes is 0: input should be greater than 0"),
    "too many nodes": ("nodes", 17, "nodes is 17: input should be less than or equal to 16"),
    "less than no EFA device": (
        "efa_devices",
        -1,
        "efa_devices is -1: input should be greater than or equal to 0",
    ),
    "more EFA devices than a machine has": (
        "efa_devices",
        33,
        "efa_devices is 33: input should be less than or equal to 32",
    ),
    "a word for chunked prefill": (
        "chunked_prefill",
        "on",
        "chunked_prefill is 'on': input should be a valid boolean",
    ),
    "a switch for prefix caching": (
        "prefix_caching",
        False,
        "prefix_caching is False: input should be 'per-tenant', 'shared' or 'off'",
    ),
    "less than no host memory": (
        "kv_offload_gib",
        -1,
        "kv_offload_gib is -1: input should be greater than 0",
    ),
    "host memory in quotes": (
        "kv_offload_gib",
        "8",
        "kv_offload_gib is '8': input should be a valid integer",
    ),
    "a queue of no request": (
        "max_num_queued_reqs",
        0,
        "max_num_queued_reqs is 0: input should be greater than 0",
    ),
    "an absurdly long queue": (
        "max_num_queued_reqs",
        2**20 + 1,
        "max_num_queued_reqs is 1048577: input should be less than",
    ),
    "a queue of no token": (
        "max_num_queued_tokens",
        0,
        "max_num_queued_tokens is 0: input should be greater than 0",
    ),
    "an absurd queue of tokens": (
        "max_num_queued_tokens",
        2**40,
        "max_num_queued_tokens is 1099511627776: input should be less",
    ),
    "an unknown order": (
        "scheduling",
        "fifo",
        "scheduling is 'fifo': input should be 'fcfs' or 'priority'",
    ),
    "an unknown class of traffic": (
        "traffic_class",
        "offline",
        "traffic_class is 'offline': input should be 'interactive' or 'batch'",
    ),
    "a list of adapters": (
        "adapters",
        ["recursive"],
        "adapters holds no keys; write its keys below it",
    ),
    "an adapter with capitals": (
        "adapters",
        {"A_b": ADAPTER},
        "adapters.A_b is 'A_b': needed: Lower-case letters, digits and '-'",
    ),
    "a branch of an adapter": (
        "adapters",
        {"a": {**ADAPTER, "revision": "main"}},
        "adapters.a.revision is 'main': needed: A commit, 40 lower-case hexadecimal digits",
    ),
    "an adapter without a revision": (
        "adapters",
        {"a": {"source": ADAPTER["source"]}},
        "adapters.a.revision is missing",
    ),
    "a rank for an adapter": (
        "adapters",
        {"a": {**ADAPTER, "rank": 8}},
        "adapters.a.rank is not a key of this document; Possible here: source, revision",
    ),
    "no adapter at once": ("max_loras", 0, "max_loras is 0: input should be greater than 0"),
    "a word for speculation": (
        "speculation",
        "ngram",
        "speculation holds no keys; write its keys below it",
    ),
    "an unknown way to guess": (
        "speculation",
        {"method": "medusa", "tokens": 3},
        "speculation has method 'medusa'; possible: 'ngram', 'draft_model', 'eagle3', 'mtp'",
    ),
    "guesses without a method": (
        "speculation",
        {"tokens": 3},
        "speculation is missing its key method",
    ),
    "no guess": (
        "speculation",
        {"method": "ngram", "tokens": 0},
        "speculation.tokens is 0: input should be greater than 0",
    ),
    "a long look back": (
        "speculation",
        {"method": "ngram", "tokens": 3, "lookup": 17},
        "speculation.lookup is 17: input should be less than or equal to 16",
    ),
    "layers of its own with a source": (
        "speculation",
        {"method": "mtp", "tokens": 3, "source": "a/b"},
        "speculation.source is not a key of this document; Possible here: method, tokens",
    ),
    "a number for a parser": (
        "reasoning_parser",
        3,
        "reasoning_parser is 3: input should be a valid string",
    ),
    "a list of parsers": (
        "tool_call_parser",
        ["hermes"],
        "tool_call_parser is ['hermes']: input should be a valid string",
    ),
    "a template elsewhere": (
        "chat_template",
        "../chat.jinja",
        "chat_template is '../chat.jinja': needed: A .jinja file in the project's folder",
    ),
    "a template of another kind": (
        "chat_template",
        "chat.txt",
        "chat_template is 'chat.txt': needed: A .jinja file in the project's folder",
    ),
    "too many pictures": (
        "images_per_prompt",
        65,
        "images_per_prompt is 65: input should be less than or equal to 64",
    ),
    "less than no picture": (
        "images_per_prompt",
        -1,
        "images_per_prompt is -1: input should be greater than or equal to 0",
    ),
    "one flag for a list of flags": (
        "extra_args",
        "--seed=1",
        "extra_args is '--seed=1': input should be a list",
    ),
    "a number among flags": (
        "extra_args",
        ["--seed", 1],
        "extra_args.1 is 1: input should be a valid string",
    ),
    "a start that no policy lets pass": (
        "startup_seconds",
        299,
        "startup_seconds is 299: input should be greater than or equal to 300",
    ),
    "a start of more than a day": (
        "startup_seconds",
        86_401,
        "startup_seconds is 86401: input should be less than or equal to 86400",
    ),
}
"""What stands at a key of the model, and how the answer goes on below it."""

MISSPELT: Mapping[str, str] = {
    "tasks": "task",
    "served_name": "served_names",
    "pipeline_paralel": "pipeline_parallel",
    "data_paralel": "data_parallel",
    "expert_paralel": "expert_parallel",
    "node": "nodes",
    "efa_device": "efa_devices",
    "chunked_prefil": "chunked_prefill",
    "prefix_cache": "prefix_caching",
    "kv_offload_gb": "kv_offload_gib",
    "max_num_queue_reqs": "max_num_queued_reqs",
    "max_num_queued_token": "max_num_queued_tokens",
    "schedulng": "scheduling",
    "traffic_clas": "traffic_class",
    "adapter": "adapters",
    "max_lora": "max_loras",
    "speculations": "speculation",
    "reasoning_parsers": "reasoning_parser",
    "tool_call_parsers": "tool_call_parser",
    "chat_templates": "chat_template",
    "image_per_prompt": "images_per_prompt",
    "extra_arg": "extra_args",
    "startup_second": "startup_seconds",
}
"""Slips, and what is meant."""
