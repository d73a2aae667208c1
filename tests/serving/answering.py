"""What stands for the gateway behind a proxy: it records every request and answers at a pace."""

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

PACE = "x-test-pace"
"""Header of a request: seconds before each chunk of the answer, with commas between."""
BREAK = "x-test-break"
"""Header of a request that is read whole and never answered: the connection ends."""
TELL = "x-test-tell"
"""Header of a request: names of headers that the answer is to have, with commas between."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived.

    Attributes:
        method: Its method.
        path: Its path with the query, as on the wire.
        headers: Its headers, their names in lower case.
        length: Bytes of its body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    length: int


@dataclass
class Answering:
    """The running stand-in.

    Attributes:
        port: Where it listens on loopback.
        received: What has arrived, in order.
    """

    port: int = 0
    received: list[Request] = field(default_factory=list[Request])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ClassVar[Answering]

    def _answer(self) -> None:
        length = len(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.state.received.append(Request(self.command, self.path, headers, length))
        if BREAK in headers:
            self.close_connection = True
            return
        first, *others = [float(pause) for pause in headers.get(PACE, "0").split(",")]
        time.sleep(first)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name in filter(None, headers.get(TELL, "").split(",")):
            self.send_header(name, "told")
        self.end_headers()
        try:
            self._chunk(b"data: 0\n\n")
            for number, pause in enumerate(others, start=1):
                time.sleep(pause)
                self._chunk(f"data: {number}\n\n".encode())
            self._chunk(b"")
        except ConnectionError:
            self.close_connection = True  # the proxy has ended it, as some tests want

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _answer  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing; the test reads `received`."""


@contextmanager
def answering() -> Generator[Answering]:
    """Run the stand-in on a free loopback port."""
    state = Answering()
    handler = type("_BoundHandler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
