"""How to reach a model hub: its address and token from the environment, refusals as sentences."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.errors import OfflineModeIsEnabled

from tools.problem import ToolError

PUBLIC_HUB = "https://huggingface.co"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FIRST_SERVER_FAULT = 500
_Found = TypeVar("_Found")


class Unsettled(Exception):  # noqa: N818  (no error yet: the same question may still be answered)
    """The hub failed in a way that may pass; the text completes `hub.example.com ...`."""


@dataclass(frozen=True)
class Hub:
    """A hub and how to speak to it.

    Attributes:
        endpoint: Its address without a slash at the end.
        token: What to authenticate with, None for anonymous access; never printed.
        timeout_seconds: For each connection and each read, and for a small file as a whole.
        pauses_seconds: Waits before the second and later attempts.
    """

    endpoint: str = PUBLIC_HUB
    token: str | None = None
    timeout_seconds: float = 20
    pauses_seconds: tuple[float, ...] = (1, 4)

    def __repr__(self) -> str:
        """Say which hub it is and keep the token to itself."""
        return f"Hub({self.host})"

    @property
    def host(self) -> str:
        """Its name for messages."""
        return urlsplit(self.endpoint).hostname or self.endpoint


def hub_from(environment: Mapping[str, str]) -> Hub:
    """The hub that `HF_ENDPOINT` names, with the token of `HF_TOKEN`.

    Args:
        environment: The process's variables.

    Raises:
        ToolError: The address is none, or the token would travel unencrypted.
    """
    endpoint = (environment.get("HF_ENDPOINT") or PUBLIC_HUB).rstrip("/")
    token = environment.get("HF_TOKEN", "").strip() or None
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    except ValueError:
        parts, usable = urlsplit(PUBLIC_HUB), False
    if not usable:
        raise ToolError(
            "HF_ENDPOINT is not the address of a hub; write it as https://hub.example.com, "
            "without user and password, or unset it."
        )
    if token and not all("!" <= character <= "~" for character in token):
        raise ToolError(
            "HF_TOKEN holds characters that no token has; copy the token again, or unset it."
        )
    if token and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ToolError(
            f"HF_ENDPOINT would carry HF_TOKEN unencrypted to {parts.hostname}; use https, or "
            f"unset HF_TOKEN where the model is public."
        )
    return Hub(endpoint, token)


def persistently(hub: Hub, source: str, ask: Callable[[], _Found]) -> _Found:
    """Ask, and ask again after a pause where the line or the server failed.

    Args:
        hub: The hub.
        source: The model's id, for the sentence.
        ask: The question.

    Raises:
        ToolError: It failed every time.
    """
    why = ""
    for pause in (0, *hub.pauses_seconds):
        time.sleep(pause)
        try:
            return ask()
        except OfflineModeIsEnabled as error:
            raise ToolError(
                "HF_HUB_OFFLINE forbids to ask the hub; unset it to write a lock."
            ) from error
        except Unsettled as error:
            why = str(error)
        except httpx2.TimeoutException:
            why = f"did not answer within {hub.timeout_seconds:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            why = f"cannot be reached ({type(error).__name__})"
    raise ToolError(
        f"{hub.host} {why} for {source}, {len(hub.pauses_seconds) + 1} times; check the network "
        f"or a proxy (HTTPS_PROXY), or name a mirror in HF_ENDPOINT."
    )


def refused(hub: Hub, source: str, revision: str, answer: httpx2.Response) -> Exception:
    """What to raise for an answer that is no success.

    Args:
        hub: The hub.
        source: The model's id.
        revision: What was asked for of it.
        answer: The answer, whose body is not looked at.

    Returns:
        `Unsettled` for a fault of the server, else `ToolError` with the sentence.
    """
    status, code = answer.status_code, answer.headers.get("X-Error-Code", "")
    if status >= _FIRST_SERVER_FAULT:
        return Unsettled(f"answered HTTP {status}")
    if code == "GatedRepo":
        return ToolError(_gated(hub, source, status))
    if code == "RevisionNotFound":
        return ToolError(
            f"{source} has no revision {revision} on {hub.host}; look at "
            f"{hub.endpoint}/{source}/commits/main and name a branch, a tag or a whole commit."
        )
    if code == "EntryNotFound":
        return ToolError(f"{hub.host} lists a file of {source} that it has not; run it again.")
    return ToolError(_by_status(hub, source, answer))


def _gated(hub: Hub, source: str, status: int) -> str:
    accept = f"accept the licence at {hub.endpoint}/{source}"
    if status == HTTPStatus.FORBIDDEN:
        return (
            f"{source} is gated and the account of HF_TOKEN has no access; {accept} with that "
            f"account, wait until it is granted and run it again."
        )
    why = "HF_TOKEN was not accepted" if hub.token else "HF_TOKEN is not set"
    return (
        f"{source} is gated and {why}; {accept}, put a token that may read into the environment "
        f"as HF_TOKEN and run it again."
    )


def _by_status(hub: Hub, source: str, answer: httpx2.Response) -> str:
    match answer.status_code:
        case HTTPStatus.UNAUTHORIZED if hub.token and "X-Error-Code" not in answer.headers:
            return f"{hub.host} does not know the token in HF_TOKEN; make a new one, or unset it."
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND:
            hint = "" if hub.token else ", or set HF_TOKEN where it is private"
            return f"{hub.host} has no model {source}; check the spelling of org/name{hint}."
        case HTTPStatus.FORBIDDEN:
            return (
                f"{hub.host} forbids {source} (HTTP 403); give HF_TOKEN the right to read its "
                f"repositories, or unset it where the model is public."
            )
        case HTTPStatus.TOO_MANY_REQUESTS:
            wait = answer.headers.get("Retry-After", "")
            when = f"after {wait} s" if wait.isdigit() else "later"
            return f"{hub.host} allows no more requests now (HTTP 429); run it again {when}."
        case status:
            return f"{hub.host} answered HTTP {status} for {source}; run it again later."
