"""A hub on loopback that hands out whole files, and can do so as badly as a network does.

As on huggingface.co: large files by a redirect to a storage host (here another port, so another
host for an HTTP client), small ones by a redirect within the hub; ranges; errors by `X-Error-Code`.
"""

import contextlib
import hashlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

BLOCK = 1 << 16
LARGE = 1 << 16
"""Files from this size on are in large-file storage."""


def git_blob(content: bytes) -> str:
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class FileHub:
    """What the hub holds, how it behaves, and what it did.

    Attributes:
        source: The one model.
        revision: Its one commit.
        files: Contents by path.
        instead: Other contents that it sends for some of them.
        sizes: Other sizes that it lists for some of them.
        page: What it answers instead of the listing.
        refusals: Status, `X-Error-Code` and headers of the next answers, in order.
        refuses: The same for every answer.
        cuts: After how many bytes the next answers for large files break off, in order.
        ranges: Whether storage knows ranges.
        block_seconds: Pause after each block of 64 KiB.
        silent: Whether storage sends headers, then nothing.
        sent: Bytes sent of each path.
        starts: First byte of each answer of storage, by path.
        tokens: Authorization headers that the hub itself got.
        storage_tokens: Authorization headers that the storage host got.
        times: When each request came, in seconds of the monotonic clock.
    """

    source: str
    revision: str
    files: dict[str, bytes]
    instead: dict[str, bytes] = field(default_factory=dict[str, bytes])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    page: bytes | None = None
    refusals: list[tuple[int, dict[str, str]]] = field(
        default_factory=list[tuple[int, dict[str, str]]]
    )
    refuses: tuple[int, dict[str, str]] | None = None
    cuts: list[int] = field(default_factory=list[int])
    ranges: bool = True
    block_seconds: float = 0
    silent: bool = False
    sent: Counter[str] = field(default_factory=Counter[str])
    starts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    tokens: list[str | None] = field(default_factory=list[str | None])
    storage_tokens: list[str | None] = field(default_factory=list[str | None])
    times: list[float] = field(default_factory=list[float])
    endpoint: str = ""
    storage: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listing(self) -> bytes:
        siblings = [
            {"rfilename": path, "size": self.sizes.get(path, len(content))}
            | {"blobId": git_blob(content)}
            | ({"lfs": _lfs(content)} if len(content) >= LARGE else {})
            for path, content in self.files.items()
        ]
        return json.dumps({"id": self.source, "sha": self.revision, "siblings": siblings}).encode()


def _lfs(content: bytes) -> dict[str, object]:
    return {"sha256": sha256(content), "size": len(content), "pointerSize": 135}


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[FileHub]
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        # Little is on its way at any time, so that what was sent is about what was received.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK)

    def refuse(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing; the test reads what the hub did."""

    def send_content(self, path: str) -> None:
        hub = self.hub
        content = hub.instead.get(path, hub.files[path])
        asked = self.headers["Range"] if hub.ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        with hub.lock:
            hub.starts.setdefault(path, []).append(start)
            cut = hub.cuts.pop(0) if hub.cuts and len(content) >= LARGE else None
        if start >= len(content) and start:
            self.refuse(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client has gone
            self._send_blocks(path, content[start:], cut)

    def _send_blocks(self, path: str, content: bytes, cut: int | None) -> None:
        whole = content if cut is None else content[:cut]
        for position in range(0, 0 if self.hub.silent else len(whole), BLOCK):
            block = whole[position : position + BLOCK]
            self.wfile.write(block)
            with self.hub.lock:
                self.hub.sent[path] += len(block)
            time.sleep(self.hub.block_seconds)
        if self.hub.silent:
            time.sleep(1.5)
        if cut is not None or self.hub.silent:
            self.close_connection = True


class _Front(_Handler):
    def do_GET(self) -> None:
        hub = self.hub
        hub.times.append(time.monotonic())
        hub.tokens.append(self.headers["Authorization"])
        path = self.path.partition("?")[0].strip("/")
        resolve = f"{hub.source}/resolve/{hub.revision}/"
        cached = f"api/resolve-cache/models/{hub.source}/{hub.revision}/"
        if hub.refusals:
            self.refuse(*hub.refusals.pop(0))
        elif hub.refuses:
            self.refuse(*hub.refuses)
        elif path == f"api/models/{hub.source}/revision/{hub.revision}":
            body = hub.listing() if hub.page is None else hub.page
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif path.startswith(cached):
            self.send_content(path.removeprefix(cached))
        elif path.startswith(resolve):
            self._resolve(path.removeprefix(resolve))
        else:
            self.refuse(404, {"X-Error-Code": "RevisionNotFound"})

    def _resolve(self, path: str) -> None:
        hub, content = self.hub, self.hub.files.get(path)
        if content is None:
            self.refuse(404, {"X-Error-Code": "EntryNotFound"})
        elif len(content) >= LARGE:
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{sha256(content)}"'}
            place = {"Location": f"{hub.storage}/{path}?Signature=not-for-a-log"}
            self.refuse(302, place | linked | {"X-Repo-Commit": hub.revision})
        else:
            place = f"/api/resolve-cache/models/{hub.source}/{hub.revision}/{path}"
            self.refuse(307, {"Location": place, "X-Repo-Commit": hub.revision})


class _Storage(_Handler):
    def do_GET(self) -> None:
        self.hub.storage_tokens.append(self.headers["Authorization"])
        self.send_content(self.path.partition("?")[0].strip("/"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that was killed may leave a thread in its pause

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed mid-answer is what some tests are about."""


@contextlib.contextmanager
def serve_files(hub: FileHub) -> Generator[FileHub]:
    """Run the hub and its storage host on free loopback ports."""
    with contextlib.ExitStack() as stack:
        handlers: dict[str, type[_Handler]] = {"endpoint": _Front, "storage": _Storage}
        for name, handler in handlers.items():
            bound: type[_Handler] = type("_Bound", (handler,), {"hub": hub})
            server = stack.enter_context(_Server(("127.0.0.1", 0), bound))
            setattr(hub, name, f"http://127.0.0.1:{server.server_address[1]}")
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
            )
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield hub
