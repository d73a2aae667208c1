"""What the reconciler of the gateway's state knows: what is wanted, what is there, what to change.

Values only. Keys never appear here, only their SHA-256, by which LiteLLM itself knows them.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, cast

MANAGED_BY = "managed_by"
MARK = "inference-platform"
"""Entry in the metadata of teams and keys, by which this program knows its own."""

TEAM_FIELDS = ("models", "max_budget", "budget_duration", "rpm_limit", "tpm_limit")
KEY_FIELDS = (*TEAM_FIELDS, "max_parallel_requests")
"""LiteLLM's names of what the document decides."""


REMOVED, RETIRED = "removed_at", "retired_at"
"""Entries for since when something is out of the document, and since when a key is replaced."""


class Stage(IntEnum):
    """Order of the steps.

    Teams come before keys, what takes away before what gives, a key before its predecessor ends.
    """

    TIGHTEN_TEAM = 1
    LOOSEN_TEAM = 2
    TIGHTEN_KEY = 3
    LOOSEN_KEY = 4
    ISSUE_KEY = 5
    RETIRE_KEY = 6
    DELETE_KEY = 7
    DELETE_TEAM = 8


class StateError(Exception):
    """The state cannot be read or changed; the text is one sentence without any key."""


@dataclass(frozen=True)
class Account:
    """A program with a key of its own.

    Attributes:
        team: Its team.
        name: Its name in the team.
        secret: Secret that its key belongs into.
        settings: Models and limits, under LiteLLM's names.
        generation: Which key it is; a higher number is another key.
        overlap: For how long a replaced key works on.
    """

    team: str
    name: str
    secret: str
    settings: Mapping[str, Any]
    generation: int
    overlap: timedelta

    @property
    def path(self) -> str:
        """`team/account`."""
        return f"{self.team}/{self.name}"


@dataclass(frozen=True)
class Team:
    """Who shares limits; `settings` are under LiteLLM's names, `tags` are those it may use."""

    name: str
    settings: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What the document says.

    Attributes:
        teams: All teams.
        delete_unmanaged: Whether what people made by hand is deleted; else it is reported.
        delete_after: How long a team that was taken out stays blocked; None for ever.
    """

    teams: tuple[Team, ...]
    delete_unmanaged: bool = False
    delete_after: timedelta | None = timedelta(days=7)


@dataclass(frozen=True)
class Row:
    """A team or a key as LiteLLM has it.

    Attributes:
        id: Id of a team, SHA-256 of a key.
        fields: Its columns.
    """

    id: str
    fields: Mapping[str, Any]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is noted beside it."""
        found = self.fields.get("metadata")
        return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}

    @property
    def managed(self) -> bool:
        """Whether this program made it, or took it over."""
        return self.metadata.get(MANAGED_BY) == MARK

    @property
    def blocked(self) -> bool:
        """Whether its requests are refused."""
        return bool(self.fields.get("blocked"))

    @property
    def expires(self) -> datetime | None:
        """When a key ends; None for never."""
        return moment(self.fields.get("expires"))

    def noted(self, name: str) -> datetime | None:
        """A time that this program wrote into the metadata."""
        return moment(self.metadata.get(name))

    @property
    def title(self) -> str:
        """What people call it; of a key never its hash."""
        found = self.fields.get("key_alias") or self.fields.get("team_alias")
        return str(found or ("without a name" if "token" in self.fields else self.id))


@dataclass(frozen=True)
class Held:
    """SHA-256 of what a Secret holds: the key in use, and one on its way; empty for nothing."""

    current: str = ""
    coming: str = ""


@dataclass(frozen=True)
class Found:
    """What there is.

    Attributes:
        teams: Of the gateway.
        keys: Of the gateway.
        held: What each Secret holds; None where nobody may look into them.
    """

    teams: tuple[Row, ...] = ()
    keys: tuple[Row, ...] = ()
    held: Mapping[str, Held] | None = None


@dataclass(frozen=True)
class Change:
    """One step.

    Attributes:
        stage: When it is its turn.
        action: Such as `create team`.
        name: `team` or `team/account`; changes below a failed one are left out.
        details: What is different, for people.
        path: Of the admin API.
        body: What is sent there.
        account: Whose Secret changes too; None for every other step.
    """

    stage: Stage
    action: str
    name: str
    details: tuple[str, ...] = ()
    path: str = ""
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    account: Account | None = None


@dataclass(frozen=True)
class Plan:
    """Steps in their order, and what is reported without a step."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


def key_hash(key: str) -> str:
    """By what LiteLLM knows a key; empty for no key."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def moment(value: object) -> datetime | None:
    """A time as LiteLLM or this program writes it; None for none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_wanted(value: object) -> Wanted:
    """The wanted state out of JSON.

    Raises:
        StateError: It is of another form, or would open a team or a key to every model.
    """
    try:
        root = cast("Mapping[str, Any]", value)
        days = root["delete_blocked_after_days"]
        return Wanted(
            teams=tuple(_team(each) for each in root["teams"]),
            delete_unmanaged=root["unmanaged"] == "delete",
            delete_after=None if days is None else timedelta(days=days),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StateError(
            f"the wanted state is not one that this program knows: {error!r}"
        ) from None


def _team(value: Mapping[str, Any]) -> Team:
    name = str(value["name"])
    return Team(
        name=name,
        settings=_settings(value["settings"], TEAM_FIELDS, name),
        tags=tuple(value["tags"]),
        accounts=tuple(_account(name, each) for each in value["accounts"]),
    )


def _account(team: str, value: Mapping[str, Any]) -> Account:
    name = str(value["name"])
    return Account(
        team=team,
        name=name,
        secret=str(value["secret"]),
        settings=_settings(value["settings"], KEY_FIELDS, f"{team}/{name}"),
        generation=int(value["generation"]),
        overlap=timedelta(hours=float(value["overlap_hours"])),
    )


def _settings(value: Mapping[str, Any], names: Iterable[str], owner: str) -> Mapping[str, Any]:
    """Every field, and at least one model: LiteLLM takes an empty list for all of them."""
    if not value["models"]:
        raise StateError(f"{owner} has no model, which LiteLLM would read as every model: name one")
    return {name: value[name] for name in names}
