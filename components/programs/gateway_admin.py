"""LiteLLM's admin API, as far as teams and keys need it; no answer is repeated that holds a key."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, cast

from components.programs.gateway_wanted import Row, StateError

_TIMEOUT_SECONDS = 60
_PAGE = 100
"""Keys on a page, the most that /key/list allows."""
_KEYS = re.compile(r"\bsk-[^\s\"'\\]*|\b[0-9a-f]{64}\b")
_LONGEST = 300


class Admin:
    """One gateway, asked with its master key, the administrator's."""

    def __init__(self, base_url: str, administrator: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._administrator = administrator

    def wait(self, seconds: float) -> None:
        """Until the gateway is ready, its database too.

        Raises:
            StateError: It is not within so many seconds.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                ready = self.call("GET", "/health/readiness")
            except StateError as error:
                if time.monotonic() > end:
                    raise
                said = str(error)
            else:
                if (
                    isinstance(ready, dict)
                    and cast("Mapping[str, Any]", ready).get("db") == "connected"
                ):
                    return
                said = "the gateway has no connection to its database"
            if time.monotonic() > end:
                raise StateError(f"{said}, after {seconds:.0f} s")
            time.sleep(1)

    def teams(self) -> tuple[Row, ...]:
        """All teams."""
        rows = cast("list[Mapping[str, Any]]", self.call("GET", "/team/list"))
        return tuple(Row(str(row["team_id"]), row) for row in rows)

    def keys(self) -> tuple[Row, ...]:
        """All keys."""
        return tuple({row.id: row for row in self._keys()}.values())

    def _keys(self) -> Iterator[Row]:
        page, pages = 1, 1
        while page <= pages:
            query = f"/key/list?return_full_object=true&size={_PAGE}&page={page}"
            query += "&sort_by=created_at&sort_order=asc"
            answer = cast("Mapping[str, Any]", self.call("GET", query))
            pages = int(answer["total_pages"])
            yield from (Row(str(row["token"]), row) for row in answer["keys"])
            page += 1

    def has_key(self, hashed: str) -> bool:
        """Whether the gateway knows a key by its SHA-256."""
        answer = cast("Mapping[str, Any]", self.call("GET", f"/key/list?key_hash={hashed}"))
        return bool(answer["total_count"])

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> object:
        """One request.

        Raises:
            StateError: It was refused or not answered.
        """
        request = urllib.request.Request(
            self._base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._administrator}",
                "Content-Type": "application/json",
            },
        )
        place = path.partition("?")[0]
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                said = _said(error.read())
            raise StateError(f"{place} answered {error.code}: {said}") from None
        except (OSError, ValueError) as error:
            reason = redacted(str(getattr(error, "reason", error)))
            raise StateError(f"{place} of {self._base_url} did not answer: {reason}") from None


def redacted(text: str) -> str:
    """A text without keys and without what LiteLLM knows them by."""
    return _KEYS.sub("(a key)", text)


def _said(answer: bytes) -> str:
    """What a refusal says, and nothing of the request that it may repeat."""
    try:
        found = cast("Mapping[str, Any]", json.loads(answer))
        error: Any = found.get("error", found.get("detail"))
        message = error if isinstance(error, str) else error.get("message", error.get("error"))
    except (ValueError, AttributeError):
        message = None
    if not isinstance(message, str):
        return "no reason that can be shown"
    return redacted(message)[:_LONGEST]
