"""What clients and tenants notice when something behind the gateway is away: two real replicas.

Each test takes one thing away and brings it back; the next one finds everything running.
"""

import signal
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from tests.rendering import document
from tests.serving.admin import Admin
from tests.serving.conftest import ENVIRONMENT_SECONDS
from tests.serving.gateways import running_gateway
from tests.serving.processes import Server
from tests.serving.stacks import MASTER_KEY, gateway_of
from tests.serving.states import State
from tests.serving.streams import Answer, chat
from tests.serving.upstream import WORDS, Upstream, upstream

pytestmark = pytest.mark.timeout(ENVIRONMENT_SECONDS)

_MODEL = "akko-coder"
_WHOLE = "".join(WORDS)
_BELIEF_SECONDS = 10
"""`user_api_key_cache_ttl` as rendered: how long a replica goes by what it knows of a key."""
_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Gateways:
    """Two replicas before one stand-in for the engine.

    Attributes:
        state: Their stores.
        engine: The stand-in.
        servers: Both.
        folder: For files of further ones.
    """

    state: State
    engine: Upstream
    servers: tuple[Server, ...]
    folder: Path

    @property
    def operator(self) -> Admin:
        """The operator at the first one."""
        return Admin(self.servers[0], MASTER_KEY)

    def key(self, team: str, **limits: object) -> str:
        """A key of a new team.

        Args:
            team: Its name.
            limits: Limits of the team, as LiteLLM names them.
        """
        self.operator.post("/team/new", team_id=team, team_alias=team, models=[_MODEL], **limits)
        made: str = self.operator.post("/key/generate", team_id=team, key_alias=team)["key"]
        return made

    def statuses(self, key: str) -> tuple[int, ...]:
        """What both answer to a chat with a key."""
        return tuple(Admin(server, key).chat_status(_MODEL) for server in self.servers)


@pytest.fixture(scope="module")
def gateways(gateway_state: State, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateways]:
    container, folder = gateway_of(document("production")), tmp_path_factory.mktemp("outages")
    with upstream() as engine, ExitStack() as stack:
        engine.go_on.set()
        servers: list[Server] = []
        for number in range(2):
            own = folder / str(number)
            own.mkdir()
            gateway = running_gateway(container, gateway_state, engine.url, own)
            servers.append(stack.enter_context(gateway))
        yield Gateways(gateway_state, engine, tuple(servers), folder)


def _until(true: Callable[[], bool]) -> float:
    """Seconds until something is true."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() < begin + _PATIENCE_SECONDS, "it did not come true"
        time.sleep(0.5)
    return time.monotonic() - begin


def test_c2_a_team_s_limit_holds_over_both_replicas_together(gateways: Gateways) -> None:
    """Rows C2, D7: three requests a minute are three, wherever they arrive."""
    key = gateways.key("limited", rpm_limit=3)
    statuses = [status for _ in range(3) for status in gateways.statuses(key)]
    assert sorted(statuses) == [200, 200, 200, 429, 429, 429]


def test_an_engine_that_is_down_is_an_error_at_once_and_takes_no_one_s_alias_away(
    gateways: Gateways,
) -> None:
    """Row B8: the alias is one address, which must not rest when the engine is back."""
    key = gateways.key("of-an-engine-that-is-down")
    gateways.engine.refusals[_MODEL] = (503, "the queue is full")
    begin = time.monotonic()
    assert set(gateways.statuses(key)) == {503}
    assert time.monotonic() - begin < _PATIENCE_SECONDS
    gateways.engine.refusals.clear()
    assert gateways.statuses(key) == (200, 200)


def test_an_engine_that_dies_in_the_middle_of_a_stream_is_not_taken_for_an_end(
    gateways: Gateways,
) -> None:
    """What came is truncated, and the client can see it."""
    key = gateways.key("of-an-engine-that-dies")
    url, go_on = gateways.servers[0].url, gateways.engine.go_on
    go_on.clear()
    gateways.engine.dies.set()
    try:
        with pytest.raises((AssertionError, httpx.HTTPError)):  # an event that is an error
            chat(url, _MODEL, key=key, on_first_text=go_on.set)
    finally:
        gateways.engine.dies.clear()
        go_on.set()


def test_without_the_database_revoked_keys_stay_revoked_and_no_unknown_key_gets_in(
    gateways: Gateways,
) -> None:
    """The decided mode: what cannot be checked is refused; what was checked just now goes on."""
    good, revoked, spent = (gateways.key(name) for name in ("good", "revoked", "spent"))
    assert {gateways.statuses(key) for key in (good, revoked, spent)} == {(200, 200)}
    gateways.operator.post("/key/block", key=revoked)
    gateways.operator.post("/key/update", key=spent, max_budget=0.000001, spend=1.0)
    refused = (401, 403, 400, 422, 429)
    _until(lambda: all(status in refused for status in gateways.statuses(spent)))
    gateways.state.postgres.stop()
    try:
        stopped = time.monotonic()
        for seconds in (0, _BELIEF_SECONDS + 5):
            time.sleep(max(0, stopped + seconds - time.monotonic()))
            for key in (revoked, spent, "sk-nobody-has-this-one-0123"):
                assert 200 not in gateways.statuses(key)
        for server in gateways.servers:
            ready = httpx.get(f"{server.url}/health/readiness", timeout=60, trust_env=False)
            assert ready.status_code == 503  # Kubernetes takes the pod out of the Service
    finally:
        gateways.state.postgres.start()
    _until(lambda: gateways.statuses(good) == (200, 200))
    assert 200 not in gateways.statuses(revoked)
    assert 200 not in gateways.statuses(spent)


def test_without_redis_a_limit_is_not_multiplied_but_its_requests_are_refused(
    gateways: Gateways,
) -> None:
    """Fail closed: each replica counting for itself would let twice as many through."""
    key = gateways.key("counted", rpm_limit=100)
    assert gateways.statuses(key) == (200, 200)
    gateways.state.redis.stop()
    try:
        assert gateways.statuses(key) == (503, 503)
    finally:
        gateways.state.redis.start()
    _until(lambda: gateways.statuses(key) == (200, 200))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_only_streams_of_a_replica_that_is_killed_are_cut_and_none_of_one_that_drains(
    gateways: Gateways, how: signal.Signals
) -> None:
    """Row B5: steady streams on two replicas, one of which goes away in their middle."""
    key = gateways.key(f"streaming-{how.name}")
    own = gateways.folder / how.name
    own.mkdir()
    container = gateway_of(document("production"))
    gateways.engine.go_on.clear()
    with running_gateway(container, gateways.state, gateways.engine.url, own) as leaving:
        begun = threading.Barrier(5)

        def stream(server: Server) -> Answer | BaseException:
            try:
                return chat(server.url, _MODEL, key=key, on_first_text=lambda: _pass(begun))
            except (AssertionError, httpx.HTTPError) as error:
                return error

        with ThreadPoolExecutor(4) as pool:
            staying = [pool.submit(stream, gateways.servers[0]) for _ in range(2)]
            going = [pool.submit(stream, leaving) for _ in range(2)]
            _pass(begun)
            leaving.process.send_signal(how)
            time.sleep(1)
            gateways.engine.go_on.set()
            kept = [each.result(_PATIENCE_SECONDS) for each in staying]
            left = [each.result(_PATIENCE_SECONDS) for each in going]
    whole = Answer(_WHOLE, "stop", None, done=True)
    for each in kept + (left if how is signal.SIGTERM else []):
        assert isinstance(each, Answer), each
        assert replace(each, completion_tokens=None) == whole
    if how is signal.SIGKILL:
        assert all(isinstance(each, httpx.HTTPError) for each in left)


def _pass(barrier: threading.Barrier) -> None:
    barrier.wait(_PATIENCE_SECONDS)
