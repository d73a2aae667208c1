"""Promises about the count of tokens and about the key."""

from tools.conformance.check import Check, NotOfferedError, require
from tools.conformance.streams import stream
from tools.conformance.target import CHAT, Target

_KEYS = ("prompt_tokens", "completion_tokens", "total_tokens")
_UNAUTHORIZED = 401


def _sum(target: Target) -> None:
    prompt, completion, total = (target.chat().json()["usage"][key] for key in _KEYS)
    require(prompt > 0 and completion > 0, f"{prompt} tokens in, {completion} out")
    require(prompt + completion == total, f"{prompt} and {completion} are not {total}")


def _capped(target: Target) -> None:
    said = target.chat(max_tokens=3).json()
    count, reason = said["usage"]["completion_tokens"], said["choices"][0]["finish_reason"]
    require(count <= 3, f"{count} tokens, 3 were the most")  # noqa: PLR2004 - as asked above
    require(reason in {"length", "stop"}, f"finish reason {reason!r}")


def _same_streamed(target: Target) -> None:
    whole = target.chat().json()["usage"]
    (streamed,) = (each["usage"] for each in stream(target).chunks if each.get("usage"))
    for key in _KEYS:
        require(whole[key] == streamed[key], f"{key} {whole[key]}, streamed {streamed[key]}")


def _in_query(target: Target) -> None:
    if not target.key_in_query:
        raise NotOfferedError("it would stand in access logs; --key-in-query tries it")
    for name in ("api_key", "key"):
        path = f"{CHAT}?{name}={target.endpoint.key}"
        answer = target.ask("POST", path, headers={}, json=target.request())
        require(answer.status_code == _UNAUTHORIZED, f"?{name}= gave {answer.status_code}")


def _not_told(target: Target) -> None:
    require(not target.leaks, f"it stands in {', '.join(sorted(set(target.leaks)))}")


ACCOUNTS = (
    Check("usage-sum", "tokens in and out are counted, and add up", _sum),
    Check("usage-cap", "max_tokens holds, and is why an answer ends", _capped),
    Check("usage-stream", "a streamed answer counts as the whole one does", _same_streamed),
    Check("key-query", "a key in the query is no key: 401", _in_query),
)
LAST = (Check("key-told", "no answer above had the key in a header or a body", _not_told),)
"""Looks at the answers to all others."""
