"""Ollama's registry on loopback: a proxy that answers for registry.ollama.ai from a folder.

Ollama asks the registry that its names stand for, over TLS. HTTPS_PROXY leads it here, and the
certificate of this registry is the only one that it is given to trust.
"""

import ssl
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_HOST = "registry.ollama.ai"
_FILES = "files.registry.ollama.ai"
"""Another host, because Ollama takes the parts of a file from where it is sent to."""


@dataclass
class Registry:
    """A running registry.

    Attributes:
        environment: What Ollama needs to find and trust it.
        tags: Files of manifests by `name:tag`; a test may move a tag.
        asked: Paths that were asked for.
    """

    environment: Mapping[str, str]
    tags: dict[str, Path]
    asked: list[str]


class _Server(ThreadingHTTPServer):
    """What the answers are made of."""

    def __init__(
        self, store: Path, tags: dict[str, Path], asked: list[str], context: ssl.SSLContext
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.store, self.tags, self.asked, self.context = store, tags, asked, context


class _Answers(BaseHTTPRequestHandler):
    """First the proxy; behind its CONNECT, and TLS, the registry and its store of files."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - narrower than the base's

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        with self.server.context.wrap_socket(self.connection, server_side=True) as secured:
            _Answers(secured, self.client_address, self.server)
        self.close_connection = True

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.asked.append(self.path)
        *_, name, kind, last = ("", "", *self.path.split("/"))
        if body and kind == "blobs":  # the registry sends everybody to its store of files
            self.send_response(307)
            self.send_header("Location", f"https://{_FILES}/{last}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        tagged = kind == "manifests"
        file = self.server.tags[f"{name}:{last}"] if tagged else _blob(self.server.store, last)
        self._send(file.read_bytes(), body=body)

    def _send(self, content: bytes, *, body: bool) -> None:
        asked_for = self.headers.get("Range", "bytes=0-").removeprefix("bytes=")
        begin, _, end = asked_for.partition("-")
        part = content[int(begin) : int(end) + 1 if end else None]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if body:
            self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@contextmanager
def registry(store: Path, sources: tuple[str, ...], folder: Path) -> Generator[Registry]:
    """Serve models of a store.

    Args:
        store: What OLLAMA_MODELS named when they were made.
        sources: Which models, by `name:tag`.
        folder: Where certificate and key go.
    """
    certificate = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    tags = {source: manifest_of(store, source) for source in sources}
    asked: list[str] = []
    server = _Server(store, tags, asked, context)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        # The certificate's path is not moved below a folder: it is not the container's.
        yield Registry({"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(certificate)}, tags, asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def manifest_of(store: Path, source: str) -> Path:
    """The file of a model's manifest, where releases before manifests-v2 keep it."""
    name, _, tag = source.partition(":")
    return store / "manifests" / _HOST / "library" / name / tag


def _blob(store: Path, digest: str) -> Path:
    return store / "blobs" / digest.replace(":", "-")


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(_HOST), x509.DNSName(_FILES)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "registry.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
