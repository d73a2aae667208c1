"""A collector of traces on loopback: it takes OTLP over HTTP; OpenTelemetry's own types read it."""

import base64
import gzip
import json
import subprocess
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.serving.processes import free_port

PATH = "/v1/traces"
_READ = """
import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
said = [ExportTraceServiceRequest.FromString(bytes.fromhex(line)) for line in sys.stdin]
print(json.dumps([MessageToDict(each) for each in said]))
"""
_SILENT_SECONDS = 60


@dataclass(frozen=True)
class Span:
    """One span.

    Attributes:
        trace: Id of its trace, in hexadecimal digits.
        service: Who sent it.
        name: What it is of.
        attributes: What it says, as text.
    """

    trace: str
    service: str
    name: str
    attributes: Mapping[str, str]


@dataclass
class Collector:
    """What was sent.

    Attributes:
        python: Interpreter with OpenTelemetry's types.
        port: Where it listens.
        bodies: Every request, as it came.
        speaks: While this is not set, nobody who sends anything gets an answer.
    """

    python: Path
    port: int = field(default_factory=free_port)
    bodies: list[bytes] = field(default_factory=list[bytes])
    speaks: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where spans go."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def raw(self) -> bytes:
        """Everything, in which text stands as it is."""
        return b"\n".join(self.bodies)

    def spans(self, trace: str) -> list[Span]:
        """Of one trace, in the order in which they came."""
        lines = "\n".join(body.hex() for body in self.bodies)
        done = subprocess.run(
            [self.python, "-c", _READ], input=lines, capture_output=True, text=True, check=True
        )
        found = [span for each in json.loads(done.stdout) for span in _spans(each)]
        return [span for span in found if span.trace == trace]


def _spans(said: Mapping[str, Any]) -> Generator[Span]:
    for resource in said.get("resourceSpans", ()):
        service = _attributes(resource["resource"]["attributes"])["service.name"]
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                trace = base64.b64decode(span["traceId"]).hex()
                yield Span(trace, service, span["name"], _attributes(span.get("attributes", ())))


def _attributes(listed: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {each["key"]: str(next(iter(each["value"].values()), "")) for each in listed}


@contextmanager
def collector(python: Path) -> Generator[Collector]:
    """Run one on loopback.

    Args:
        python: Interpreter with OpenTelemetry's types.
    """
    running = Collector(python)
    running.speaks.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == PATH
            packed = self.headers.get("Content-Encoding") == "gzip"
            running.bodies.append(gzip.decompress(body) if packed else body)
            if running.speaks.wait(_SILENT_SECONDS):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever sends has hung up, after it has waited in vain."""

    with Server(("127.0.0.1", running.port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield running
        finally:
            running.speaks.set()
            server.shutdown()
            thread.join()
