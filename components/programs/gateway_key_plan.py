"""What has to be done so that each service account has one key, in its Secret, as it should be.

The key in use is the one that the Secret holds. A replaced one works until the overlap is over.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from components.programs.gateway_drift import KEY_CLOSED, differences
from components.programs.gateway_wanted import (
    MANAGED_BY,
    MARK,
    REMOVED,
    RETIRED,
    Account,
    Change,
    Found,
    Held,
    Plan,
    Row,
    Stage,
    Wanted,
)

_SLACK = timedelta(minutes=2)
"""Clocks differ, and LiteLLM adds a duration to its own."""


def plan_keys(wanted: Wanted, found: Found, now: datetime) -> Plan:
    """Steps and reports for keys.

    Args:
        wanted: The document's teams.
        found: What the gateway and the Secrets hold.
        now: The time, with its zone.
    """
    accounts = {each.path: each for team in wanted.teams for each in team.accounts}
    owners = _owners(accounts, found)
    changes: list[Change] = []
    notes: list[str] = []
    for path, account in accounts.items():
        mine = [row for row in found.keys if owners.get(row.id) == path]
        changes += _account_changes(account, mine, found, now)
        if any(row.blocked and not row.noted(REMOVED) for row in mine):
            notes.append(
                f"a key of {path} was blocked by hand and stays so: raise the account's generation "
                "for another one, or unblock it by hand"
            )
    for row in found.keys:
        if row.id in owners:
            if owners[row.id] not in accounts:
                changes += _removed_key(owners[row.id], row, wanted, now)
        elif wanted.delete_unmanaged:
            changes.append(_delete(_hand_made(row), "not in the document", row))
        else:
            without = "" if row.fields.get("team_id") else ", so that no team's limits hold for it"
            notes.append(f"key {_hand_made(row)} was made by hand{without}: it is left as it is")
    return Plan(tuple(changes), tuple(notes))


def key_body(account: Account) -> dict[str, Any]:
    """What a key of an account has to be, as the admin API takes it."""
    return {**account.settings, **KEY_CLOSED, "team_id": account.team, "metadata": _note(account)}


def _note(account: Account) -> dict[str, Any]:
    return {
        MANAGED_BY: MARK,
        "service_account_id": account.path,
        "generation": account.generation,
    }


def _owners(accounts: dict[str, Account], found: Found) -> dict[str, str]:
    """`team/account` of every key of ours: what carries our mark, and what a Secret holds.

    LiteLLM never changes whose key it is, so that of an account that was renamed is the old one's.
    """
    owners = {
        row.id: str(row.metadata.get("service_account_id")) for row in found.keys if row.managed
    }
    told = {row for row, owner in owners.items() if owner != str(None)}
    for path, account in accounts.items():
        held = (found.held or {}).get(account.secret, Held())
        owners |= {each: path for each in (held.current, held.coming) if each and each not in told}
    return owners


def _account_changes(
    account: Account, mine: list[Row], found: Found, now: datetime
) -> Iterator[Change]:
    held = None if found.held is None else found.held.get(account.secret, Held())
    current = _current(account, mine, held, now)
    coming = [row for row in mine if held is not None and row.id == held.coming]
    kept = coming
    if current is None:
        yield _issue(account, mine, found)
    else:
        yield from _current_key(account, current)
        kept = [current]
    for row in mine:
        if row not in kept:
            yield from _old_key(account, row, now, delivered=row not in coming)


def _current(account: Account, mine: list[Row], held: Held | None, now: datetime) -> Row | None:
    """The key that the account uses, if it may go on."""
    for row in sorted(mine, key=lambda each: str(each.fields.get("created_at")), reverse=True):
        # A higher one is that of a document that this run does not know yet.
        fits = _generation(row, account.generation) >= account.generation
        ended = row.noted(RETIRED) or (row.expires and row.expires <= now)
        if fits and not ended and (held is None or row.id == held.current):
            return row
    return None


def _issue(account: Account, mine: list[Row], found: Found) -> Change:
    """Another key; what the account has spent in its window goes on counting."""
    before = [_generation(row, 0) for row in mine]
    why = "its Secret holds no key that works"
    if not before:
        why = f"generation {account.generation}"
    elif account.generation not in before:
        why = f"generation {max(before)} -> {account.generation}"
    spent = max((float(row.fields.get("spend") or 0) for row in mine), default=0.0)
    body = {**key_body(account), "key_alias": _alias(account, found), "spend": spent}
    action = "rotate key" if mine else "issue key"
    return Change(Stage.ISSUE_KEY, action, account.path, (why,), "/key/generate", body, account)


def _generation(row: Row, otherwise: int) -> int:
    found = row.metadata.get("generation")
    return found if isinstance(found, int) else otherwise


def _alias(account: Account, found: Found) -> str:
    """LiteLLM refuses an alias that another key has, and one generation may need several keys."""
    taken = {row.fields.get("key_alias") for row in found.keys}
    alias = f"{account.path}/{account.generation}"
    again = (f"{alias}.{number}" for number in range(2, len(taken) + 3))
    return alias if alias not in taken else next(each for each in again if each not in taken)


def _current_key(account: Account, row: Row) -> Iterator[Change]:
    wanted = {name: value for name, value in key_body(account).items() if name != "metadata"}
    metadata = {**_note(account), "generation": _generation(row, account.generation)}
    body, details, tightens = differences(row, wanted, metadata)
    if row.expires is not None:
        body, details = {**body, "duration": None}, (*details, "expires -> never")
    if row.blocked and row.noted(REMOVED):
        body, details = {**body, "blocked": False}, (*details, "unblocked")
    if body:
        stage = Stage.TIGHTEN_KEY if tightens else Stage.LOOSEN_KEY
        sent = {"key": row.id, **body}
        yield Change(stage, "change key", account.path, details, "/key/update", sent)


def _old_key(account: Account, row: Row, now: datetime, *, delivered: bool) -> Iterator[Change]:
    """A replaced key works until the overlap is over, and never longer."""
    since = row.noted(RETIRED) or now
    until = since + account.overlap
    ends_in_time = row.expires is not None and row.expires <= until + _SLACK
    if not delivered:
        yield replace(_delete(account.path, "never used", row), account=account)
    elif until <= now or row.blocked or (row.expires is not None and row.expires <= now):
        yield _delete(account.path, "replaced", row)
    elif not ends_in_time or row.noted(RETIRED) is None:
        body: dict[str, Any] = {"metadata": {**row.metadata, RETIRED: since.isoformat()}}
        if not ends_in_time:
            body["duration"] = f"{max(1, int((until - now).total_seconds()))}s"
        details = (f"works until {until:%Y-%m-%d %H:%M} UTC",)
        sent = {"key": row.id, **body}
        yield Change(Stage.RETIRE_KEY, "retire key", account.path, details, "/key/update", sent)


def _removed_key(path: str, row: Row, wanted: Wanted, now: datetime) -> Iterator[Change]:
    """A key of an account that was taken out, maybe with its team: blocked first, deleted later.

    Replicas see at once that a key is blocked, and up to a minute later that its team is.
    """
    since, after = row.noted(REMOVED), wanted.delete_after
    if since is None or not row.blocked:
        body = {
            "key": row.id,
            "blocked": True,
            "metadata": {**row.metadata, REMOVED: (since or now).isoformat()},
        }
        why = ("taken out of the document",)
        yield Change(Stage.TIGHTEN_KEY, "block key", path, why, "/key/update", body)
    elif after is not None and since + after <= now:
        yield _delete(path, f"blocked since {since:%Y-%m-%d %H:%M}", row)


def _delete(name: str, why: str, row: Row) -> Change:
    body = {"keys": [row.id]}
    return Change(Stage.DELETE_KEY, "delete key", name, (why,), "/key/delete", body)


def _hand_made(row: Row) -> str:
    return f"{row.fields.get('team_id') or 'no team'}/{row.title}"
