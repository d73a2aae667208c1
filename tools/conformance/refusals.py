"""Promises about what is refused, how, and in which form."""

from collections.abc import Mapping
from typing import Any

import httpx

from tools.conformance.check import Check, NotOfferedError, require
from tools.conformance.target import CHAT, Target

_FIELDS = ("message", "type", "param", "code")
_UNAUTHORIZED, _BAD, _FORBIDDEN, _ABSENT, _TOO_LARGE = 401, 400, 403, 404, 413
_UNKNOWN_MODEL = frozenset({_BAD, _FORBIDDEN, _ABSENT})
"""OpenAI says 404, LiteLLM 400, and 403 to a key that is for some models alone."""
_WRONG = "sk-no-key-of-this-deployment"
_MIB = 2**20


def refused(answer: httpx.Response, *statuses: int) -> None:
    """Hold a refusal against status and form.

    Args:
        answer: The answer.
        statuses: Any of these.

    Raises:
        BrokenPromiseError: It is another one, or not of OpenAI's form.
    """
    text = f"{answer.status_code} {answer.text[:200]}"
    require(answer.status_code in statuses, f"{text}, not {' or '.join(map(str, statuses))}")
    try:
        error: Mapping[str, Any] = answer.json()["error"]
        missing = [name for name in _FIELDS if name not in error]
    except (ValueError, KeyError, TypeError):
        require(holds=False, instead=f'no {{"error": {{...}}}}: {text}')
        return
    require(not missing, f"error lacks {', '.join(missing)}: {text}")
    require(bool(error["message"]), f"error says nothing: {text}")


def _with(target: Target, headers: Mapping[str, str]) -> httpx.Response:
    return target.ask("POST", CHAT, headers=headers, json=target.request())


def _no_key(target: Target) -> None:
    refused(_with(target, {}), _UNAUTHORIZED)


def _wrong_key(target: Target) -> None:
    refused(_with(target, {"Authorization": f"Bearer {_WRONG}"}), _UNAUTHORIZED)


def _malformed_key(target: Target) -> None:
    for value in ("Bearer", "Basic YTpi", _WRONG):
        refused(_with(target, {"Authorization": value}), _UNAUTHORIZED)


def _bad_json(target: Target) -> None:
    refused(target.ask("POST", CHAT, content=b'{"model": '), _BAD)


def _missing_field(target: Target) -> None:
    request = target.request()
    del request["messages"]
    refused(target.ask("POST", CHAT, json=request), _BAD)


def _unknown_model(target: Target) -> None:
    refused(target.chat(model="no-such-model"), *_UNKNOWN_MODEL)


def _long_prompt(target: Target) -> None:
    length = target.expected.model_len
    if length is None:
        raise NotOfferedError("the length of the model's context is not known (--file)")
    words = "one " * (length + 1)  # no tokenizer makes less than a token of a word and its blank
    refused(target.chat(messages=[{"role": "user", "content": words}], max_tokens=1), _BAD)


def _many_choices(target: Target) -> None:
    if target.expected.choices is None:
        raise NotOfferedError("no cap on n is known (--most-choices, or gateway.limits)")
    refused(target.chat(n=target.expected.choices + 1), _BAD)


def _many_tokens(target: Target) -> None:
    if target.expected.output_tokens is None:
        raise NotOfferedError("no cap on tokens is known (--most-output-tokens, or gateway.limits)")
    for name in ("max_tokens", "max_completion_tokens"):
        request = target.request()
        del request["max_tokens"]
        request[name] = target.expected.output_tokens + 1
        refused(target.ask("POST", CHAT, json=request), _BAD)


def _large_body(target: Target) -> None:
    if target.expected.request_mib is None:
        raise NotOfferedError("no cap on a body is known (--most-request-mib, or gateway.limits)")
    content = "x" * int(target.expected.request_mib * _MIB + 1)
    answer = target.chat(messages=[{"role": "user", "content": content}])
    # A proxy in front may refuse it too, in words of its own.
    require(answer.status_code in {_TOO_LARGE, _BAD}, f"{answer.status_code}, not 413 or 400")


def _wrong_value(target: Target) -> None:
    for fields in ({"temperature": 9}, {"top_p": -3}, {"max_tokens": -1}, {"temperature": "hot"}):
        answer = target.chat(**({"max_tokens": 4} | fields))
        require(answer.status_code == _BAD, f"{fields} gave {answer.status_code}, not 400")


REFUSALS = (
    Check("no-key", "without a key: 401, in OpenAI's form", _no_key),
    Check("wrong-key", "with a wrong key: 401, in OpenAI's form", _wrong_key),
    Check("malformed-key", "with a header that is no bearer key: 401", _malformed_key),
    Check("bad-json", "a body that is no JSON: 400, in OpenAI's form", _bad_json),
    Check("missing-field", "a request without messages: 400, in OpenAI's form", _missing_field),
    Check("unknown-model", "an unknown model: 400, 403 or 404, in OpenAI's form", _unknown_model),
    Check("long-prompt", "a prompt beyond the context: 400, in OpenAI's form", _long_prompt),
    Check("cap-choices", "n above its cap: 400", _many_choices),
    Check("cap-tokens", "max_tokens above its cap: 400", _many_tokens),
    Check("cap-body", "a body above its cap: 413 or 400", _large_body),
)
REFUSAL_FEATURES = (
    Check("values", "a parameter with an impossible value: 400", _wrong_value, feature=True),
)
