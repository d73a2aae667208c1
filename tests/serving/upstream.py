"""A stand-in for the engines behind the gateway: it records what arrives and streams an answer."""

import json
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from uuid import uuid4

WORDS = ("one ", "two ", "three ", "four")
_HOLD_SECONDS = 60


@dataclass(frozen=True)
class Received:
    """One request as it arrived.

    Attributes:
        path: Its path.
        body: Its JSON.
    """

    path: str
    body: Mapping[str, Any]


@dataclass
class Upstream:
    """The running stand-in.

    Attributes:
        url: Where it listens, without a path.
        received: What has arrived, in order.
        go_on: A stream waits halfway until this is set.
        refusals: Status and message with which a model refuses whatever it is asked.
        dies: While this is set, a stream ends halfway as that of an engine that is killed.
        seconds_a_word: How long it takes for each word.
    """

    url: str = ""
    received: list[Received] = field(default_factory=list[Received])
    go_on: threading.Event = field(default_factory=threading.Event)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    dies: threading.Event = field(default_factory=threading.Event)
    seconds_a_word: float = 0.0


class _Handler(BaseHTTPRequestHandler):
    upstream: ClassVar[Upstream]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.upstream.received.append(Received(self.path, body))
        answers = {
            "/v1/chat/completions": ("text/event-stream", _openai_chunks),
            "/api/chat": ("application/x-ndjson", _ollama_chunks),
        }
        if self.path not in answers:
            self.send_error(404)
            return
        if refusal := self.upstream.refusals.get(body["model"]):
            self._refuse(*refusal)
            return
        content_type, chunks = answers[self.path]
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        # Chunk by chunk, as the engines do: only so is an end told from a connection that broke.
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, chunk in enumerate(chunks(body["model"])):
            if number == len(WORDS) // 2:
                self.upstream.go_on.wait(_HOLD_SECONDS)
                if self.upstream.dies.is_set():
                    self.close_connection = True
                    return
            time.sleep(self.upstream.seconds_a_word)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, status: int, message: str) -> None:
        """An error in vLLM's form."""
        error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
        text = json.dumps({"error": error}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing; the test reads `received`."""


def _openai_chunks(model: str) -> Iterator[bytes]:
    """Server-sent events as vLLM sends them, each answer under an id of its own: LiteLLM logs a
    second answer with an id that it has seen as none at all."""
    name = f"chatcmpl-{uuid4().hex}"
    for number, word in enumerate(WORDS):
        last = number == len(WORDS) - 1
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": word},
            "finish_reason": "stop" if last else None,
        }
        event = {
            "id": name,
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": [choice],
        }
        yield f"data: {json.dumps(event)}\n\n".encode()
    yield b"data: [DONE]\n\n"


def _ollama_chunks(model: str) -> Iterator[bytes]:
    """JSON lines as Ollama sends them."""
    for number, word in enumerate(WORDS):
        last = number == len(WORDS) - 1
        event: dict[str, Any] = {
            "model": model,
            "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": word},
            "done": last,
        }
        if last:
            event |= {"done_reason": "stop", "prompt_eval_count": 1, "eval_count": len(WORDS)}
        yield json.dumps(event).encode() + b"\n"


@contextmanager
def upstream() -> Generator[Upstream]:
    """Run the stand-in on a free loopback port."""
    state = Upstream()
    handler = type("_BoundHandler", (_Handler,), {"upstream": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            state.go_on.set()
            server.shutdown()
            thread.join()
