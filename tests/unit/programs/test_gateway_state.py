"""The reconciler of the gateway's state against a model of the gateway: every order of events."""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from components.core.public_paths import PUBLIC_PATHS
from components.programs.gateway_state import as_json, table
from components.programs.gateway_wanted import Plan, StateError, key_hash, read_wanted
from tests.unit.programs.gateway_model import Model, deployed, replan, wanted

ONE = wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {}}}})
SECRET = "akko-batch"
HAND_MADE: dict[str, Any] = {"models": [], "metadata": {}, "expires": None, "token": ""}


def actions(plan: Plan) -> list[str]:
    return [each.action for each in plan.changes]


def test_c2_a_team_and_its_account_are_made_once_and_then_nothing_changes() -> None:
    """C2: keys, limits and budgets of teams as code."""
    model = Model()
    model.deploy(ONE)
    plan, failures = model.run(ONE)
    assert failures == ()
    assert actions(plan) == ["create team", "issue key"]
    assert model.works(model.key_of(SECRET))
    (row,) = model.key_rows.values()
    assert row["team_id"] == "akko"
    assert row["models"] == ["akko-coder"]
    assert row["allowed_routes"] == [public.value for public in PUBLIC_PATHS]
    assert replan(model, ONE) == Plan()


def test_a_changed_limit_is_one_change_that_says_from_what_to_what() -> None:
    model = deployed(ONE)
    plan, _ = model.run(wanted({"akko": {"rpm_limit": 120, "accounts": {"batch": {}}}}))
    (change,) = plan.changes
    assert (change.action, change.details) == ("change team", ("requests_per_minute 60 -> 120",))


def test_what_people_changed_of_a_managed_team_or_key_is_set_back() -> None:
    model = deployed(ONE)
    key = key_hash(model.key_of(SECRET))
    model.team_rows["akko"] |= {"models": [], "rpm_limit": None}
    model.key_rows[key] |= {"models": [], "aliases": {"akko-coder": "other"}, "allowed_routes": []}
    plan, _ = model.run(ONE)
    assert [(each.action, each.details) for each in plan.changes] == [
        ("change team", ("models all -> akko-coder", "requests_per_minute none -> 60")),
        (
            "change key",
            ("models all -> akko-coder", "aliases set back", "allowed_routes set back"),
        ),
    ]
    assert replan(model, ONE) == Plan()


def test_metadata_that_people_added_is_taken_out_and_never_shown() -> None:
    """A `logging` entry would send prompts elsewhere, and may hold a credential."""
    model = deployed(ONE)
    model.team_rows["akko"]["metadata"]["logging"] = [{"callback_vars": {"secret": "hunter2"}}]
    plan, _ = model.run(ONE)
    assert "metadata set back (logging)" in table(plan)
    assert "hunter2" not in table(plan) + as_json(plan)
    assert "logging" not in model.team_rows["akko"]["metadata"]


def test_c2_a_rotated_key_and_its_predecessor_both_work_until_the_overlap_is_over() -> None:
    """C2: rotation refuses no valid request."""
    model = deployed(ONE)
    old = model.key_of(SECRET)
    again = wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {"generation": 2}}}})
    plan, _ = model.run(again)
    assert actions(plan) == ["rotate key", "retire key"]
    new = model.key_of(SECRET)
    assert new != old
    assert model.works(old)
    assert model.works(new)
    assert replan(model, again) == Plan()
    model.now += timedelta(hours=25)
    assert not model.works(old)
    assert model.works(new)
    assert actions(model.run(again)[0]) == ["delete key"]
    assert replan(model, again) == Plan()


def test_a_key_replaced_without_overlap_is_deleted_in_the_same_run() -> None:
    model = deployed(ONE)
    old = model.key_of(SECRET)
    change = {"generation": 2, "overlap_hours": 0}
    plan, _ = model.run(wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": change}}}))
    assert actions(plan) == ["rotate key", "delete key"]
    assert not model.works(old)
    assert model.works(model.key_of(SECRET))


def test_a_shortened_overlap_holds_for_a_key_that_was_replaced_before() -> None:
    second: dict[str, Any] = {"akko": {"accounts": {"batch": {"generation": 2}}}}
    model = deployed(wanted({"akko": {"accounts": {"batch": {}}}}), wanted(second))
    second["akko"]["accounts"]["batch"]["overlap_hours"] = 1
    model.run(wanted(second))
    (old,) = [row for row in model.key_rows.values() if row["expires"]]
    assert old["expires"] == (model.now + timedelta(hours=1)).isoformat()


def test_a_new_key_goes_on_counting_what_the_account_has_spent() -> None:
    model = deployed(ONE)
    model.key_rows[key_hash(model.key_of(SECRET))]["spend"] = 4.5
    model.run(wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {"generation": 2}}}}))
    assert model.key_rows[key_hash(model.key_of(SECRET))]["spend"] == 4.5


def test_a_lowered_generation_changes_no_key() -> None:
    """Also a run that was planned before the last document was deployed."""
    second = wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {"generation": 2}}}})
    model = deployed(ONE, second)
    assert replan(model, ONE) == Plan()


def test_a_removed_team_is_blocked_at_once_and_deleted_a_week_later() -> None:
    model = deployed(ONE)
    key = model.key_of(SECRET)
    none = wanted({})
    assert actions(model.run(none)[0]) == ["block team", "block key"]
    assert not model.works(key)
    assert replan(model, none) == Plan()
    model.now += timedelta(days=6, hours=23)
    assert replan(model, none) == Plan()
    model.now += timedelta(hours=1)
    assert actions(model.run(none)[0]) == ["delete key", "delete team"]
    assert model.team_rows == model.key_rows == {}


def test_a_removed_team_is_never_deleted_where_the_document_says_never() -> None:
    model = deployed(ONE)
    none = wanted({}, delete_blocked_after_days=None)
    model.run(none)
    model.now += timedelta(days=4000)
    assert replan(model, none) == Plan()


def test_a_removed_team_that_comes_back_works_again() -> None:
    model = deployed(ONE, wanted({}))
    model.deploy(ONE)
    plan, _ = model.run(ONE)
    assert actions(plan) == ["change team", "rotate key", "delete key"]
    assert model.works(model.key_of(SECRET))
    assert replan(model, ONE) == Plan()


def test_the_key_of_a_removed_account_is_blocked_at_once_and_deleted_a_week_later() -> None:
    model = deployed(ONE)
    key = model.key_of(SECRET)
    alone = wanted({"akko": {"rpm_limit": 60}})
    assert actions(model.run(alone)[0]) == ["block key"]
    assert not model.works(key)
    model.now += timedelta(days=8)
    assert actions(model.run(alone)[0]) == ["delete key"]


def test_a_team_or_key_that_somebody_blocked_by_hand_stays_blocked_and_is_reported() -> None:
    model = deployed(ONE)
    model.team_rows["akko"]["blocked"] = True
    model.key_rows[key_hash(model.key_of(SECRET))]["blocked"] = True
    plan = replan(model, ONE)
    assert plan.changes == ()
    assert [note.partition(" was blocked")[0] for note in plan.notes] == [
        "team akko",
        "a key of akko/batch",
    ]


def test_what_was_made_by_hand_is_reported_and_with_the_documents_word_deleted() -> None:
    model = deployed(ONE)
    model.team_rows["theirs"] = {"team_alias": "theirs", "models": [], "metadata": {}}
    model.key_rows["0" * 64] = {**HAND_MADE, "team_id": None, "key_alias": "of-nobody"}
    model.key_rows["1" * 64] = {**HAND_MADE, "team_id": "akko", "key_alias": "by-hand"}
    before = copy.deepcopy((model.team_rows, model.key_rows))
    plan, _ = model.run(ONE)
    assert plan.changes == ()
    assert plan.notes == (
        "team theirs was made by hand: it is left as it is",
        "key no team/of-nobody was made by hand, so that no team's limits hold for it: it is left "
        "as it is",
        "key akko/by-hand was made by hand: it is left as it is",
    )
    assert (model.team_rows, model.key_rows) == before
    strict = wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {}}}}, unmanaged="delete")
    assert actions(model.run(strict)[0]) == ["delete key", "delete key", "delete team"]
    assert set(model.team_rows) == {"akko"}
    assert model.works(model.key_of(SECRET))


def test_a_removed_team_is_not_deleted_while_it_has_keys_made_by_hand() -> None:
    model = deployed(ONE)
    model.key_rows["1" * 64] = {**HAND_MADE, "team_id": "akko", "key_alias": "by-hand"}
    model.run(wanted({}))
    model.now += timedelta(days=8)
    plan, _ = model.run(wanted({}))
    assert actions(plan) == ["delete key"]
    assert "akko" in model.team_rows
    assert "keys made by hand" in plan.notes[0]


def test_teams_come_before_keys_and_what_takes_away_before_what_gives() -> None:
    model = deployed(
        wanted({"a": {"rpm_limit": 10}, "b": {"rpm_limit": 10, "accounts": {"x": {}}}, "d": {}})
    )
    after = wanted(
        {
            "a": {"rpm_limit": 20},
            "b": {"rpm_limit": 5, "accounts": {"x": {"rpm_limit": 5}}},
            "c": {"accounts": {"y": {}}},
        }
    )
    model.deploy(after)
    plan, _ = model.run(after)
    assert [(each.action, each.name) for each in plan.changes] == [
        ("change team", "b"),
        ("block team", "d"),
        ("change team", "a"),
        ("create team", "c"),
        ("change key", "b/x"),
        ("issue key", "c/y"),
    ]


def test_a_secret_that_cannot_be_written_leaves_no_key_and_holds_up_no_other_team() -> None:
    both = wanted({"akko": {"accounts": {"batch": {}}}, "other": {"accounts": {"app": {}}}})
    model = Model()
    model.deploy(both)
    write = model.write

    def refusing(secret: Any, data: Any) -> Any:  # noqa: ANN401 - as `write`
        if secret.name == SECRET:
            raise StateError("Secret akko-batch: this pod's account may not write it")
        return write(secret, data)

    model.write = refusing
    _, failures = model.run(both)
    assert [each.partition(":")[0] for each in failures] == ["issue key akko/batch"]
    assert [row["team_id"] for row in model.key_rows.values()] == ["other"]
    assert model.works(model.key_of("other-app"))


def test_a_plan_shows_no_key_and_no_hash_of_one() -> None:
    second = wanted({"akko": {"rpm_limit": 60, "accounts": {"batch": {"generation": 2}}}})
    model = deployed(ONE)
    key = model.key_of(SECRET)
    plan, _ = model.run(second)
    for text in (table(plan), as_json(plan), str(json.loads(as_json(plan)))):
        for secret in (key, model.key_of(SECRET), key_hash(key), "sk-"):
            assert secret not in text


@pytest.mark.parametrize("models", [[], None])
def test_a_team_without_models_is_refused_because_it_would_be_one_with_all(models: object) -> None:
    with pytest.raises(StateError):
        wanted({"akko": {"models": models}})


def test_a_state_of_another_form_is_one_sentence() -> None:
    with pytest.raises(StateError, match="the wanted state is not one"):
        read_wanted({"teams": [{"name": "akko"}], "unmanaged": "report"})


def test_a_renamed_team_or_account_is_another_one_with_another_key() -> None:
    """LiteLLM answers 400 to a key that is to become another account's."""
    model = deployed(ONE)
    for team, account, steps in (
        ("akko", "nightly", ["block key", "issue key"]),
        ("works", "nightly", ["block team", "create team", "block key", "issue key"]),
    ):
        before = model.key_of(SECRET)
        renamed = wanted({team: {"rpm_limit": 60, "accounts": {account: {"secret": SECRET}}}})
        plan, failures = model.run(renamed)
        assert (actions(plan), failures) == (steps, ())
        assert not model.works(before)
        assert model.works(model.key_of(SECRET))
        assert replan(model, renamed) == Plan()


def test_with_another_database_each_secret_gets_another_key() -> None:
    model = deployed(ONE)
    before = model.key_of(SECRET)
    model.team_rows.clear()
    model.key_rows.clear()
    assert actions(model.run(ONE)[0]) == ["create team", "issue key"]
    assert model.key_of(SECRET) != before
    assert model.works(model.key_of(SECRET))
