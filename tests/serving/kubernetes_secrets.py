"""A stand-in for the Kubernetes API, as far as Secrets go, over HTTPS; the cluster tests ask the
real one."""

import base64
import datetime
import ipaddress
import json
import re
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMESPACE = "akko"
_BEARER = "bearer-of-the-pod"
_PATH = re.compile(rf"/api/v1/namespaces/{NAMESPACE}/secrets/([a-z0-9-]+)")


@dataclass
class SecretStore:
    """The running stand-in.

    Attributes:
        account: Folder as Kubernetes mounts it for a ServiceAccount.
        port: Where it listens.
        secrets: What Secrets hold, decoded; those that are not here are not there.
        ever: Every value that was ever written.
    """

    account: Path
    port: int = 0
    secrets: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    versions: dict[str, int] = field(default_factory=dict[str, int])
    ever: set[str] = field(default_factory=set[str])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, *names: str) -> None:
        """Empty Secrets where there are none, as a deployment does."""
        for name in names:
            self.secrets.setdefault(name, {})

    def key(self, name: str) -> str:
        """What an account's Secret holds."""
        return self.secrets[name]["api-key"]

    def patch(self, name: str, body: Any) -> bool:  # noqa: ANN401 - JSON
        """A merge patch; False where it was made for another version."""
        if body["metadata"]["resourceVersion"] != str(self.versions.get(name, 1)):
            return False
        for key, value in body["data"].items():
            if value is None:
                self.secrets[name].pop(key, None)
            else:
                self.secrets[name][key] = base64.b64decode(value).decode()
                self.ever.add(self.secrets[name][key])
        self.versions[name] = self.versions.get(name, 1) + 1
        return True


class _Handler(BaseHTTPRequestHandler):
    store: ClassVar[SecretStore]

    def do_GET(self) -> None:
        self._answer(None)

    def do_PATCH(self) -> None:
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:  # noqa: ANN401 - JSON
        found = _PATH.fullmatch(self.path)
        name = found.group(1) if found else ""
        with self.store.lock:
            if self.headers["Authorization"] != f"Bearer {_BEARER}":
                self.send_error(401)
            elif name not in self.store.secrets:
                self.send_error(404)
            elif body is not None and not self.store.patch(name, body):
                self.send_error(409)
            else:
                self._send(name)

    def _send(self, name: str) -> None:
        held = self.store.secrets[name].items()
        answer = {
            "metadata": {"name": name, "resourceVersion": str(self.store.versions.get(name, 1))},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in held},
        }
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing."""


@contextmanager
def secret_store(folder: Path) -> Generator[SecretStore]:
    """Run the stand-in.

    Args:
        folder: Empty folder for the account's files.
    """
    store = SecretStore(folder)
    context = _certified(folder)
    (folder / "token").write_text(_BEARER, encoding="utf-8")
    (folder / "namespace").write_text(NAMESPACE, encoding="utf-8")
    handler = type("Handler", (_Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certified(folder: Path) -> ssl.SSLContext:
    """A certificate for loopback, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", folder / "key.pem")
    return context
