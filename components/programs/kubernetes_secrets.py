"""Secrets over the Kubernetes API, with the token of the pod's ServiceAccount: read and patched."""

import base64
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from components.programs.gateway_wanted import StateError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a ServiceAccount's token, namespace and the API server's CA."""
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Secret:
    """A Secret as it was read; `version` changes with every write by anybody."""

    name: str
    version: str
    data: Mapping[str, str]

    def __repr__(self) -> str:
        """Without its contents."""
        return f"Secret({self.name!r})"


class Secrets:
    """Secrets of one namespace.

    Raises:
        StateError: The account's files are not there, so this is no pod with a token.
    """

    def __init__(self, account: Path = ACCOUNT, server: str | None = None) -> None:
        self._account = account
        host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
        host = f"[{host}]" if ":" in host else host
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        self._server = server or f"https://{host}:{port}"
        try:
            self._namespace = (account / "namespace").read_text(encoding="utf-8").strip()
            self._context = ssl.create_default_context(cafile=str(account / "ca.crt"))
        except OSError as error:
            raise StateError(
                f"{account} has no ServiceAccount to write Secrets with: {error.strerror}"
            ) from None

    def read(self, name: str) -> Secret:
        """One Secret.

        Raises:
            StateError: It is not there, or may not be read.
        """
        return _secret(name, self._call("GET", name, None))

    def write(self, secret: Secret, data: Mapping[str, str | None]) -> Secret:
        """Set some keys of a Secret, None to remove one, if nobody has written since it was read.

        Raises:
            StateError: Somebody has, or it may not be written.
        """
        coded = {
            name: None if value is None else base64.b64encode(value.encode()).decode()
            for name, value in data.items()
        }
        body = {"metadata": {"resourceVersion": secret.version}, "data": coded}
        return _secret(secret.name, self._call("PATCH", secret.name, body))

    def _call(self, method: str, name: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        # The token is short-lived and renewed in place, so it is read for each request.
        bearer = (self._account / "token").read_text(encoding="utf-8").strip()
        request = urllib.request.Request(
            f"{self._server}/api/v1/namespaces/{self._namespace}/secrets/{name}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {bearer}",
                "Content-Type": "application/merge-patch+json",
            },
        )
        try:
            with urllib.request.urlopen(
                request, timeout=_TIMEOUT_SECONDS, context=self._context
            ) as answer:
                return cast("Mapping[str, Any]", json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            error.close()  # it is an open answer
            raise StateError(f"Secret {name}: {_REASONS.get(error.code, error.code)}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise StateError(f"Secret {name}: the API server did not answer: {reason}") from None


_REASONS = {
    401: "the API server does not know this pod's token",
    403: "this pod's account may not read or write it, see its Role",
    404: "it is not there: deploy the stack again, which makes it empty",
    409: "somebody else has written it meanwhile; the next run goes on from there",
}


def _secret(name: str, found: Mapping[str, Any]) -> Secret:
    data = cast("Mapping[str, str]", found.get("data") or {})
    return Secret(
        name=name,
        version=str(found["metadata"]["resourceVersion"]),
        data={key: base64.b64decode(value).decode() for key, value in data.items()},
    )
