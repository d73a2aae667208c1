"""A small registry that speaks the pull half of the OCI distribution API on loopback."""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def index(build: int = 1) -> bytes:
    """A multi-architecture index; each build has other bytes."""
    platforms = [
        {"mediaType": MANIFEST, "digest": f"sha256:{build:064x}", "size": 1000 + build}
        | {"platform": {"os": "linux", "architecture": architecture}}
        for architecture in ("amd64", "arm64")
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}).encode()


def manifest() -> bytes:
    """The manifest of a single platform."""
    blob = {"digest": "sha256:" + "0" * 64, "size": 1}
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": [blob]}
    return json.dumps(body).encode()


def digest_of(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


@dataclass
class Registry:
    """What the registry holds and how it behaves.

    Attributes:
        tags: Body of each `repository:tag`.
        token: Token it wants to see; None for open access.
        refuse_token: Whether its token service refuses anybody.
        basic_only: Whether it asks for a user name instead of offering tokens.
        redirect: Whether manifests are answered from another path.
        lie: Digest header instead of the true one.
        status: Status it answers everything with.
        headers: Further headers of such an answer.
        delay_seconds: How long it thinks before each answer.
        requests: Paths asked for, in order.
    """

    tags: dict[str, bytes] = field(default_factory=dict[str, bytes])
    token: str | None = None
    refuse_token: bool = False
    basic_only: bool = False
    redirect: bool = False
    lie: str | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay_seconds: float = 0
    requests: list[str] = field(default_factory=list[str])
    host: str = ""


class _Handler(BaseHTTPRequestHandler):
    registry: ClassVar[Registry]

    def do_GET(self) -> None:
        registry, url = self.registry, urlsplit(self.path)
        registry.requests.append(self.path)
        time.sleep(registry.delay_seconds)
        if url.path == "/token":
            self._token(parse_qs(url.query))
        elif registry.status:
            self._answer(registry.status, b"{}", registry.headers)
        elif registry.token and self.headers["Authorization"] != f"Bearer {registry.token}":
            self._challenge(url.path)
        elif registry.redirect and url.path.startswith("/v2/"):
            self._answer(307, b"", {"Location": "/mirror" + url.path.removeprefix("/v2")})
        else:
            self._manifest(url.path)

    def _token(self, query: dict[str, list[str]]) -> None:
        right = query == {"service": ["test"], "scope": ["repository:team/app:pull"]}
        if self.registry.refuse_token or not right:
            self._answer(403, b"{}")
        else:
            self._answer(200, json.dumps({"token": self.registry.token}).encode())

    def _challenge(self, path: str) -> None:
        scope = "repository:" + path.removeprefix("/v2/").partition("/manifests/")[0] + ":pull"
        offer = f'Bearer realm="http://{self.registry.host}/token",service="test",scope="{scope}"'
        basic = 'Basic realm="test"'
        header = basic if self.registry.basic_only else offer
        self._answer(401, b"{}", {"WWW-Authenticate": header})

    def _manifest(self, path: str) -> None:
        repository, _, tag = path.split("/", 2)[2].partition("/manifests/")
        body = self.registry.tags.get(f"{repository}:{tag}")
        if body is None:
            self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            return
        self._answer(200, body, {"Docker-Content-Digest": self.registry.lie or digest_of(body)})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # a client that timed out has gone
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing; the test reads `requests`."""


@contextlib.contextmanager
def serve(registry: Registry) -> Generator[Registry]:
    """Run a registry on a free loopback port; its `host` is filled in."""
    handler = type("_BoundHandler", (_Handler,), {"registry": registry})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        registry.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
