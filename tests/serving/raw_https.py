"""A client that sends a path exactly as it is written, to the host's name at a loopback port."""

import http.client
import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.serving.envoys import HOST, Proxy

_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        status: Its code.
        headers: Its headers, their names in lower case.
        body: Its body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def trusting(proxy: Proxy) -> ssl.SSLContext:
    """TLS that believes the proxy's certificate alone."""
    return ssl.create_default_context(cafile=proxy.certificate.pem)


@contextmanager
def connection(
    proxy: Proxy, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None, name: str = HOST
) -> Generator[http.client.HTTPSConnection]:
    """An open connection to the listener with TLS.

    Args:
        proxy: The proxy.
        source: Address of the client.
        tls: How to speak TLS.
        name: What to ask for in TLS.
    """
    there = ("127.0.0.1", proxy.ports["https"])
    plain = socket.create_connection(there, _TIMEOUT_SECONDS, source_address=(source, 0))
    opened = http.client.HTTPSConnection(HOST)
    try:
        opened.sock = (tls or trusting(proxy)).wrap_socket(plain, server_hostname=name)
        yield opened
    finally:
        opened.close()
        plain.close()


def send(
    opened: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    host: str = HOST,
) -> http.client.HTTPResponse:
    """Send a request, its path as it is, and read the head of the answer."""
    opened.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    said = {"Host": host, "Content-Length": str(len(body)), **(headers or {})}
    for header, value in said.items():
        opened.putheader(header, value)
    opened.endheaders(body or None)
    return opened.getresponse()


def ask(
    proxy: Proxy,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    source: str = "127.0.0.1",
    host: str = HOST,
) -> Reply:
    """One request on a connection of its own."""
    with connection(proxy, source=source) as opened:
        answer = send(opened, method, path, headers, body, host=host)
        found = {header.lower(): value for header, value in answer.getheaders()}
        return Reply(answer.status, found, answer.read())
