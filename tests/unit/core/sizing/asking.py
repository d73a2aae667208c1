"""One question of the planner for scripts, as a line and its answer."""

import json
from typing import Any

from components.core.sizing.lines import answer_lines
from tests.unit.core.sizing.published import LLAMA_8B, LLAMA_8B_BYTES, config

OUTPUT = {
    "verdict", "reason", "weights_gib", "overhead_gib", "kv_bytes_per_token", "kv_cache_gib",
    "kv_cache_tokens", "max_concurrency", "largest_max_model_len", "expected_error",
}  # fmt: skip
"""Every key that issue 4 names for an answer."""


def question(**changes: object) -> dict[str, Any]:
    """Llama 3.1 8B on an H100, with some keys changed."""
    return {
        "config": config(LLAMA_8B),
        "weight_bytes": LLAMA_8B_BYTES,
        "gpu": "H100",
        "engine_version": "0.31.0",
    } | changes


def answers(*lines: str) -> list[dict[str, Any]]:
    """What a script reads back."""
    return [json.loads(text) for text in answer_lines(lines)]


def ask(**changes: object) -> dict[str, Any]:
    """The one answer to `question`."""
    (found,) = answers(json.dumps(question(**changes)))
    return found


def error(**changes: object) -> str:
    """The one error that `question` is answered with."""
    found = ask(**changes)
    assert set(found) == {"error"}, found
    assert isinstance(found["error"], str)
    assert "\n" not in found["error"]
    return found["error"]
