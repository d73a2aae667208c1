"""Two replicas of LiteLLM share a database and a Redis: what one is told, the other one holds to.

Each test has a team of its own; a request costs what its tokens do, at a price that shows.
"""

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.serving.admin import Admin
from tests.serving.conftest import ENVIRONMENT_SECONDS
from tests.serving.processes import Server
from tests.serving.replicas import replicas
from tests.serving.states import Home, State, migrate
from tests.serving.upstream import Upstream, upstream

pytestmark = pytest.mark.timeout(ENVIRONMENT_SECONDS)

MASTER_KEY = "sk-the-key-of-the-operator"
MODEL = "akko-chat"
OTHER = "akko-coder"
Pair = tuple[Server, Server]

_WRITE_SECONDS = 2
"""How often a replica writes what was spent; the default is 10 s."""


@pytest.fixture(scope="module")
def migrated(home: Home) -> State:
    return home.fresh(MASTER_KEY)


@pytest.fixture(scope="module")
def backend() -> Generator[Upstream]:
    with upstream() as running:
        running.go_on.set()
        yield running


@pytest.fixture(scope="module")
def pair(
    migrated: State, backend: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Pair]:
    folder = tmp_path_factory.mktemp("replicas")
    with replicas(2, migrated, _config(backend.url), folder) as running:
        one, two = running
        yield one, two


@pytest.fixture
def team(pair: Pair, request: pytest.FixtureRequest) -> str:
    """The id of a team that only this test has."""
    name: str = request.node.name
    _operator(pair[0]).post("/team/new", team_id=name, team_alias=name, models=[MODEL])
    return name


def _config(backend_url: str) -> dict[str, Any]:
    redis = {name: f"os.environ/REDIS_{name.upper()}" for name in ("host", "port", "password")}
    return {
        "model_list": [
            {
                "model_name": alias,
                "litellm_params": {
                    "model": "hosted_vllm/tiny",
                    "api_base": f"{backend_url}/v1",
                    "api_key": "none",
                    "input_cost_per_token": 0.001,
                    "output_cost_per_token": 0.001,
                },
            }
            for alias in (MODEL, OTHER)
        ],
        "general_settings": {
            "master_key": "os.environ/LITELLM_MASTER_KEY",
            "database_url": "os.environ/DATABASE_URL",
            "proxy_batch_write_at": _WRITE_SECONDS,
        },
        "litellm_settings": {
            "cache": True,
            "cache_params": {"type": "redis", "supported_call_types": [], **redis},
        },
        "router_settings": {f"redis_{name}": value for name, value in redis.items()},
    }


def _operator(server: Server) -> Admin:
    return Admin(server, MASTER_KEY)


def _key(pair: Pair, team: str, **fields: object) -> str:
    made = _operator(pair[0]).post("/key/generate", team_id=team, key_alias=f"{team}/ci", **fields)
    key: str = made["key"]
    return key


def _statuses(pair: Pair, key: str, model: str = MODEL) -> tuple[int, int]:
    one, two = (Admin(server, key).chat_status(model) for server in pair)
    return one, two


def _seconds_until(true: Callable[[], bool], *, at_most: float) -> float:
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < at_most, f"not so within {at_most} s"
        time.sleep(0.2)
    return time.monotonic() - begin


def test_the_database_is_migrated_and_a_second_time_nothing_is_left_to_do(
    home: Home, migrated: State, tmp_path: Path
) -> None:
    """LiteLLM's own command, unmodified, as a job would run it before an update."""
    assert "All migrations have been successfully applied" in home.said
    history = "SELECT migration_name, finished_at FROM _prisma_migrations ORDER BY 1"
    before = migrated.ask(history)
    assert len(before) > 200
    assert all(finished for _, finished in before)
    again = migrate(migrated, tmp_path)
    assert again.returncode == 0, again.stderr
    assert "No pending migrations to apply" in again.stdout + again.stderr
    assert migrated.ask(history) == before


def test_a_key_made_on_one_replica_counts_on_both(pair: Pair, team: str) -> None:
    key = _key(pair, team, models=[MODEL])
    assert _statuses(pair, key) == (200, 200)
    assert _statuses(pair, key, OTHER) == (403, 403)
    assert _statuses(pair, "sk-nobody-has-made-this-one") == (401, 401)


def test_what_was_spent_lies_in_the_database_and_both_replicas_say_so(
    pair: Pair, team: str, migrated: State
) -> None:
    key = _key(pair, team)
    assert _statuses(pair, key) == (200, 200)
    logged = f"SELECT count(*), sum(spend) FROM \"LiteLLM_SpendLogs\" WHERE team_id = '{team}'"

    def written() -> bool:
        told = [_operator(each).get("/key/info", key=key)["info"]["spend"] for each in pair]
        ((requests, spent),) = migrated.ask(logged)
        print(f"logged {requests} requests for {spent}, told {told}")
        return requests == "2" and told == [pytest.approx(float(spent))] * 2 and told[0] > 0

    _seconds_until(written, at_most=60)


def test_what_a_key_was_made_with_is_what_is_read_back(pair: Pair, team: str) -> None:
    """The fields that a reconciler compares, without those that LiteLLM drops silently."""
    asked: dict[str, Any] = {
        "models": [MODEL],
        "max_budget": 1.5,
        "budget_duration": "30d",
        "tpm_limit": 5000,
        "rpm_limit": 60,
        "max_parallel_requests": 4,
        "metadata": {"generation": 1, "text": 'quotes " and {braces}', "list": ["a", None]},
    }
    key = _key(pair, team, **asked)
    for server in pair:
        told = _operator(server).get("/key/info", key=key)["info"]
        assert {name: told[name] for name in asked} == asked
        assert (told["key_alias"], told["team_id"]) == (f"{team}/ci", team)


def test_an_alias_of_a_key_is_taken_only_once(pair: Pair, team: str) -> None:
    _key(pair, team)
    status, text = _operator(pair[1]).refused("/key/generate", team_id=team, key_alias=f"{team}/ci")
    assert status == 400
    assert "already exists" in text


def test_a_team_s_requests_a_minute_are_counted_over_both_replicas(pair: Pair, team: str) -> None:
    allowed = 4
    _operator(pair[0]).post("/team/update", team_id=team, rpm_limit=allowed)
    key = _key(pair, team)
    told = [status for _ in range(allowed) for status in _statuses(pair, key)]
    # A minute may begin anew in between, at most once.
    assert allowed <= told.count(200) <= 2 * allowed - 1
    assert set(told) == {200, 429}


def test_a_key_without_budget_left_is_refused_by_both_replicas(pair: Pair, team: str) -> None:
    key = _key(pair, team, max_budget=0.001)
    assert Admin(pair[0], key).chat_status(MODEL) == 200
    took = _seconds_until(lambda: _statuses(pair, key) == (422, 422), at_most=60)
    print(f"a spent budget: refused by both after {took:.1f} s")
    _operator(pair[0]).post("/key/update", key=key, max_budget=1000)
    _seconds_until(lambda: _statuses(pair, key) == (200, 200), at_most=60)


def test_a_blocked_key_is_refused_by_both_replicas_at_once_and_stays_so_deleted(
    pair: Pair, team: str
) -> None:
    """To block is told to the other replicas through Redis; to delete alone is not (below)."""
    key = _key(pair, team)
    assert _statuses(pair, key) == (200, 200)
    _operator(pair[0]).post("/key/block", key=key)
    took = _seconds_until(lambda: _statuses(pair, key) == (401, 401), at_most=5)
    print(f"a blocked key: refused by both after {took:.1f} s")
    _operator(pair[0]).post("/key/delete", keys=[key])
    assert _statuses(pair, key) == (401, 401)


def test_a_deleted_key_is_refused_here_at_once_and_there_when_its_cache_is_a_minute_old(
    pair: Pair, team: str
) -> None:
    """`user_api_key_cache_ttl`, 60 s unless said: LiteLLM tells nobody of a deletion."""
    key = _key(pair, team)
    assert _statuses(pair, key) == (200, 200)
    _operator(pair[0]).post("/key/delete", keys=[key])
    assert _statuses(pair, key) == (401, 200)
    took = _seconds_until(lambda: _statuses(pair, key) == (401, 401), at_most=75)
    print(f"a deleted key: refused by both after {took:.1f} s")


def test_a_replica_goes_on_after_the_database_was_gone(
    pair: Pair, team: str, migrated: State
) -> None:
    key = _key(pair, team)
    assert _statuses(pair, key) == (200, 200)
    migrated.postgres.kill()
    try:
        assert _statuses(pair, key) == (200, 200)  # both know the key
        assert 401 not in _statuses(pair, "sk-nobody-has-made-this-one")
    finally:
        migrated.postgres.start()
    _seconds_until(lambda: _statuses(pair, "sk-nobody-has-made-this-one") == (401, 401), at_most=90)
    assert _statuses(pair, key) == (200, 200)


def test_a_replica_with_its_engine_fits_into_a_gibibyte(pair: Pair) -> None:
    for server in pair:
        first = psutil.Process(server.process.pid)
        parts = {each.name(): each.memory_info().rss for each in first.children(recursive=True)}
        assert any(name.startswith("query-engine") for name in parts), parts
        own = first.memory_info().rss
        print(f"LiteLLM {own / 2**20:.0f} MiB, {parts}")
        assert own + sum(parts.values()) < 2**30
