"""A small model hub on loopback that speaks the API as the library `huggingface_hub` calls it.

Answers follow huggingface.co: the listing of a revision with sizes and hashes, small files by a
redirect within the hub, weights by a redirect to a storage host, errors by `X-Error-Code`.
"""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

MODEL = "team/model"
FIRST, SECOND = "1" * 40, "2" * 40
TOKEN = "hf_secret"


@dataclass(frozen=True)
class Weights:
    """A file in large-file storage: it has a size and a hash, and its content is never sent."""

    size: int
    sha256: str


Content = bytes | Weights


def as_json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode()


def config(**changes: object) -> bytes:
    return as_json({"model_type": "llama", "num_hidden_layers": 2} | changes)


def index(*names: str, total: int = 300) -> bytes:
    places = {f"layer.{number}": name for number, name in enumerate(names)}
    return as_json({"metadata": {"total_size": total}, "weight_map": places})


def shards(count: int = 2, seed: str = "a") -> dict[str, Content]:
    """Shards of 200 bytes each and their index."""
    names = [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
    files: dict[str, Content] = {
        name: Weights(200, hashlib.sha256((seed + name).encode()).hexdigest()) for name in names
    }
    return {**files, "model.safetensors.index.json": index(*names)}


def repository(**changes: Content | None) -> dict[str, Content]:
    """A model's files; a change of None takes one away. `__` in a name stands for a dot."""
    files: dict[str, Content] = {
        ".gitattributes": b"*.safetensors filter=lfs\n",
        "README.md": b"# model\n",
        "config.json": config(),
        "tokenizer.json": b"{}",
        **shards(),
    }
    for name, content in changes.items():
        path = name.replace("__", ".")
        files.pop(path, None)
        if content is not None:
            files[path] = content
    return files


@dataclass(frozen=True)
class Asked:
    """One request that the hub got."""

    path: str
    authorization: str | None


@dataclass
class FakeHub:
    """What the hub holds and how it behaves.

    Attributes:
        commits: Files of each commit of `MODEL`.
        branches: Commit of each branch.
        card: Of the model, the head of its README.
        gated: None, or `auto`/`manual` as the hub says it.
        granted: Whether the account of `TOKEN` has accepted the licence.
        renamed: Id under which the model is found now.
        elsewhere: Address of another host that small files are redirected to.
        sent: Other contents than those listed.
        listing: Instead of the listing.
        status: Status it answers everything with.
        headers: Further headers of such an answer.
        failures: How many requests it refuses with 503 before it recovers.
        delay_seconds: How long it thinks before each answer.
        drip_seconds: Pause between the bytes of a small file; the listing comes at once.
        requests: What was asked, in order.
    """

    commits: dict[str, dict[str, Content]] = field(default_factory=dict[str, dict[str, Content]])
    branches: dict[str, str] = field(default_factory=lambda: {"main": FIRST})
    card: dict[str, object] = field(default_factory=lambda: {"license": "apache-2.0"})
    gated: str | None = None
    granted: bool = False
    renamed: str | None = None
    elsewhere: str | None = None
    sent: dict[str, bytes] = field(default_factory=dict[str, bytes])
    listing: bytes | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    failures: int = 0
    delay_seconds: float = 0
    drip_seconds: float = 0
    requests: list[Asked] = field(default_factory=list[Asked])
    endpoint: str = ""

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.requests]


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[FakeHub]

    def do_GET(self) -> None:
        hub, url = self.hub, urlsplit(self.path)
        hub.requests.append(Asked(self.path, self.headers["Authorization"]))
        time.sleep(hub.delay_seconds)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if hub.failures > 0:
            hub.failures -= 1
            self._answer(503)
        elif hub.status:
            self._answer(hub.status, headers=hub.headers)
        elif parts[:2] == ["api", "models"]:
            self._model("/".join(parts[2:4]), parts[5], blobs=bool(parse_qs(url.query)["blobs"]))
        elif parts[:2] == ["api", "resolve-cache"]:
            self._small(parts[5], "/".join(parts[6:]))
        else:
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))

    do_HEAD = do_GET  # noqa: N815  (the base's name)

    def _model(self, name: str, revision: str, *, blobs: bool) -> None:
        hub = self.hub
        if name == MODEL and hub.renamed:
            path = f"/api/models/{hub.renamed}/revision/{revision}?blobs=True"
            self._answer(307, headers={"Location": path})
        elif name != (hub.renamed or MODEL):
            self._answer(404 if self.headers["Authorization"] else 401, "RepoNotFound")
        elif hub.listing is not None:
            self._answer(200, body=hub.listing)
        elif (commit := hub.branches.get(revision, revision)) not in hub.commits:
            self._answer(404, "RevisionNotFound")
        else:
            assert blobs, "sizes and hashes are only listed with blobs"
            files = [_listed(path, content) for path, content in hub.commits[commit].items()]
            fields = {"id": name, "sha": commit, "gated": hub.gated or False, "cardData": hub.card}
            self._answer(200, body=as_json({**fields, "siblings": files}))

    def _resolve(self, name: str, commit: str, path: str) -> None:
        hub, content = self.hub, self.hub.commits[commit].get(path)
        if hub.gated and not (hub.granted and self._authorized()):
            self._answer(403 if self._authorized() else 401, "GatedRepo")
        elif content is None:
            self._answer(404, "EntryNotFound")
        elif isinstance(content, Weights):
            linked = {"X-Linked-Size": str(content.size), "X-Linked-Etag": content.sha256}
            self._answer(302, headers={"Location": f"{hub.endpoint}/storage/{path}", **linked})
        elif hub.elsewhere:
            self._answer(
                302, headers={"Location": f"{hub.elsewhere}/{name}/resolve/{commit}/{path}"}
            )
        else:
            cached = f"/api/resolve-cache/models/{name}/{commit}/{path}"
            self._answer(307, headers={"Location": cached, "X-Repo-Commit": commit})

    def _small(self, commit: str, path: str) -> None:
        content = self.hub.commits[commit][path]
        assert isinstance(content, bytes)
        body = self.hub.sent.get(path, content)
        if not self.hub.drip_seconds:
            self._answer(200, body=body)
            return
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has gone
            for byte in body:
                time.sleep(self.hub.drip_seconds)
                self.wfile.write(bytes([byte]))

    def _authorized(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {TOKEN}"

    def _answer(
        self,
        status: int,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        body: bytes = b"{}",
    ) -> None:
        self.send_response(status)
        for name, value in {**({"X-Error-Code": code} if code else {}), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has gone
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing; the test reads `requests`."""


def _listed(path: str, content: Content) -> dict[str, object]:
    """A file of the listing: git's hash, or that of large-file storage beside its pointer's."""
    if isinstance(content, Weights):
        lfs = {"sha256": content.sha256, "size": content.size, "pointerSize": 135}
        return {"rfilename": path, "size": content.size, "blobId": "c" * 40, "lfs": lfs}
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return {"rfilename": path, "size": len(content), "blobId": blob.hexdigest()}


@contextlib.contextmanager
def serve(hub: FakeHub) -> Generator[FakeHub]:
    """Run a hub on a free loopback port; its `endpoint` is filled in."""
    handler = type("_BoundHandler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
