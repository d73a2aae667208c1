"""LiteLLM's administration over HTTP, and a chat of which only the verdict counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.serving.processes import Server

_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Admin:
    """One replica, asked with one key.

    Attributes:
        server: The replica.
        key: Whose requests these are.
    """

    server: Server
    key: str

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """Change something.

        Args:
            path: The route.
            body: Its fields.

        Raises:
            httpx.HTTPStatusError: It was refused.
        """
        answer = self._ask("POST", path, body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        changed: dict[str, Any] = answer.json()
        return changed

    def refused(self, path: str, **body: object) -> tuple[int, str]:
        """Status and text of a change that is expected to be refused."""
        answer = self._ask("POST", path, body)
        assert answer.is_error, f"{path} was accepted: {answer.text}"
        return answer.status_code, answer.text

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read something.

        Args:
            path: The route.
            query: Its parameters.
        """
        answer = self._ask("GET", path, None, query)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        read: dict[str, Any] = answer.json()
        return read

    def chat_status(self, model: str) -> int:
        """HTTP status of a chat with a model."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": True}
        return self._ask("POST", "/v1/chat/completions", body).status_code

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False, verify=False) as client:
            return client.request(
                method,
                self.server.url + path,
                json=body,
                params=query,
                headers={"Authorization": f"Bearer {self.key}"},
            )
