"""What has to be done so that the gateway's teams and keys are what the document says.

Nothing is asked and nothing is changed here; the same question has the same answer.
What people closed by hand (a blocked team or key) is never opened again, only reported.
"""

from datetime import datetime

from components.programs.gateway_drift import TEAM_CLOSED, differences, told
from components.programs.gateway_key_plan import plan_keys
from components.programs.gateway_wanted import (
    MANAGED_BY,
    MARK,
    REMOVED,
    Change,
    Found,
    Plan,
    Row,
    Stage,
    Team,
    Wanted,
)

_UI_TEAM = "litellm-dashboard"
"""Team under which LiteLLM keeps the sessions of its own pages."""


def make_plan(wanted: Wanted, found: Found, now: datetime) -> Plan:
    """Steps and reports.

    Args:
        wanted: The document's teams.
        found: What the gateway and the Secrets hold.
        now: The time, with its zone.
    """
    rows = {row.id: row for row in found.teams if row.id != _UI_TEAM}
    keys = tuple(key for key in found.keys if key.fields.get("team_id") != _UI_TEAM)
    names = {team.name for team in wanted.teams}
    strangers = {key.fields.get("team_id") for key in keys if not key.managed}
    changes: list[Change] = []
    notes: list[str] = []
    for team in wanted.teams:
        row = rows.get(team.name)
        changes += [_new_team(team)] if row is None else _team_changes(team, row)
        if row is not None and row.blocked and not row.noted(REMOVED):
            notes.append(f"team {team.name} was blocked by hand and stays so: unblock it by hand")
    for row in rows.values():
        if row.id in names:
            continue
        if not row.managed and not wanted.delete_unmanaged:
            notes.append(f"team {row.title} was made by hand: it is left as it is")
        elif _is_due(row, wanted, now) and row.id in strangers and not wanted.delete_unmanaged:
            notes.append(
                f"team {row.title} is to be deleted but has keys made by hand: delete those"
            )
        else:
            changes += _other_team(row, wanted, now)
    of_keys = plan_keys(wanted, Found(found.teams, keys, found.held), now)
    changes += of_keys.changes
    return Plan(tuple(sorted(changes, key=lambda each: each.stage)), (*notes, *of_keys.notes))


def _team_metadata(team: Team) -> dict[str, object]:
    return {MANAGED_BY: MARK, "allowed_tags": list(team.tags)}


def _new_team(team: Team) -> Change:
    body = {"team_id": team.name, "team_alias": team.name, **team.settings}
    body["metadata"] = _team_metadata(team)
    details = tuple(told(team.settings))
    return Change(Stage.LOOSEN_TEAM, "create team", team.name, details, "/team/new", body)


def _team_changes(team: Team, row: Row) -> list[Change]:
    wanted = {**team.settings, **TEAM_CLOSED}
    body, details, tightens = differences(row, wanted, _team_metadata(team))
    if row.blocked and row.noted(REMOVED):
        body, details = {**body, "blocked": False}, (*details, "unblocked")
    if not body:
        return []
    stage = Stage.TIGHTEN_TEAM if tightens else Stage.LOOSEN_TEAM
    action = "change team" if row.managed else "take over team"
    sent = {"team_id": team.name, **body}
    return [Change(stage, action, team.name, details, "/team/update", sent)]


def _is_due(row: Row, wanted: Wanted, now: datetime) -> bool:
    """Whether a team that was taken out has been blocked for long enough."""
    since = row.noted(REMOVED)
    after = wanted.delete_after
    return row.blocked and since is not None and after is not None and since + after <= now


def _other_team(row: Row, wanted: Wanted, now: datetime) -> list[Change]:
    """A team that the document does not name: blocked first, deleted later."""
    since = row.noted(REMOVED)
    if not row.managed or _is_due(row, wanted, now):
        why = f"blocked since {since:%Y-%m-%d %H:%M}" if since else "not in the document"
        body = {"team_ids": [row.id]}
        return [Change(Stage.DELETE_TEAM, "delete team", row.title, (why,), "/team/delete", body)]
    if since is not None and row.blocked:
        return []
    body = {
        "team_id": row.id,
        "blocked": True,
        "metadata": {**row.metadata, REMOVED: (since or now).isoformat()},
    }
    why = ("taken out of the document",)
    return [Change(Stage.TIGHTEN_TEAM, "block team", row.id, why, "/team/update", body)]
