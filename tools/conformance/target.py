"""The deployment under judgement: asked over HTTP, and listened to for its own key."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tools.endpoint import Endpoint

Json = dict[str, Any]

CHAT = "/v1/chat/completions"
_TIMEOUT = httpx.Timeout(300, connect=10)
"""Seconds; a first request may load a model."""


@dataclass(frozen=True)
class Expected:
    """What is known of the deployment beforehand.

    Attributes:
        aliases: Exactly these models; None where any will do.
        model_len: Tokens of the model's context; None where unknown.
        request_mib: Largest body, MiB; None without a cap.
        output_tokens: Largest `max_tokens`; None without a cap.
        choices: Largest `n`; None without a cap.
    """

    aliases: frozenset[str] | None = None
    model_len: int | None = None
    request_mib: float | None = None
    output_tokens: int | None = None
    choices: int | None = None


@dataclass(frozen=True)
class Target:
    """The deployment.

    Attributes:
        endpoint: Address and key.
        model: Alias of a model that chats.
        client: Asks; shows no key of its own.
        expected: What is known beforehand.
        embedding_model: Alias of a model that embeds; empty where none is to be tried.
        public: Whether the address is the one that everybody can reach.
        master_key: Whether the key is known to be the administrator's.
        key_in_query: Whether the key may be sent in a query, where access logs keep it.
        leaks: Places where the key was heard in an answer.
    """

    endpoint: Endpoint
    model: str
    client: httpx.Client
    expected: Expected = Expected()
    embedding_model: str = ""
    public: bool = False
    master_key: bool = False
    key_in_query: bool = False
    leaks: list[str] = field(default_factory=list[str])

    @property
    def authorization(self) -> dict[str, str]:
        """The header that shows the key."""
        return {"Authorization": f"Bearer {self.endpoint.key}"}

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send one request and read the whole answer.

        Args:
            method: GET or POST.
            path: With its leading slash.
            headers: In place of the one that shows the key.
            json: The body, as a value.
            content: The body, as bytes of JSON, right or not.
        """
        shown = self.authorization if headers is None else headers
        if content is not None:
            shown = {**shown, "Content-Type": "application/json"}
        answer = self.client.request(
            method, self.endpoint.root + path, headers=shown, json=json, content=content
        )
        self.listen(f"{method} {path.partition('?')[0]}", answer.headers, answer.content)
        return answer

    def chat(self, **fields: object) -> httpx.Response:
        """Ask for a short chat completion, whole.

        Args:
            fields: Of the request, in place of the usual ones.
        """
        return self.ask("POST", CHAT, json=self.request(**fields))

    def request(self, **fields: object) -> Json:
        """The usual request: a few tokens, the most probable ones.

        Args:
            fields: In place of the usual ones.
        """
        usual = {
            "model": self.model,
            "messages": [{"role": "user", "content": "Count from 1 to 100."}],
            "max_tokens": 8,
            "temperature": 0,
        }
        return {**usual, **fields}

    def listen(self, where: str, headers: httpx.Headers, body: bytes) -> None:
        """Note where the key stands in an answer.

        Args:
            where: Method and path.
            headers: The answer's.
            body: The answer's.
        """
        key = self.endpoint.key
        self.leaks.extend(
            f"header {name} of {where}" for name, value in headers.items() if key in value
        )
        if key.encode() in body:
            self.leaks.append(f"body of {where}")


@contextmanager
def asking() -> Generator[httpx.Client]:
    """The client that deployments are asked with; proxies of the environment hold."""
    with httpx.Client(timeout=_TIMEOUT) as client:
        yield client
