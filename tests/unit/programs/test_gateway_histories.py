"""The reconciler after any history: runs that are killed, runs at once, hands that meddle."""

import contextlib
import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.programs.gateway_state import COMING
from components.programs.gateway_wanted import Plan, Wanted, key_hash
from tests.unit.programs.gateway_model import KilledError, Model, deployed, replan, wanted

ONE = wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {}}}})
SECRET = "akko-batch"


def test_a_run_killed_before_any_of_its_writes_is_taken_up_by_the_next_one() -> None:
    """Every point of a first run and of a rotation, with and without overlap."""
    for overlap in (24, 0):
        account = {"generation": 2, "overlap_hours": overlap}
        second = wanted({"akko": {"rpm_limit": 90, "accounts": {"batch": account}}})
        for start, document in ((Model(), ONE), (deployed(ONE), second)):
            start.deploy(document)
            whole = copy.deepcopy(start)
            whole.run(document)
            for fuse in range(whole.writes):
                _killed_then_again(copy.deepcopy(start), document, fuse)


def _killed_then_again(model: Model, document: Wanted, fuse: int) -> None:
    before = model.key_of(SECRET)
    with pytest.raises(KilledError):
        model.run(document, fuse=fuse)
    assert not model.key_of(SECRET) or model.works(model.key_of(SECRET))
    assert not before or model.key_of(SECRET) != before or model.works(before)
    _, failures = model.run(document)
    assert failures == ()
    assert replan(model, document) == Plan()
    lasting = [row for row in model.key_rows.values() if row["expires"] is None]
    assert len(lasting) == 1
    assert model.works(model.key_of(SECRET))
    assert COMING not in model.secrets[SECRET]


def test_two_runs_at_once_leave_every_secret_with_a_key_that_works() -> None:
    """The second one starts, and ends, before any of the first one's writes."""
    second = wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {"generation": 2}}}})
    for stale in (ONE, second):
        steps = copy.deepcopy(deployed(ONE))
        steps.run(second)
        for at in range(steps.writes):
            model = deployed(ONE)
            model.interrupt_at(at, stale)
            model.run(second)
            assert model.interruption is None
            assert model.works(model.key_of(SECRET))
            model.run(second)
            assert replan(model, second) == Plan()


NAMES = ("akko", "other", "third")
LIMITS = st.sampled_from([None, 1, 5, 100])
ACCOUNTS = st.fixed_dictionaries(
    {"generation": st.integers(1, 3), "overlap_hours": st.sampled_from([0, 1, 24])},
    optional={"rpm_limit": LIMITS, "max_parallel_requests": LIMITS},
)
TEAMS = st.fixed_dictionaries(
    {"accounts": st.dictionaries(st.sampled_from(["a", "b"]), ACCOUNTS)},
    optional={
        "rpm_limit": LIMITS,
        "max_budget": st.sampled_from([None, 10.0, 2.5]),
        "models": st.sampled_from([["akko-coder"], ["akko-coder", "akko-chat"]]),
    },
)
DOCUMENTS = st.builds(
    wanted,
    st.dictionaries(st.sampled_from(NAMES), TEAMS),
    delete_blocked_after_days=st.sampled_from([None, 1, 7]),
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("deploy"), DOCUMENTS, st.none() | st.integers(0, 12)),
        st.tuples(st.just("hand"), st.integers(0, 5), st.sampled_from(NAMES)),
        st.tuples(st.just("wait"), st.sampled_from([1, 23, 24 * 3]), st.none()),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=400, deadline=None)
@given(EVENTS, DOCUMENTS)
def test_after_any_history_a_run_leaves_nothing_to_do_and_nothing_made_by_hand_is_deleted(
    events: list[tuple[str, Any, Any]], last: Wanted
) -> None:
    """Deployments that are killed anywhere, hands that change anything, and time."""
    model = Model()
    by_hand: set[str] = set()
    for kind, what, more in events:
        if kind == "deploy":
            model.deploy(what)
            with contextlib.suppress(KilledError):
                model.run(what, fuse=more)
        elif kind == "wait":
            model.now += timedelta(hours=what)
        else:
            _by_hand(model, what, more, by_hand)
    model.deploy(last)
    _, failures = model.run(last)
    assert failures == ()
    assert replan(model, last).changes == ()
    assert not by_hand & set(model.deleted)
    for team in last.teams:
        for account in team.accounts:
            assert model.works(model.key_of(account.secret))
            mine = [
                row
                for row in model.key_rows.values()
                if row["metadata"].get("service_account_id") == account.path
                and row["expires"] is None
            ]
            assert len(mine) == 1
            assert mine[0]["token"] == key_hash(model.key_of(account.secret))


def _by_hand(model: Model, what: int, team: str, by_hand: set[str]) -> None:
    """People make teams and keys, and change those that are there; they block nothing here."""
    hands: list[Callable[[Model, str, set[str]], None]] = [
        _makes_team,
        _makes_key,
        _opens_team,
        _opens_keys,
        _deletes_key,
        _overwrites_secret,
    ]
    hands[what](model, team, by_hand)


def _blank() -> dict[str, Any]:
    return {"models": [], "metadata": {}, "expires": None, "created_at": "", "blocked": None}


def _makes_team(model: Model, team: str, by_hand: set[str]) -> None:
    model.team_rows[f"hand-{team}"] = {"team_alias": None, **_blank()}
    by_hand.add(f"hand-{team}")


def _makes_key(model: Model, team: str, by_hand: set[str]) -> None:
    hashed = key_hash(f"{team}{len(model.key_rows)}")
    alias = f"by hand {len(model.key_rows)} {model.now}"
    model.key_rows[hashed] = {**_blank(), "token": hashed, "team_id": team, "key_alias": alias}
    by_hand.add(hashed)


def _opens_team(model: Model, team: str, _by_hand: set[str]) -> None:
    if team in model.team_rows:
        model.team_rows[team] |= {"models": [], "rpm_limit": 10**9}


def _opens_keys(model: Model, _team: str, _by_hand: set[str]) -> None:
    for key in model.key_rows.values():
        if key["metadata"]:
            key |= {"models": [], "allowed_routes": [], "max_budget": 1e9}


def _deletes_key(model: Model, _team: str, _by_hand: set[str]) -> None:
    for hashed in [h for h, key in model.key_rows.items() if key["metadata"]][:1]:
        del model.key_rows[hashed]


def _overwrites_secret(model: Model, _team: str, _by_hand: set[str]) -> None:
    for secret in list(model.secrets)[:1]:
        model.secrets[secret] = {"api-key": "sk-somebody-elses"}
        model.versions[secret] += 1
