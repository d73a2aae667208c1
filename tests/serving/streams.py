"""A streaming chat client that knows a whole answer from a truncated one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass
class Answer:
    """What a stream brought.

    Attributes:
        text: The pieces of content in order.
        finish_reason: Why it ended, as the last choice says.
        completion_tokens: Tokens counted by the engine; None where no usage came.
        done: Whether the closing `[DONE]` arrived.
    """

    text: str = ""
    finish_reason: str | None = None
    completion_tokens: int | None = None
    done: bool = False


def chat(
    url: str,
    model: str,
    *,
    key: str | None = None,
    on_first_text: Callable[[], None] = lambda: None,
    **options: object,
) -> Answer:
    """Ask for a streamed chat completion and read it to its end.

    Args:
        url: The server, without a path.
        model: The model to ask for.
        key: Bearer key.
        on_first_text: Called once, when the first content has arrived.
        options: Further fields of the request.

    Raises:
        httpx.HTTPError: The request was refused or the stream broke.
    """
    request = {
        "model": model,
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        **options,
    }
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = Answer()
    with (
        # No TLS on loopback; loading the authorities takes a busy machine seconds.
        httpx.Client(timeout=120, trust_env=False, verify=False) as client,
        client.stream(
            "POST", f"{url}/v1/chat/completions", json=request, headers=headers
        ) as response,
    ):
        response.raise_for_status()
        for line in _lines(response):
            if line.startswith(b"data: "):
                had_text = bool(answer.text)
                _read_event(line.removeprefix(b"data: "), answer)
                if answer.text and not had_text:
                    on_first_text()
    return answer


def _lines(response: httpx.Response) -> Iterator[bytes]:
    """Lines of an event stream; httpx's own end at further characters, such as U+0085."""
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)
    yield rest


def _read_event(data: bytes, answer: Answer) -> None:
    if data == b"[DONE]":
        answer.done = True
        return
    event: dict[str, Any] = json.loads(data)
    assert "error" not in event, f"the stream carries an error: {data!r}"
    for choice in event.get("choices", []):
        answer.text += choice["delta"].get("content") or ""
        answer.finish_reason = choice.get("finish_reason") or answer.finish_reason
    if usage := event.get("usage"):
        answer.completion_tokens = usage["completion_tokens"]
