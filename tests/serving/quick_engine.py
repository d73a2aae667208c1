"""An engine that answers at once, as vLLM words it: whatever time passes is its caller's.

A process of its own, so that it takes no turns from who measures; it needs the standard library
alone. `python quick_engine.py PORT`.
"""

import asyncio
import contextlib
import json
import re
import sys
from typing import Any
from uuid import uuid4

TOKENS = 64
"""Of each answer; a stream brings each in a chunk of its own."""
_PROMPT_TOKENS = 16
_WORD = "word "
_CHAT = "/chat/completions"


def _usage() -> dict[str, int]:
    both = _PROMPT_TOKENS + TOKENS
    return {"prompt_tokens": _PROMPT_TOKENS, "completion_tokens": TOKENS, "total_tokens": both}


def _frame(model: str, kind: str, choices: list[dict[str, Any]], **more: object) -> bytes:
    """One object; its id is new each time, for LiteLLM logs no second answer under the same."""
    frame = {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": 1, "model": model}
    return json.dumps({**frame, "choices": choices, **more}).encode()


def _whole(model: str) -> bytes:
    message = {"role": "assistant", "content": _WORD * TOKENS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _frame(model, "chat.completion", [choice], usage=_usage())


def _events(model: str) -> list[bytes]:
    kind = "chat.completion.chunk"
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": _WORD}]
    deltas += [{"content": _WORD}] * (TOKENS - 1)
    ends = [None] * (TOKENS - 1) + ["stop"]
    frames = [
        _frame(model, kind, [{"index": 0, "delta": delta, "finish_reason": end}])
        for delta, end in zip(deltas, ends, strict=True)
    ]
    return [b"data: %b\n\n" % data for data in (*frames, _frame(model, kind, [], usage=_usage()))]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection with one request after another."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = re.search(r"^content-length: *(\d+)", head, flags=re.MULTILINE)
            sent = await reader.readexactly(int(length.group(1)) if length else 0)
            body: dict[str, Any] = json.loads(sent) if _CHAT in head else {}
            if body.get("stream"):
                await _stream(writer, body["model"])
            else:
                _send(writer, _whole(body["model"]) if body else b"{}")
            await writer.drain()
    writer.close()


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    writer.write(start + b"content-length: %d\r\n\r\n%b" % (len(data), data))


async def _stream(writer: asyncio.StreamWriter, model: str) -> None:
    start = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    writer.write(start + b"transfer-encoding: chunked\r\n\r\n")
    for event in (*_events(model), b"data: [DONE]\n\n"):
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(0)  # the others' turn: a chunk a write
    writer.write(b"0\r\n\r\n")


async def _serve(port: int) -> None:
    async with await asyncio.start_server(_answer, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
