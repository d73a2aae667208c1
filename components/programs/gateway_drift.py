"""How a team or key differs from what it has to be, for the admin API and for people."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from components.programs.gateway_wanted import Row

TEAM_CLOSED: Mapping[str, Any] = MappingProxyType({"access_group_ids": []})
ROUTES = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/models",
)
"""What is public (`components.core.public_paths`), and nothing else inside the cluster either:
LiteLLM's own group `llm_api_routes` has files, engines' addresses and providers' whole APIs."""
KEY_CLOSED: Mapping[str, Any] = MappingProxyType(
    {
        "access_group_ids": [],
        "aliases": {},
        "allowed_routes": list(ROUTES),
        "config": {},
        "permissions": {},
    }
)
"""What would open more than the document says, and how it is closed: a key calls models, nothing of
the admin API, under no other name than theirs."""
_WORDS = {
    "models": "models",
    "max_budget": "budget.usd",
    "budget_duration": "budget.every",
    "rpm_limit": "requests_per_minute",
    "tpm_limit": "tokens_per_minute",
    "max_parallel_requests": "parallel_requests",
}
"""The document's names of LiteLLM's fields."""
_LITELLMS_OWN = frozenset({"team_member_budget_id"})
"""Metadata that LiteLLM itself writes and keeps (SYSTEM_MANAGED_METADATA_KEYS of 1.106.2)."""


def differences(
    row: Row, wanted: Mapping[str, Any], metadata: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...], bool]:
    """What to send, in words too, and whether it takes something away.

    Metadata is set as a whole: what people add there can send prompts elsewhere (`logging`). Values
    that are not the document's are never shown, they may be secrets.

    Args:
        row: What there is.
        wanted: Fields as they have to be.
        metadata: All metadata.
    """
    body: dict[str, Any] = {}
    words: list[str] = []
    tightens = False
    for name, value in wanted.items():
        before = _plain(row.fields.get(name), value)
        if before != _plain(value, value):
            body[name] = value
            words.append(_words(name, before, value))
            tightens = tightens or _takes_away(before, _plain(value, value))
    there = {name: each for name, each in row.metadata.items() if name not in _LITELLMS_OWN}
    if there != dict(metadata):
        body["metadata"] = dict(metadata)
        names = sorted(n for n in {*there, *metadata} if there.get(n) != metadata.get(n))
        words.append(f"metadata set back ({', '.join(names)})")
        tightens = True
    return body, tuple(words), tightens


def told(settings: Mapping[str, Any]) -> Iterator[str]:
    """What a new team or key may, for people."""
    for name, value in settings.items():
        if value is not None:
            yield f"{_WORDS.get(name, name)} {_shown(value)}"


def _words(name: str, before: object, after: object) -> str:
    if name not in _WORDS:
        return f"{name} set back"
    return f"{_WORDS[name]} {_shown(before)} -> {_shown(after)}"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple | frozenset):
        return ", ".join(sorted(str(each) for each in cast("list[object]", value))) or "all"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain(value: object, like: object) -> object:
    """A value in a form that can be compared: order and kind of number do not count."""
    if isinstance(like, list | tuple):
        return frozenset(str(each) for each in cast("list[object]", value or []))
    if isinstance(like, Mapping):
        return value or {}
    if isinstance(value, str) and not isinstance(like, str):
        try:
            return float(value)
        except ValueError:
            return value
    return float(value) if isinstance(value, int | float) else value


def _takes_away(before: object, after: object) -> bool:
    if isinstance(before, frozenset) and isinstance(after, frozenset):
        return not before or not before <= after  # none stands for all
    if isinstance(before, float) and isinstance(after, float):
        return after < before
    return before is None or isinstance(after, Mapping)
