"""Teams and keys as code on the real LiteLLM: two replicas, PostgreSQL, Redis, the reconciler."""

import json
import random
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from components.programs.gateway_admin import Admin
from components.programs.gateway_state import table
from components.programs.gateway_wanted import read_wanted
from tests.serving.reconcilers import Reconciler, account, reconciling, team, wanted_json
from tests.serving.states import Home
from tools.gateway_state import main as diff
from tools.gateway_state import planned

pytestmark = pytest.mark.timeout(900)

_MASTER_KEY = "sk-master-key-of-these-tests"
_DAY_SECONDS = 86_400
_KILLS = 12


@pytest.fixture(scope="module")
def reconciler(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Generator[Reconciler]:
    """Two replicas on one state, before an engine that always answers."""
    state = home.fresh(_MASTER_KEY)
    with reconciling(tmp_path_factory.mktemp("state"), state) as running:
        yield running


def test_c2_teams_and_keys_are_made_once_and_a_key_opens_its_models_alone(
    reconciler: Reconciler,
) -> None:
    """C2, D7: keys, limits, budgets and model access of teams as code."""
    limits = {"rpm_limit": 600, "max_budget": 50.0, "budget_duration": "30d"}
    own = account(rpm_limit=300, max_budget=1.5, budget_duration="1d", max_parallel_requests=4)
    teams = {"made": team(**limits, accounts={"batch": own})}
    code, said = reconciler.run(teams)
    assert code == 0, said
    assert said.splitlines()[-1] == "done: 2 changes"
    key = reconciler.store.key("made-batch")
    assert reconciler.chats(key) == [200, 200]
    assert reconciler.chat(key, model="other") == 403
    assert reconciler.status("/v1/models", key) == 200
    for path in ("/key/list", "/team/list", "/key/info", "/team/info?team_id=made"):
        assert reconciler.status(path, key) == 403
    assert reconciler.run(teams) == (0, "no changes: teams and keys are as the document says\n")
    assert reconciler.run(teams, "--dry-run")[0] == 0
    (row,) = reconciler.keys("made")
    assert row["key_alias"] == "made/batch/1"
    assert row["max_parallel_requests"] == 4


def test_c2_drift_is_found_by_a_dry_run_and_set_back_by_the_next(reconciler: Reconciler) -> None:
    """C2: what people opened by hand does not stay open."""
    teams = {"drift": team(rpm_limit=60, accounts={"app": account(rpm_limit=30)})}
    assert reconciler.run(teams)[0] == 0
    key = reconciler.store.key("drift-app")
    (row,) = reconciler.keys("drift")
    opened: dict[str, Any] = {"models": [], "rpm_limit": None, "max_budget": None}
    reconciler.admin("/team/update", {"team_id": "drift", **opened, "metadata": {"logging": []}})
    more: dict[str, Any] = {"allowed_routes": [], "aliases": {"chat": "other"}, "duration": "1h"}
    reconciler.admin("/key/update", {"key": row["token"], **opened, **more})
    assert reconciler.chat(key, model="other") == 200

    code, said = reconciler.run(teams, "--dry-run", "--json")
    assert code == 2
    found = {each["name"]: each["details"] for each in json.loads(said)["changes"]}
    assert "requests_per_minute none -> 60" in found["drift"]
    assert {"models all -> chat", "allowed_routes set back"} <= set(found["drift/app"])
    assert reconciler.run(teams)[0] == 0
    assert reconciler.run(teams, "--dry-run")[0] == 0
    assert reconciler.chat(key, model="other") == 403
    assert reconciler.store.key("drift-app") == key


def test_what_people_made_by_hand_is_reported_and_goes_on_working(reconciler: Reconciler) -> None:
    teams = {"hands": team(accounts={"app": account()})}
    assert reconciler.run(teams)[0] == 0
    by_hand = {"team_id": "hands", "key_alias": "of-a-person", "models": ["chat"]}
    key = reconciler.admin("/key/generate", by_hand)["key"]
    lone = reconciler.admin("/key/generate", {"key_alias": "of-nobody", "models": ["chat"]})["key"]
    reconciler.store.ever |= {key, lone}
    code, said = reconciler.run(teams)
    assert code == 0
    assert "key hands/of-a-person was made by hand: it is left as it is" in said
    assert "key no team/of-nobody was made by hand, so that no team's limits hold for it" in said
    assert reconciler.chats(key) == reconciler.chats(lone) == [200, 200]

    code, said = reconciler.run(teams, unmanaged="delete")
    assert code == 0, said
    assert reconciler.chats(key) == reconciler.chats(lone) == [401, 401]
    assert reconciler.chats(reconciler.store.key("hands-app")) == [200, 200]


def test_a_removed_team_is_refused_on_every_replica_at_once_and_deleted_later(
    reconciler: Reconciler,
) -> None:
    teams = {"leaving": team(accounts={"app": account()})}
    assert reconciler.run(teams)[0] == 0
    key = reconciler.store.key("leaving-app")
    assert reconciler.chats(key) == [200, 200]
    assert "block team" in reconciler.run({})[1]
    assert reconciler.chats(key) == [401, 401]
    assert reconciler.admin("/team/info?team_id=leaving")["team_info"]["blocked"] is True

    # It comes back before its time: with its Secret, it is as it was.
    assert reconciler.run(teams)[0] == 0
    assert reconciler.chat(key) == 200
    assert reconciler.run(teams, "--dry-run")[0] == 0

    assert reconciler.run({})[0] == 0
    assert "leaving" not in reconciler.run({})[1]
    time.sleep(1.1)
    code, said = reconciler.run({}, delete_blocked_after_days=1 / _DAY_SECONDS)
    assert code == 0, said
    assert "delete team" in said
    names = {row["team_id"] for row in reconciler.admin("/team/list")}
    assert "leaving" not in names
    assert reconciler.chats(key) == [401, 401]


def test_a_renamed_team_is_another_one_with_another_key(reconciler: Reconciler) -> None:
    """C2: LiteLLM gives no key to another account; what a team has spent is the team's."""
    app = {"app": {**account(), "secret": "renamed-app"}}
    assert reconciler.run({"before": team(rpm_limit=60, accounts=app)})[0] == 0
    key = reconciler.store.key("renamed-app")
    assert reconciler.chats(key) == [200, 200]
    renamed = {"after": team(rpm_limit=60, accounts=app)}
    code, said = reconciler.run(renamed)
    assert code == 0, said
    assert reconciler.chats(key) == [401, 401]
    assert reconciler.chats(reconciler.store.key("renamed-app")) == [200, 200]
    assert reconciler.run(renamed, "--dry-run")[0] == 0
    found = {row["team_id"]: row for row in reconciler.admin("/team/list")}
    assert found["before"]["blocked"] is True
    assert found["after"]["spend"] == 0
    assert {"max_budget", "budget_reset_at"} <= found["after"].keys()  # as README reads them


def test_c2_a_rotation_under_steady_requests_refuses_none_of_them(reconciler: Reconciler) -> None:
    """C2: one client reads its Secret each time, the other one four seconds late."""
    name, overlap = "turning-app", 8
    turning = {"turning": team(accounts={"app": account(overlap_seconds=overlap)})}
    assert reconciler.run(turning)[0] == 0
    old = reconciler.store.key(name)
    stop, statuses = threading.Event(), list[tuple[str, int]]()

    def asking(client: str, replica: int) -> None:
        held, since = old, 0.0
        while not stop.is_set():
            shown = reconciler.store.key(name)
            if client == "prompt":
                held = shown
            elif shown != held:
                since = since or time.monotonic()
                held = shown if time.monotonic() > since + overlap / 2 else held
            statuses.append((client, reconciler.chat(held, replica=replica)))

    clients = [
        threading.Thread(target=asking, args=(client, replica))
        for client in ("prompt", "late")
        for replica in range(2)
    ]
    for each in clients:
        each.start()
    turning["turning"]["accounts"]["app"]["generation"] = 2
    code, said = reconciler.run(turning)
    ended = time.monotonic()
    time.sleep(overlap + 2)
    stop.set()
    for each in clients:
        each.join()

    assert code == 0, said
    assert reconciler.store.key(name) != old
    assert {status for _, status in statuses} == {200}
    assert min(sum(1 for who, _ in statuses if who == c) for c in ("prompt", "late")) > 10
    assert time.monotonic() > ended + overlap
    assert reconciler.chats(old) == [401, 401]
    assert "replaced" in reconciler.run(turning)[1]
    assert len(reconciler.keys("turning")) == 1


def test_a_run_killed_at_any_moment_is_taken_up_by_the_next_one(reconciler: Reconciler) -> None:
    """`kill -9` somewhere in a run's changes; then each account has one key, in its Secret."""
    chance = random.Random(6)
    assert reconciler.run(_killed(1))[0] == 0
    whole, _ = reconciler.applying(_killed(2))
    cut = 0
    for generation in range(3, 3 + _KILLS):
        teams = _killed(generation)
        _, code = reconciler.applying(teams, killed_after_seconds=chance.uniform(0, 0.8) * whole)
        cut += code != 0
        code, said = reconciler.run(teams)
        assert code == 0, said
        assert reconciler.run(teams, "--dry-run")[0] == 0
        rows = reconciler.keys("killed")
        assert sorted(row["metadata"]["service_account_id"] for row in rows) == [
            "killed/a",
            "killed/b",
        ]
        for name in ("killed-a", "killed-b"):
            assert reconciler.chat(reconciler.store.key(name)) == 200
            assert reconciler.store.secrets[name].keys() == {"api-key"}
    assert cut > _KILLS / 4


def _killed(generation: int) -> dict[str, Any]:
    accounts = {name: account(generation, overlap_seconds=0) for name in ("a", "b")}
    return {"killed": team(rpm_limit=1000 + generation, accounts=accounts)}


def test_c3_a_team_sends_the_tags_that_the_document_gives_it_and_no_others(
    reconciler: Reconciler,
) -> None:
    """C3: a tag leads to another model, so it is a right, wherever in a request it stands."""
    teams = {
        "tags": team(tags=["complex_reasoning"], accounts={"app": account()}),
        "none": team(accounts={"app": account()}),
    }
    assert reconciler.run(teams)[0] == 0
    allowed, other = reconciler.store.key("tags-app"), reconciler.store.key("none-app")
    assert reconciler.tagged(allowed, "complex_reasoning")[0] == 200
    assert reconciler.chat(other) == 200
    status, said = reconciler.tagged(other, "complex_reasoning")
    assert status == 403
    assert "the tag 'complex_reasoning' is not among those that this key may use: none" in said
    assert reconciler.tagged(allowed, "complex_reasoning,cheap")[0] == 403
    assert reconciler.chat(allowed, tags=["cheap"]) == 403
    assert reconciler.chat(allowed, metadata={"tags": ["cheap"]}) == 403
    assert reconciler.tagged(_MASTER_KEY, "cheap")[0] == 200


def test_the_diff_for_a_pull_request_is_what_a_run_would_change(
    reconciler: Reconciler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From outside the cluster, where nobody may look into Secrets."""
    teams = {"asked": team(rpm_limit=10, accounts={"app": account()})}
    assert reconciler.run(teams)[0] == 0
    admin = Admin(reconciler.replicas[0].url, _MASTER_KEY)
    assert planned(read_wanted(wanted_json(teams)), admin).changes == ()
    teams["asked"]["settings"]["rpm_limit"] = 5
    teams["asked"]["accounts"]["app"]["generation"] = 2
    said = table(planned(read_wanted(wanted_json(teams)), admin)).splitlines()
    assert [line.split("  ")[0] for line in said] == ["change team", "rotate key", "retire key"]
    assert reconciler.run(teams, "--dry-run")[1].splitlines() == said

    (tmp_path / "key").write_text(f"{_MASTER_KEY}\n", encoding="utf-8")
    options = ("--stack=production", f"--base-url={reconciler.replicas[0].url}")
    code = diff([*options, f"--key-file={tmp_path / 'key'}", "--json"])
    (change, *_) = json.loads(capsys.readouterr().out)["changes"]
    assert code == 2
    assert (change["action"], change["name"]) == ("block team", "asked")


def test_a_gateway_that_is_not_there_ends_the_run_with_one_sentence(
    reconciler: Reconciler, tmp_path: Path
) -> None:
    gone = Reconciler(reconciler.replicas, reconciler.store, tmp_path, "sk-wrong-key-of-somebody")
    code, said = gone.run({})
    assert code == 1
    assert said.startswith("error: /team/list answered 401")
    assert "sk-" not in said
    code, said = reconciler.run({}, "--base-url=http://127.0.0.1:1", "--wait-seconds=0")
    assert code == 1
    assert said.startswith("error: /health/readiness of http://127.0.0.1:1 did not answer")


def test_no_key_that_was_ever_made_stands_in_any_log(reconciler: Reconciler) -> None:
    """Last of all: what every run said, and what both replicas logged."""
    assert len(reconciler.store.ever) > _KILLS
    logs = [each.log.read_text(encoding="utf-8") for each in reconciler.replicas]
    said = "\n".join((*reconciler.said, *logs))
    assert len(said) > 1000
    for key in (*reconciler.store.ever, _MASTER_KEY):
        assert key not in said
        assert key.removeprefix("sk-")[:12] not in said
