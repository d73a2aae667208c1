"""A model of the gateway and of Secrets, for questions that need thousands of runs.

It does what LiteLLM 1.106.2 and the API server do with the calls of the reconciler; the serving and
cluster tests ask the real ones.
"""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from components.programs.gateway_plan import make_plan
from components.programs.gateway_state import KEY, apply, look
from components.programs.gateway_wanted import (
    Plan,
    Row,
    StateError,
    Wanted,
    key_hash,
    read_wanted,
)
from components.programs.kubernetes_secrets import Secret

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


class KilledError(BaseException):
    """The run ends here, without any handler of its own."""


class Model:
    """Gateway and Secrets in one, with a clock, and a fuse that ends a run after some writes."""

    def __init__(self) -> None:
        self.team_rows: dict[str, dict[str, Any]] = {}
        self.key_rows: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.versions: dict[str, int] = {}
        self.now = NOW
        self.fuse: int | None = None
        self.writes = 0
        self.interruption: tuple[int, Wanted] | None = None
        self.deleted: list[str] = []

    # As `Admin`.

    def teams(self) -> tuple[Row, ...]:
        return tuple(Row(name, copy.deepcopy(row)) for name, row in self.team_rows.items())

    def keys(self) -> tuple[Row, ...]:
        return tuple(Row(name, copy.deepcopy(row)) for name, row in self.key_rows.items())

    def has_key(self, hashed: str) -> bool:
        return hashed in self.key_rows

    def call(self, method: str, path: str, body: Mapping[str, Any]) -> object:
        assert method == "POST"
        self._burn()
        body = copy.deepcopy(dict(body))
        {
            "/team/new": self._new_team,
            "/team/update": self._update_team,
            "/team/delete": self._delete_teams,
            "/key/generate": self._generate,
            "/key/update": self._update_key,
            "/key/delete": self._delete_keys,
        }[path](body)
        return {}

    def _new_team(self, body: dict[str, Any]) -> None:
        if body["team_id"] in self.team_rows:
            raise StateError("/team/new answered 400: the team is there")
        self.team_rows[body["team_id"]] = {"blocked": False, **body}

    def _update_team(self, body: dict[str, Any]) -> None:
        self.team_rows[body["team_id"]] |= body

    def _delete_teams(self, body: dict[str, Any]) -> None:
        for name in body["team_ids"]:
            del self.team_rows[name]
            self.deleted.append(name)
            self._delete_keys(
                {"keys": [h for h, row in self.key_rows.items() if row["team_id"] == name]}
            )

    def _generate(self, body: dict[str, Any]) -> None:
        aliases = {row["key_alias"] for row in self.key_rows.values()}
        if body["key_alias"] in aliases or body["team_id"] not in self.team_rows:
            raise StateError("/key/generate answered 400: an alias that is taken, or no such team")
        hashed = key_hash(body.pop("key"))
        created = self.now + timedelta(microseconds=self.writes)
        self.key_rows[hashed] = {
            "token": hashed,
            "expires": None,
            "blocked": None,
            "created_at": created.isoformat(),
            **body,
        }

    def _update_key(self, body: dict[str, Any]) -> None:
        row, duration = self.key_rows[body.pop("key")], body.pop("duration", "")
        owner = row["metadata"].get("service_account_id")
        if owner and body.get("metadata", {}).get("service_account_id", owner) != owner:
            raise StateError("/key/update answered 400: service_account_id is immutable once set")
        if duration is None:
            row["expires"] = None
        elif duration:
            end = self.now + timedelta(seconds=int(duration.removesuffix("s")))
            row["expires"] = end.isoformat()
        row |= body

    def _delete_keys(self, body: dict[str, Any]) -> None:
        for hashed in body["keys"]:
            del self.key_rows[hashed]
            self.deleted.append(hashed)

    # As `Secrets`.

    def read(self, name: str) -> Secret:
        if name not in self.secrets:
            raise StateError(f"Secret {name}: it is not there")
        return Secret(name, str(self.versions[name]), dict(self.secrets[name]))

    def write(self, secret: Secret, data: Mapping[str, str | None]) -> Secret:
        self._burn()
        if secret.version != str(self.versions[secret.name]):
            raise StateError(f"Secret {secret.name}: somebody else has written it")
        merged = {**self.secrets[secret.name], **data}
        self.secrets[secret.name] = {k: v for k, v in merged.items() if v is not None}
        self.versions[secret.name] += 1
        return self.read(secret.name)

    def _burn(self) -> None:
        if self.interruption is not None and self.writes == self.interruption[0]:
            (at, document), self.interruption = self.interruption, None
            self.run(document)
            self.fuse, self.writes = None, at
        if self.fuse is not None and self.writes >= self.fuse:
            raise KilledError
        self.writes += 1

    # What tests do.

    def deploy(self, wanted: Wanted) -> None:
        """What Pulumi does with the Secrets: empty ones for new accounts, none for others."""
        names = {account.secret for team in wanted.teams for account in team.accounts}
        self.secrets = {name: self.secrets.get(name, {}) for name in names}
        self.versions = {name: self.versions.get(name, 1) for name in names}

    def run(self, wanted: Wanted, *, fuse: int | None = None) -> tuple[Plan, tuple[str, ...]]:
        """One run of the program; a fuse kills it before so many writes were made."""
        self.fuse, self.writes = fuse, 0
        found = look(wanted, self, self)  # pyright: ignore[reportArgumentType] - as Admin and Secrets
        plan = make_plan(wanted, found, self.now)
        return plan, apply(plan, found, self, self)  # pyright: ignore[reportArgumentType]

    def interrupt_at(self, writes: int, document: Wanted) -> None:
        """Let a whole other run happen when the next one has made so many writes."""
        self.interruption = (writes, document)

    def works(self, key: str) -> bool:
        """Whether the gateway would answer a request with a key."""
        row = self.key_rows.get(key_hash(key))
        if row is None or row.get("blocked"):
            return False
        team = self.team_rows.get(row["team_id"], {})
        ended = row["expires"] and datetime.fromisoformat(row["expires"]) <= self.now
        return not ended and not team.get("blocked", True) and bool(row["models"])

    def key_of(self, secret: str) -> str:
        """What a Secret holds; empty for nothing."""
        return self.secrets.get(secret, {}).get(KEY, "")


def wanted(teams: Mapping[str, Mapping[str, Any]], **more: object) -> Wanted:
    """A wanted state: `{team: {"accounts": {name: {...}}, ...settings}}`."""
    return read_wanted(
        {
            "unmanaged": "report",
            "delete_blocked_after_days": 7,
            **more,
            "teams": [_team(name, dict(team)) for name, team in teams.items()],
        }
    )


def _team(name: str, team: dict[str, Any]) -> dict[str, Any]:
    accounts: Mapping[str, Mapping[str, Any]] = team.pop("accounts", {})
    tags = team.pop("tags", [])
    return {
        "name": name,
        "tags": tags,
        "settings": {**_NO_LIMITS, **team},
        "accounts": [_account(name, each, dict(value)) for each, value in accounts.items()],
    }


def _account(team: str, name: str, account: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "secret": account.pop("secret", f"{team}-{name}"),
        "generation": account.pop("generation", 1),
        "overlap_hours": account.pop("overlap_hours", 24),
        "settings": {**_NO_LIMITS, "max_parallel_requests": None, **account},
    }


_NO_LIMITS = {
    "models": ["akko-coder"],
    "max_budget": None,
    "budget_duration": None,
    "rpm_limit": None,
    "tpm_limit": None,
}


def deployed(*documents: Wanted) -> Model:
    """A model to which documents were deployed one after the other."""
    model = Model()
    for each in documents:
        model.deploy(each)
        assert model.run(each)[1] == ()
    return model


def replan(model: Model, document: Wanted) -> Plan:
    """What a run would change now."""
    found = look(document, model, model)  # pyright: ignore[reportArgumentType] - as Admin and Secrets
    return make_plan(document, found, model.now)
