"""Makes the gateway's teams and keys what the stack document says, and says what it changes.

    python3 -m components.programs.gateway_state state.json --base-url http://gateway:4000
    ... --dry-run           changes nothing; ends with 2 where something would change
    ... --json              the plan as JSON instead of a table

The master key comes by the variable LITELLM_MASTER_KEY. Keys of service accounts go from here to
their Secrets and to LiteLLM, and are written nowhere else. Ends with 0 where everything is as it
should be (after changes too), 1 where something failed, 2 where a dry run found changes.

A killed run is taken up by the next one: a new key is in its Secret, under `next-api-key`, before
LiteLLM knows it, and becomes `api-key` after that. So no key exists that no Secret holds.
"""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from components.programs.gateway_admin import Admin, redacted
from components.programs.gateway_plan import make_plan
from components.programs.gateway_wanted import (
    Account,
    Change,
    Found,
    Held,
    Plan,
    StateError,
    Wanted,
    key_hash,
    read_wanted,
)
from components.programs.kubernetes_secrets import ACCOUNT, Secret, Secrets

KEY, COMING = "api-key", "next-api-key"
"""Keys of an account's Secret."""
ADMINISTRATOR = "LITELLM_MASTER_KEY"
"""Variable with the gateway's master key."""
_READY_WITHIN_SECONDS = 300
_LOOKS = 5
"""Times that the Secrets may change while the gateway is listed."""


def look(wanted: Wanted, admin: Admin, store: Secrets | None) -> Found:
    """What the gateway has, and what the Secrets hold where they may be read.

    Raises:
        StateError: Something cannot be read, or another run changes it all the time.
    """
    if store is None:
        return Found(admin.teams(), admin.keys(), None)
    names = [account.secret for team in wanted.teams for account in team.accounts]
    before = {name: store.read(name) for name in names}
    for _ in range(_LOOKS):
        teams, keys = admin.teams(), admin.keys()
        after = {name: store.read(name) for name in names}
        if {n: each.version for n, each in before.items()} == {
            n: each.version for n, each in after.items()
        }:
            return Found(teams, keys, {name: _held(each) for name, each in after.items()})
        before = after
    raise StateError("another run writes the Secrets of service accounts; run it again later")


def _held(secret: Secret) -> Held:
    return Held(*(key_hash(secret.data.get(name, "")) for name in (KEY, COMING)))


def apply(plan: Plan, found: Found, admin: Admin, store: Secrets) -> tuple[str, ...]:
    """Take the steps; what depends on a step that failed is left out.

    Args:
        plan: The steps.
        found: What they were planned for.
        admin: The gateway.
        store: The Secrets.

    Returns:
        A sentence for each step that failed.
    """
    failures: list[str] = []
    failed: set[str] = set()
    for change in plan.changes:
        if change.name in failed or change.name.partition("/")[0] in failed:
            continue
        try:
            if change.account is None:
                _send(change, admin)
            else:
                _take(change, change.account, found, admin, store)
        except StateError as error:
            failed.add(change.name)
            failures.append(redacted(f"{change.action} {change.name}: {error}"))
    return tuple(failures)


def _send(change: Change, admin: Admin) -> None:
    """A key is blocked before it is deleted: only that reaches the other replicas at once.

    They answer a deleted one for a minute, out of their caches (seen on LiteLLM 1.106.2).
    """
    for key in change.body.get("keys", ()):
        admin.call("POST", "/key/update", {"key": key, "blocked": True})
    admin.call("POST", change.path, change.body)


def _take(change: Change, account: Account, found: Found, admin: Admin, store: Secrets) -> None:
    """A step that changes a Secret too, if that still holds what was planned for."""
    secret = store.read(account.secret)
    if _held(secret) != (found.held or {}).get(account.secret):
        raise StateError("another run has changed its Secret; the next one goes on from there")
    if change.path == "/key/generate":
        _issue(change, secret, admin, store)
    else:
        # Out of the Secret first: a run that is about to put the key to use is then refused.
        store.write(secret, {COMING: None})
        _send(change, admin)


def _issue(change: Change, secret: Secret, admin: Admin, store: Secrets) -> None:
    """A key that is on its way is used; it was never in use, so it fits every generation."""
    key = secret.data.get(COMING, "")
    if not key:
        key = f"sk-{secrets.token_urlsafe(32)}"
        secret = store.write(secret, {COMING: key})
    if admin.has_key(key_hash(key)):
        body = {name: value for name, value in change.body.items() if name != "key_alias"}
        admin.call("POST", "/key/update", {**body, "key": key_hash(key)})
    else:
        admin.call("POST", change.path, {**change.body, "key": key})
    store.write(secret, {KEY: key, COMING: None})


def table(plan: Plan) -> str:
    """The plan for people, a line a step."""
    rows = [(each.action, each.name, "; ".join(each.details)) for each in plan.changes]
    rows += [("report", "", note) for note in plan.notes]
    if not rows:
        return "no changes: teams and keys are as the document says"
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{a:{widths[0]}}  {n:{widths[1]}}  {d}".rstrip() for a, n, d in rows]
    return redacted("\n".join(lines))


def as_json(plan: Plan) -> str:
    """The plan for programs."""
    steps = [
        {"action": each.action, "name": each.name, "details": list(each.details)}
        for each in plan.changes
    ]
    return redacted(json.dumps({"changes": steps, "notes": list(plan.notes)}, indent=2))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, plan, and unless it is a dry run apply.

    Returns:
        The exit code.
    """
    options = _options(arguments)
    try:
        return _run(options)
    except StateError as error:
        print(f"error: {redacted(str(error))}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    administrator = os.environ.get(ADMINISTRATOR)
    if not administrator:
        raise StateError(f"{ADMINISTRATOR} is not set")
    wanted = read_wanted(json.loads(options.state.read_text(encoding="utf-8")))
    admin, store = Admin(options.base_url, administrator), Secrets(options.service_account)
    admin.wait(options.wait_seconds)
    found = look(wanted, admin, store)
    plan = make_plan(wanted, found, datetime.now(UTC))
    print(as_json(plan) if options.json else table(plan), flush=True)
    if options.dry_run:
        return 2 if plan.changes else 0
    failures = apply(plan, found, admin, store)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if plan.changes and not failures:
        print(f"done: {len(plan.changes)} changes")
    return 1 if failures else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Teams and keys of the gateway, as wanted.")
    parser.add_argument("state", type=Path, help="the wanted state, JSON")
    parser.add_argument("--base-url", required=True, help="address of the gateway")
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument("--json", action="store_true", help="the plan as JSON")
    parser.add_argument("--service-account", type=Path, default=ACCOUNT, help="folder of a token")
    parser.add_argument("--wait-seconds", type=float, default=_READY_WITHIN_SECONDS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
