"""The few calls that this package makes to the API server and to the health endpoints."""

import ssl
from types import TracebackType
from typing import Any, Self, cast

import httpx

from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.layout import Layout

_FIELD_MANAGER = "inference-embedded"
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_APPLY = "application/apply-patch+yaml"
_HEALTH_SECONDS = 1.0
_CALL_SECONDS = 120.0  # the largest definitions take 1 s; a busy machine may need far longer

Object = dict[str, Any]
"""A Kubernetes object as JSON; its shape is the API server's to check."""


class Api:
    """A client with the administrator's token and our own certificate; safe to use from threads."""

    def __init__(self, layout: Layout, server: str) -> None:
        context = ssl.create_default_context(cafile=str(layout.ca))
        context.load_cert_chain(layout.certificate, layout.key)
        token = layout.tokens.read_text().partition(",")[0]
        self._server = server
        self._authorization = {"Authorization": f"Bearer {token}"}
        # A proxy of the user's environment has no business between us and loopback.
        self._client = httpx.Client(verify=context, trust_env=False, timeout=_CALL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def is_healthy(self, url: str) -> bool:
        """Whether a health endpoint answers 200 within a second."""
        try:
            # The API server's health is open to everyone; the token stays where it belongs.
            return self._client.get(url, timeout=_HEALTH_SECONDS).is_success
        except httpx.HTTPError:
            return False

    def get(self, path: str, accept: str = "application/json") -> Object | None:
        """The object at a path; None when there is none.

        Raises:
            ControlPlaneError: The API server refused or did not answer.
        """
        response = self._call("GET", path, {"Accept": accept})
        return None if response.status_code == httpx.codes.NOT_FOUND.value else _content(response)

    def apply(self, path: str, body: str) -> None:
        """Server-side apply of one object, as YAML or JSON.

        Raises:
            ControlPlaneError: The API server refused it or did not answer.
        """
        query = f"{path}?fieldManager={_FIELD_MANAGER}&force=true"
        _content(self._call("PATCH", query, {"Content-Type": _APPLY}, body))

    def served(self) -> set[str]:
        """Everything that can be asked for, as `plural.group`."""
        discovery = self.get("/apis", _DISCOVERY) or {}
        return {
            f"{resource['resource']}.{group['metadata']['name']}"
            for group in cast("list[Object]", discovery.get("items", []))
            for version in group["versions"]
            for resource in version.get("resources", [])
        }

    def _call(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> httpx.Response:
        try:
            return self._client.request(
                method,
                f"{self._server}{path}",
                headers={**self._authorization, **headers},
                content=body,
            )
        except httpx.HTTPError as error:
            raise ControlPlaneError(f"The API server did not answer {path}: {error!r}.") from error


def _content(response: httpx.Response) -> Object:
    if not response.is_success:
        raise ControlPlaneError(
            f"The API server answered {response.status_code} to"
            f" {response.request.method} {response.request.url.path}: {response.text[:500]}"
        )
    return cast("Object", response.json())
