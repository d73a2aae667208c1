"""A gateway that keeps the contract, but for the faults that it is told to have.

`faults.FAULTS` names, for each check, every way in which this gateway can break it.
"""

import json
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

KEY, MODEL, EMBEDDER, FURTHER = "sk-of-a-tenant", "akko-coder", "akko-embed", "akko-chat"
MODEL_LEN, MOST_TOKENS, MOST_CHOICES, MOST_MIB = 5000, 4096, 4, 1.0
_PACE_SECONDS = 0.001

Json = dict[str, Any]


class RefusedError(Exception):
    """A request is refused: status and message."""


def _tokens(request: Json) -> int:
    return request.get("max_tokens") or request.get("max_completion_tokens") or 16


class Handler(BaseHTTPRequestHandler):
    """One request after the other."""

    protocol_version = "HTTP/1.1"
    faults: ClassVar[frozenset[str]]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _has(self, fault: str) -> bool:
        return fault in self.faults

    def _answer(self, body: bytes) -> None:
        try:
            self._route(self.path.partition("?")[0], body)
        except RefusedError as refused:
            status, message = refused.args
            error = {"message": message, "type": "t", "param": None, "code": str(status)}
            if self._has("error-without-code"):
                del error["code"]
            self._send(message if self._has("error-is-text") else {"error": error}, status)

    def _route(self, path: str, body: bytes) -> None:
        if path.startswith(("/key", "/model/", "/team", "/config")):
            self._administrate()
            return
        if path not in {"/v1/models", *(f"/v1/{kind}" for kind in _ROUTES)}:
            self._send({"detail": "Not Found"}, 200 if self._has("unknown-200") else 404)
            return
        self._authorize()
        if path == "/v1/models":
            self._list()
        elif path == "/v1/chat/completions":
            self._chat(self._checked(body))
        else:
            self._other(path, json.loads(body))

    def _administrate(self) -> None:
        if self._has("admin-open-to-all") or (
            self._has("admin-open") and "Authorization" in self.headers
        ):
            self._send({}, 422)
        else:
            raise RefusedError(403 if self._has("admin-routed") else 404, "refused")

    def _authorize(self) -> None:
        shown = self.headers.get("Authorization", "")
        scheme, _, key = shown.partition(" ")
        good = shown == f"Bearer {KEY}" or any(
            (
                self._has("key-not-needed") and not shown,
                self._has("key-any") and scheme == "Bearer" and key,
                self._has("key-of-any-scheme") and shown and scheme != "Bearer",
                self._has("key-in-query") and KEY in self.path,
            )
        )
        if not good:
            raise RefusedError(400 if self._has("key-400") and shown else 401, "no such key")

    def _list(self) -> None:
        names = [MODEL, EMBEDDER, FURTHER]
        names = names[1:] if self._has("models-missing") else names
        names += [MODEL] if self._has("models-twice") else []
        names += ["forgotten"] if self._has("models-further") else []
        entries = [{"id": name, "object": "model"} for name in names]
        self._send({"object": "list", "data": entries})

    def _checked(self, body: bytes) -> Json:
        try:
            request: Json = json.loads(body)
        except ValueError as error:
            raise RefusedError(500 if self._has("json-500") else 400, "no JSON") from error
        if "messages" not in request:
            raise RefusedError(500 if self._has("messages-500") else 400, "no messages")
        if request["model"] not in {MODEL, FURTHER} and not self._has("model-any"):
            raise RefusedError(404, "no such model")
        if len(body) > MOST_MIB * 2**20 and not self._has("body-any"):
            raise RefusedError(413, "too large")
        prompt: str = request["messages"][0]["content"]
        if len(prompt.split()) > MODEL_LEN and not self._has("prompt-cut"):
            raise RefusedError(400, "too long")
        self._check_values(request)
        return request

    def _check_values(self, request: Json) -> None:
        for name in ("max_tokens", "max_completion_tokens"):
            if request.get(name, 0) > MOST_TOKENS and not self._has(f"{name}-any"):
                raise RefusedError(400, "too many tokens")
        if request.get("n", 1) > MOST_CHOICES and not self._has("n-any"):
            raise RefusedError(400, "too many choices")
        fine = request.get("temperature") in (0, 1, None) and request.get("top_p", 1) >= 0
        if not (fine and _tokens(request) > 0) and not self._has("values-any"):
            raise RefusedError(400, "impossible")
        refused = {"presence_penalty": "penalties", "logit_bias": "bias", "tools": "tools"}
        for name, fault in refused.items():
            if name in request and self._has(f"{fault}-400"):
                raise RefusedError(400, f"no {name}")

    def _usage(self, tokens: int) -> Json:
        total = 5 + tokens + (1 if self._has("usage-off") else 0)
        return {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": total}

    def _chat(self, request: Json) -> None:
        if self._has("chat-500"):
            raise RefusedError(500, "the engine is gone")
        count = _tokens(request) * (2 if self._has("max_tokens-ignored") else 1)
        if request.get("stream"):
            self._stream(count)
            return
        message: Json = {"role": "assistant", "content": "x" * count}
        if "response_format" in request and not self._has("json-ignored"):
            message["content"] = "{}"
        if "tools" in request and not self._has("tools-ignored"):
            message["tool_calls"] = [{"function": {"name": "get_weather", "arguments": "{}"}}]
        choice: Json = {"index": 0, "message": message, "finish_reason": "length"}
        if "logprobs" in request and not self._has("logprobs-none"):
            choice["logprobs"] = {"content": [{}]}
        copies = 1 if self._has("choices-one") else request.get("n", 1)
        answer = {
            "object": "x" if self._has("chat-object") else "chat.completion",
            "model": "Qwen/Qwen2.5" if self._has("engines-name") else MODEL,
            "choices": [choice] * copies,
            "usage": self._usage(count),
            **({} if self._has("fingerprint-none") else {"system_fingerprint": "stub"}),
        }
        self._send({**answer, "asked": KEY} if self._has("key-in-body") else answer)

    def _other(self, path: str, request: Json) -> None:
        if path == "/v1/completions":
            status = 404 if self._has("completions-404") else 200
            self._send({"object": "text_completion", "choices": [{"text": "x"}]}, status)
            return
        if request["model"] != EMBEDDER:
            raise RefusedError(404, "no such model")
        texts = request["input"][:1] if self._has("embeddings-one") else request["input"]
        vectors = [{"index": place, "embedding": [0.1]} for place, _ in enumerate(texts)]
        self._send({"object": "list", "data": vectors})

    def _lines(self, count: int) -> Iterator[str]:
        yield from self._chunks(count)
        yield from [] if self._has("done-none") else ["data: [DONE]"]
        yield from [self._chunk({})] if self._has("done-early") else []

    def _chunks(self, count: int) -> Iterator[str]:
        if self._has("chunk-none"):
            return
        role = {} if self._has("role-none") or self._has("role-late") else {"role": "assistant"}
        yield self._chunk({"role": "user"} if self._has("role-user") else role)
        yield from ["event: message"] if self._has("stream-has-events") else [": a comment"]
        for place in range(count):
            late = {"role": "assistant"} if self._has("role-late") and not place else {}
            yield self._chunk({"content": "x", **late}, place)
        ends = 0 if self._has("finish-none") else 2 if self._has("finish-twice") else 1
        reason = "abort" if self._has("finish-abort") else "length"
        for _ in range(ends):
            yield self._chunk({}, reason=reason)
        more = 1 if self._has("usage-streamed-more") else 0
        usages = 0 if self._has("usage-none") else 2 if self._has("usage-twice") else 1
        for _ in range(usages):
            yield self._chunk({}, usage=self._usage(count + more))

    def _chunk(
        self, delta: Json, place: int = 0, *, reason: str | None = None, usage: Json | None = None
    ) -> str:
        chunk = {
            "id": f"chatcmpl-{place if self._has('ids') else 0}",
            "object": "x" if self._has("chunk-object") else "chat.completion.chunk",
            "model": "Qwen/Qwen2.5" if self._has("chunk-model") else MODEL,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            **({"usage": usage} if usage else {}),
        }
        return f"data: {json.dumps(chunk)}"

    def _stream(self, count: int) -> None:
        self.send_response(200)
        kind = "application/json" if self._has("stream-is-json") else "text/event-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        kept = b""
        for line in self._lines(count):
            time.sleep(_PACE_SECONDS)
            kept += f"{line}\n\n".encode()
            if not self._has("buffered"):
                self._write(kept)
                kept = b""
            if self._has("cut") and line.endswith("[DONE]"):
                self.close_connection = True  # without the chunk that ends the answer
                return
        self._write(kept) if kept else None
        self._write(b"")

    def _write(self, part: bytes) -> None:
        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.flush()

    def _send(self, value: object, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self._has("key-in-header"):
            self.send_header("X-Asked-By", self.headers.get("Authorization", ""))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


_ROUTES = ("chat/completions", "completions", "embeddings")


@contextmanager
def gateway(*faults: str) -> Generator[str]:
    """Run it; gives its address without a path.

    Args:
        faults: What it does otherwise, of `FAULTS`.
    """
    handler = type("Bound", (Handler,), {"faults": frozenset(faults)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
