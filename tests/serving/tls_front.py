"""TLS before a server of loopback that speaks none, as a cloud's stores have it."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.serving.processes import free_port

LOOPBACK = "127.0.0.1"
_SECONDS = 30
_LIFE = datetime.timedelta(days=1)
_PIECE_BYTES = 65_536


class Authority:
    """Signs certificates; clients trust it by a file.

    Attributes:
        file: Its own certificate.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file.stem)])
        own = (
            self._begun(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def certificate(self, address: str) -> Path:
        """A file with a certificate of an address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
        shown = (
            self._begun(name, key.public_key())
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        file = self.file.with_name(f"{self.file.stem}-{address}.pem")
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(shown.public_bytes(serialization.Encoding.PEM) + secret)
        return file

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _LIFE)
            .not_valid_after(now + _LIFE)
        )


@dataclass
class TlsFront:
    """A port of loopback that speaks TLS; what is behind it does not.

    Attributes:
        behind: Port of what is behind it.
        authority: Who clients trust.
        port: Its own.
    """

    behind: int
    authority: Authority
    port: int = field(default_factory=free_port)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    def show(self, certificate: Path) -> None:
        """Show a certificate from now on; every connection ends."""
        self.run(self._listen(certificate))

    def run(self, what: Coroutine[Any, Any, None]) -> None:
        """Do something where the connections are."""
        asyncio.run_coroutine_threadsafe(what, self._loop).result(_SECONDS)

    def loop(self) -> None:
        """Serve until it is ended."""
        self._loop.run_forever()
        self._loop.close()

    async def end(self) -> None:
        """No port and no connection is left."""
        await self._hang_up()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop.call_soon(self._loop.stop)

    async def _listen(self, certificate: Path) -> None:
        await self._hang_up()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server = await asyncio.start_server(self._passed, LOOPBACK, self.port, ssl=context)

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):  # nobody is behind it, or somebody hung up
                there_reads, there_writes = await asyncio.open_connection(LOOPBACK, self.behind)
                ways = (_carried(reader, there_writes), _carried(there_reads, writer))
                await asyncio.gather(*ways)
        finally:
            writer.transport.abort()
            self._open.discard(writer)


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction of a connection; its end is the end of both."""
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE_BYTES):
                writer.write(data)
                await writer.drain()
    finally:
        writer.transport.abort()


@contextmanager
def tls_front(behind: int, folder: Path) -> Generator[TlsFront]:
    """Run one with a certificate that its clients can trust.

    Args:
        behind: Port of what is behind it.
        folder: For certificates.
    """
    front = TlsFront(behind, Authority(folder / "authority.pem"))
    thread = threading.Thread(target=front.loop, daemon=True)
    thread.start()
    try:
        front.show(front.authority.certificate(LOOPBACK))
        yield front
    finally:
        front.run(front.end())
        thread.join(_SECONDS)
