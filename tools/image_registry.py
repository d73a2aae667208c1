"""What a registry says a tag points at: the digest of an index or of one platform's manifest.

Plain httpx against the OCI distribution API rather than a library, because the point is to check
the digest against the bytes: oras 0.2.43 hands out parsed JSON only and sets no time-outs,
python-dxf has had no release since May 2025. Registries are read anonymously; every image of the
platform is public.
"""

import hashlib
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, cast
from urllib.request import parse_http_list, parse_keqv_list

import httpx

_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
TIMEOUT_SECONDS = 20.0
"""For each connection and each read; a manifest is a few kilobytes."""
_DOCKER_HUB = "registry-1.docker.io"
"""The name docker.io stands for; docker.io itself serves no registry."""

Kind = Literal["index", "manifest"]


class RegistryError(Exception):
    """A tag could not be resolved; the text is one sentence that says what to do."""


@dataclass(frozen=True)
class Resolved:
    """What a registry answered for one tag.

    Attributes:
        digest: SHA-256 of the manifest's bytes, with its `sha256:` prefix.
        kind: Whether it is an index or the manifest of one platform.
    """

    digest: str
    kind: Kind


def resolve(client: httpx.Client, repository: str, tag: str) -> Resolved:
    """Ask a registry what a tag points at.

    Args:
        client: The HTTP client; follows redirects.
        repository: Registry and repository, `ghcr.io/berriai/litellm`.
        tag: The tag.

    Raises:
        RegistryError: No network, no such tag, no access, or an answer that contradicts itself.
    """
    host, _, path = repository.partition("/")
    # As the container runtimes do: only a registry on loopback may be spoken to without TLS.
    scheme = "http" if host.split(":")[0] in {"localhost", "127.0.0.1"} else "https"
    server = _DOCKER_HUB if host == "docker.io" else host
    asked = f"{repository}:{tag}"
    try:
        url = f"{scheme}://{server}/v2/{path}/manifests/{tag}"
        answer = client.get(url, headers={"Accept": _ACCEPT})
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            token = _anonymous_token(client, answer, asked)
            answer = client.get(
                url, headers={"Accept": _ACCEPT, "Authorization": f"Bearer {token}"}
            )
    except httpx.TimeoutException as error:
        raise RegistryError(
            f"{host} did not answer for {asked} within {client.timeout.read:g} s; "
            f"check the network or a proxy (HTTPS_PROXY) and run it again."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RegistryError(
            f"{host} cannot be reached for {asked} ({error}); "
            f"check the network or a proxy (HTTPS_PROXY) and run it again."
        ) from error
    return _read_answer(answer, asked)


def _anonymous_token(client: httpx.Client, refused: httpx.Response, asked: str) -> str:
    """The token that registries hand to anybody for public repositories."""
    scheme, _, rest = refused.headers.get("WWW-Authenticate", "").partition(" ")
    challenge = parse_keqv_list([part for part in parse_http_list(rest) if "=" in part])
    if scheme.lower() != "bearer" or "realm" not in challenge:
        raise RegistryError(_no_access(refused, asked))
    query = {key: challenge[key] for key in ("service", "scope") if key in challenge}
    answer = client.get(challenge["realm"], params=query)
    if answer.status_code != HTTPStatus.OK:
        raise RegistryError(_no_access(answer, asked))
    body = _json_object(answer.content)
    token = body.get("token") or body.get("access_token")
    if not isinstance(token, str):
        raise RegistryError(_no_access(answer, asked))
    return token


def _host(asked: str) -> str:
    """The registry as the lock names it, wherever it redirected to."""
    return asked.partition("/")[0]


def _no_access(answer: httpx.Response, asked: str) -> str:
    return (
        f"{_host(asked)} gives no anonymous access to {asked} (HTTP {answer.status_code}); "
        f"check the repository's spelling, or use a public copy of the image."
    )


def _read_answer(answer: httpx.Response, asked: str) -> Resolved:
    """Turn the final answer to a manifest request into a digest, or into one sentence."""
    host = _host(asked)
    match answer.status_code:
        case HTTPStatus.OK:
            return _read_manifest(answer, asked)
        case HTTPStatus.NOT_FOUND:
            raise RegistryError(
                f"{host} has no {asked}; look the tag up there and name it with NAME=TAG."
            )
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise RegistryError(_no_access(answer, asked))
        case HTTPStatus.TOO_MANY_REQUESTS:
            wait = answer.headers.get("Retry-After")
            raise RegistryError(
                f"{host} allows no more requests for {asked} right now (HTTP 429); "
                f"run it again {f'after {wait} s' if wait else 'later'}."
            )
        case status:
            raise RegistryError(f"{host} answered HTTP {status} for {asked}; run it again later.")


def _read_manifest(answer: httpx.Response, asked: str) -> Resolved:
    host, body = _host(asked), answer.content
    manifest = _json_object(body)
    if "manifests" not in manifest and not {"config", "layers"} <= manifest.keys():
        raise RegistryError(
            f"{host} answered for {asked} with something that is not an image manifest "
            f"({answer.headers.get('Content-Type', 'no content type')}); check for a login page "
            f"or proxy in between."
        )
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    claimed = answer.headers.get("Docker-Content-Digest", digest)
    if claimed != digest:
        raise RegistryError(
            f"{host} says that {asked} is {claimed}, but its bytes are {digest}; trust neither "
            f"and look for a proxy that changes answers."
        )
    return Resolved(digest, "index" if "manifests" in manifest else "manifest")


def _json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object, empty where it is none."""
    try:
        value: object = json.loads(body)
    except ValueError:  # bad JSON and bad UTF-8 alike
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
