"""Refuses requests that ask for more than the stack allows; a hook of LiteLLM.

LiteLLM calls it once it knows who asks, before any model is chosen. Limits and tags come from
`request_rules.json` beside it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException

_OUTPUT_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_CHOICES = ("n", "best_of")
_OPERATORS = frozenset(
    {
        "fallbacks",
        "context_window_fallbacks",
        "context_window_fallback_dict",
        "content_policy_fallbacks",
        "default_fallbacks",
        "num_retries",
        "max_retries",
        "retry_policy",
        "timeout",
        "stream_timeout",
        "request_timeout",
        "cooldown_time",
        "enable_tag_filtering",
        "custom_llm_provider",
        "mock_response",
        "mock_timeout",
        "mock_delay",
        "mock_tool_calls",
        "mock_testing_fallbacks",
        "mock_testing_context_fallbacks",
        "mock_testing_content_policy_fallbacks",
        "mock_testing_rate_limit_error",
    }
)
"""Fields of a request with which LiteLLM lets clients change its routing; the stack decides it."""
ALLOWED_TAGS = "allowed_tags"
"""Key of a team's and of a key's metadata: routing tags that they may use."""


class RequestRules(CustomLogger):
    """Checks each request of a client against the stack's rules."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        super().__init__()
        self._rules = rules

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,  # noqa: ANN401 - LiteLLM's own type
        cache: Any,  # noqa: ANN401, ARG002 - LiteLLM's own signature
        data: dict[str, Any],
        call_type: Any,  # noqa: ANN401, ARG002 - LiteLLM's own signature
    ) -> dict[str, Any]:
        """LiteLLM calls this before it routes a request; raising ends the request."""
        _check_size(data, self._rules["request_bytes"])
        _check_fields(data)
        _check_numbers(data, _OUTPUT_TOKENS, self._rules["output_tokens"])
        _check_numbers(data, _CHOICES, self._rules["choices"])
        _check_tags(data, user_api_key_dict, frozenset(self._rules["routing_tags"]))
        return data


def _check_size(data: Mapping[str, Any], limit: int) -> None:
    headers = _mapping(_mapping(data.get("proxy_server_request")).get("headers"))
    said = str(headers.get("content-length", ""))
    size = int(said) if said.isdigit() else len(json.dumps(data, default=str))
    if size > limit:
        text = f"the request has {size} bytes, and {limit} are possible; send less at once"
        raise _refusal(text, None, 413)


def _check_fields(data: Mapping[str, Any]) -> None:
    for name in sorted(_OPERATORS & {*data, *_mapping(data.get("extra_body"))}):
        text = f"{name} is for the gateway's operators to decide; leave it out"
        raise _refusal(text, name, 400)


def _check_numbers(data: Mapping[str, Any], names: tuple[str, ...], limit: int) -> None:
    asked = {**_mapping(data.get("extra_body")), **data}
    for name in names:
        value = asked.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= limit:
            text = f"{name} is {value!r}, and a whole number from 1 to {limit} is possible here"
            raise _refusal(text, name, 400)


def _check_tags(data: Mapping[str, Any], who: object, routing: frozenset[str]) -> None:
    """A tag that leads to another model is for teams that may use it; the master key may."""
    if _text(getattr(who, "user_role", "")) == "proxy_admin":
        return
    metadata = (getattr(who, "team_metadata", None), getattr(who, "metadata", None))
    allowed = {tag for found in metadata for tag in _mapping(found).get(ALLOWED_TAGS) or ()}
    for tag in sorted(routing & _tags(data) - allowed):
        possible = ", ".join(sorted(allowed & routing)) or "none"
        text = f"the tag {tag!r} is not among those that this key may use: {possible}"
        raise _refusal(text, "tags", 403)


def _tags(data: Mapping[str, Any]) -> set[str]:
    """All tags of a request, by whatever way; LiteLLM reads '!' and '&' before one as operators."""
    headers = _mapping(_mapping(data.get("proxy_server_request")).get("headers"))
    found: list[object] = str(headers.get("x-litellm-tags", "")).split(",")
    for holder in (data, *(_mapping(data.get(n)) for n in ("metadata", "litellm_metadata"))):
        tags = holder.get("tags")
        found += cast("list[object]", tags) if isinstance(tags, list) else [tags]
    return {str(tag).strip().lstrip("!&").strip() for tag in found if tag}


def _refusal(text: str, parameter: str | None, code: int) -> ProxyException:
    return ProxyException(message=text, type="invalid_request_error", param=parameter, code=code)


def _text(value: object) -> str:
    return str(getattr(value, "value", value))


def _mapping(value: object) -> dict[str, Any]:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}


_RULES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
# Of a model that LiteLLM has never heard of it does not find the length that its own configuration
# says, until the first request has gone through unbounded.
litellm.register_model(
    {
        name: {"litellm_provider": name.partition("/")[0], "mode": "chat"}
        for name in _RULES["truncating_models"]
    }
)
request_rules = RequestRules(_RULES)
