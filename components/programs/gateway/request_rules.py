"""Refuses requests that ask for more than the stack allows; a hook of LiteLLM.

LiteLLM calls it once it knows who asks, before any model is chosen. Limits, fields and tags come
from `request_rules.json` beside it.
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
_TASKS = {
    **dict.fromkeys(("acompletion", "atext_completion", "aresponses"), "chat"),
    "anthropic_messages": "chat",
    "aembedding": "embedding",
    **dict.fromkeys(("rerank", "arerank"), "rerank"),
}
"""LiteLLM's names of routes, and what a model has to be for."""
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
        call_type: Any,  # noqa: ANN401 - LiteLLM's own signature
    ) -> dict[str, Any]:
        """LiteLLM calls this before it routes a request; raising ends the request."""
        _check_size(data, self._rules["request_bytes"])
        _check_fields(data, frozenset(self._rules["fields"]))
        _check_model(data)
        _check_task(data, _text(call_type), self._rules["tasks"])
        _check_stream(data)
        _check_numbers(data, _OUTPUT_TOKENS, self._rules["output_tokens"])
        _check_numbers(data, _CHOICES, self._rules["choices"])
        _check_prompts(data, self._rules["choices"])
        _check_tags(data, user_api_key_dict, frozenset(self._rules["routing_tags"]))
        return data

    async def async_filter_deployments(
        self,
        model: str,  # noqa: ARG002 - LiteLLM's own signature
        healthy_deployments: list[dict[str, Any]],
        messages: Any,  # noqa: ANN401, ARG002 - LiteLLM's own signature
        request_kwargs: dict[str, Any] | None = None,
        parent_otel_span: Any = None,  # noqa: ANN401, ARG002 - LiteLLM's own signature
    ) -> list[dict[str, Any]]:
        """LiteLLM calls this before each attempt, with what does not rest.

        Of what is left it would ask a model behind a tag for requests without any, too.
        """
        elsewhere = frozenset(self._rules["routing_tags"]) - _tags(request_kwargs or {})
        return [each for each in healthy_deployments if not elsewhere & _led_by(each)]


def _led_by(deployment: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_mapping(deployment.get("litellm_params")).get("tags") or ())


def _check_size(data: Mapping[str, Any], limit: int) -> None:
    headers = _mapping(_mapping(data.get("proxy_server_request")).get("headers"))
    said = str(headers.get("content-length", ""))
    size = int(said) if said.isdigit() else len(json.dumps(data, default=str))
    if size > limit:
        text = f"the request has {size} bytes, and {limit} are possible; send less at once"
        raise _refusal(text, None, 413)


def _check_fields(data: Mapping[str, Any], possible: frozenset[str]) -> None:
    """LiteLLM makes fields of some headers, too; of what carries credentials it notes the names."""
    noted = _mapping(data.get("proxy_server_request")).get("credential_fields") or ()
    asked = {name for name, value in _body(data).items() if value is not None}
    # A way around, to vLLM's routes that do not look for it.
    asked |= {"chat_template"} & _mapping(data.get("chat_template_kwargs")).keys()
    if strange := sorted({*asked, *noted} - possible):
        text = f"a request has no {' and no '.join(strange[:5])} here; leave that out"
        raise _refusal(text, strange[-1], 400)


def _check_model(data: Mapping[str, Any]) -> None:
    """One model, and the one that the key was asked for: LiteLLM prefers that of path or query."""
    asked, meant = _body(data).get("model"), data.get("model")
    if meant != asked:
        text = f"the model is {meant!r} beside the body and {asked!r} in it; name it in the body"
        raise _refusal(text, "model", 400)
    if "," in str(meant):
        raise _refusal(f"{meant!r} is several models; ask for one at a time", "model", 400)


def _check_task(data: Mapping[str, Any], call: str, tasks: Mapping[str, str]) -> None:
    """An engine without that route says 404, for which the model would rest, for everybody."""
    name = str(data.get("model"))
    if name in tasks and _TASKS.get(call) != tasks[name]:
        raise _refusal(f"{name!r} is for {tasks[name]} alone", "model", 400)


def _check_stream(data: Mapping[str, Any]) -> None:
    """Of "true" engines make a stream, and LiteLLM a failure, for which the model may rest."""
    if data.get("stream") is not None and not isinstance(data["stream"], bool):
        raise _refusal("stream is true or false, or left out", "stream", 400)


def _check_numbers(data: Mapping[str, Any], names: tuple[str, ...], limit: int) -> None:
    for name in names:
        value = data.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= limit:
            text = f"{name} is {value!r}, and a whole number from 1 to {limit} is possible here"
            raise _refusal(text, name, 400)


def _check_prompts(data: Mapping[str, Any], limit: int) -> None:
    """Each prompt of a list, texts or lists of tokens, is an answer of its own, `n` times."""
    prompts = data.get("prompt")
    if not isinstance(prompts, list) or all(isinstance(token, int) for token in prompts):
        return
    answers = len(cast("list[object]", prompts)) * (data.get("n") or 1)
    if answers > limit:
        text = f"the request has prompts for {answers} answers, and {limit} are possible at once"
        raise _refusal(text, "prompt", 400)


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


def _body(data: Mapping[str, Any]) -> dict[str, Any]:
    """The request as it came, and as LiteLLM noted it before it chose anything."""
    return _mapping(_mapping(data.get("proxy_server_request")).get("body"))


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
