"""A chat engine with all that it can do at once."""

from typing import Any

from tests.serving.engine_pods import Variant

BASE, LORA = "Qwen/Qwen3-30B-A3B-Instruct-2507", "mit-oasys/rlm-qwen3-30b-a3b-v0.1"
NAMES = ("akko-coder", BASE, "coder-for-tests")
ADAPTER = "akko-adapter"
AT_ONCE = 2
MOST = 8
"""Requests that are worked on or wait, together."""
STREAMS = 6
"""Under load, and below the limit."""

CHAT = Variant(
    {
        "source": BASE,
        "revision": "0d7cf23991f47feeb3a57ecb4c9cee8ea4a17bfe",
        "adapters": {
            ADAPTER: {"source": LORA, "revision": "7d72253525f47b1a8c3c4e1059ff88e40232dd2f"}
        },
        "served_names": [NAMES[2]],
        "tool_call_parser": "hermes",
        "scheduling": "priority",
        "max_num_seqs": AT_ONCE,
        "max_num_queued_reqs": MOST,
        "cache": {"kind": "efs", "storage_class": "efs", "size_gib": 200},
    },
    {BASE: "chat", LORA: "adapter"},
    ("p5.4xlarge",),
)
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,  # without it the engine holds the arguments against no schema
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Oslo", "Lima"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
GUARDED = (
    *("/v1/models", "/version", "/docs", "/openapi.json", "/tokenize", "/invocations", "/ping"),
    *("/load", "/health/", "/health/x", "//health", "/metrics/", "/metrics/x", "/%68ealth/"),
)
"""Paths of the engine that a key opens; vLLM's own --api-key leaves most of them open."""
