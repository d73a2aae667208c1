"""What clients and tenants notice when something about the gateway is away: two real replicas.

Each test takes one thing away and brings it back; the next one finds everything running. Last, the
replicas themselves: all of them are replaced, and then one is killed.
"""

import signal
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from tests.serving.collectors import Span
from tests.serving.conftest import ENVIRONMENT_SECONDS
from tests.serving.gateway_pairs import (
    MODEL,
    PATIENCE_SECONDS,
    Gateways,
    gateway_pair,
    traced,
    until,
)
from tests.serving.gateways import metrics_url
from tests.serving.processes import Server
from tests.serving.rolls import Roll, rolled
from tests.serving.stacks import MASTER_KEY, gateway_of
from tests.serving.states import State
from tests.serving.streams import Answer, chat
from tests.serving.tls_front import LOOPBACK, Authority
from tests.serving.upstream import WORDS

pytestmark = pytest.mark.timeout(ENVIRONMENT_SECONDS)

_WHOLE = "".join(WORDS)
_PROMPT = "zebra-of-the-prompt-5108"
_BELIEF_SECONDS = 10
"""`user_api_key_cache_ttl` as rendered: how long a replica goes by what it knows of a key."""


@pytest.fixture(scope="module")
def gateways(gateway_state: State, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateways]:
    with gateway_pair(gateway_state, tmp_path_factory.mktemp("outages")) as running:
        yield running


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
    gateways.engine.refusals[MODEL] = (503, "the queue is full")
    begin = time.monotonic()
    assert set(gateways.statuses(key)) == {503}
    assert time.monotonic() - begin < PATIENCE_SECONDS
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
            chat(url, MODEL, key=key, on_first_text=go_on.set)
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
    until(lambda: all(status in refused for status in gateways.statuses(spent)))
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
    until(lambda: gateways.statuses(good) == (200, 200))
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
    until(lambda: gateways.statuses(key) == (200, 200))


@pytest.mark.parametrize(
    ("who", "address", "said"),
    [
        ("another", LOOPBACK, "unable to get local issuer certificate"),
        ("the same", "127.0.0.2", "IP address mismatch"),
    ],
)
def test_a_redis_that_cannot_prove_who_it_is_counts_nothing(
    gateways: Gateways, who: str, address: str, said: str
) -> None:
    """Row D7, `gateway.redis.tls`: authority and name are both asked; without them it is away."""
    key, front = gateways.key(f"counted-{address}", rpm_limit=100), gateways.redis_tls
    assert gateways.statuses(key) == (200, 200)
    other = Authority(gateways.folder / f"{who}.pem") if who == "another" else front.authority
    front.show(other.certificate(address))
    try:
        until(lambda: all(said in server.said for server in gateways.servers))
        assert gateways.statuses(key) == (503, 503)
    finally:
        front.show(front.authority.certificate(LOOPBACK))
    print(f"{until(lambda: gateways.statuses(key) == (200, 200)):.0f} s")


def test_a10_traces_tell_who_asked_which_model_and_at_what_price(gateways: Gateways) -> None:
    """A client's own trace goes on in the gateway's spans."""
    (span,) = _spans(gateways, gateways.key("traced"))
    assert span.service == "akko-akko-litellm"
    assert span.attributes["metadata.user_api_key_team_id"] == "traced"
    assert span.attributes["gen_ai.request.model"] == MODEL
    assert int(span.attributes["gen_ai.usage.output_tokens"]) > 0
    assert float(span.attributes["gen_ai.cost.total_cost"]) > 0


def _spans(gateways: Gateways, key: str) -> list[Span]:
    """What traces tell of one request of `_PROMPT` to the first replica."""
    trace = gateways.traced_chat(key, _PROMPT)
    found: list[Span] = []

    def arrived() -> bool:
        found[:] = gateways.traces.spans(trace)
        return {"litellm_request", "Received Proxy Server Request"} <= {s.name for s in found}

    until(arrived)
    return [span for span in found if span.name == "litellm_request"]


def test_d7_no_prompt_no_answer_and_no_key_leave_in_traces_metrics_and_logs(
    gateways: Gateways,
) -> None:
    """Row D7, as rendered by default."""
    key = gateways.key("silent")
    assert _spans(gateways, key)
    said = {"traces": gateways.traces.raw.decode(errors="replace")}
    for server in gateways.servers:
        metrics = httpx.get(metrics_url(server), timeout=PATIENCE_SECONDS, trust_env=False)
        assert "litellm_in_flight_requests" in metrics.text
        said |= {f"{server.url} metrics": metrics.text, f"{server.url} log": server.said}
    for text in (_PROMPT, _WHOLE, key, key.removeprefix("sk-"), MASTER_KEY):
        assert [where for where, each in said.items() if text in each] == [], text


def test_without_an_answer_of_the_collector_requests_go_on_as_fast(gateways: Gateways) -> None:
    """It takes what is sent and says nothing, which is worse than if it were away."""
    key, times = gateways.key("untraced"), list[float]()
    for speaks in (True, False):
        if not speaks:
            gateways.traces.speaks.clear()
            taken = len(gateways.traces.bodies)
            gateways.traced_chat(key, _PROMPT)
            until(lambda: len(gateways.traces.bodies) > taken)  # noqa: B023 - done before the next
        begin = time.monotonic()
        for _ in range(20):
            assert gateways.statuses(key) == (200, 200)
        times.append(time.monotonic() - begin)
    gateways.traces.speaks.set()
    assert times[1] < 2 * times[0] + 1, times


@pytest.fixture(scope="module")
def roll(gateways: Gateways) -> Generator[Roll]:
    value = traced()
    value["gateway"]["observability"]["log_prompts"] = True
    with rolled(gateways, gateway_of(value)) as told:
        yield told


def test_b5_a_roll_out_under_streams_truncates_and_refuses_nothing(roll: Roll) -> None:
    """Row B5: another configuration, both replicas, and clients that never pause."""
    got = [each for each in roll.answers if isinstance(each, Answer)]
    assert got == roll.answers
    whole = Answer(_WHOLE, "stop", None, done=True)
    assert [replace(each, completion_tokens=None) for each in got] == [whole] * len(got)
    assert len(got) > 20
    assert min(roll.cut) > 0, "no stream was open when a replica was told to end"
    assert {code in {0, -signal.SIGTERM} for code in roll.codes} == {True}
    print(f"{len(got)} answers, old replicas ended after {roll.seconds} s")


def test_prompts_and_answers_are_in_traces_once_the_document_says_so(roll: Roll) -> None:
    (span,) = _spans(roll.after, roll.after.key("told"))
    said = " ".join(span.attributes.values())
    assert _PROMPT in said
    assert _WHOLE in said


def test_only_streams_of_a_replica_that_is_killed_are_cut(roll: Roll) -> None:
    """Row B5: steady streams on two replicas, one of which goes away in their middle."""
    gateways = roll.after
    key = gateways.key("streaming")
    staying, leaving = gateways.servers
    gateways.engine.go_on.clear()
    begun = threading.Barrier(5)

    def stream(server: Server) -> Answer | BaseException:
        try:
            return chat(server.url, MODEL, key=key, on_first_text=lambda: _pass(begun))
        except (AssertionError, httpx.HTTPError) as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        stays = [pool.submit(stream, staying) for _ in range(2)]
        goes = [pool.submit(stream, leaving) for _ in range(2)]
        _pass(begun)
        leaving.process.kill()
        time.sleep(1)
        gateways.engine.go_on.set()
        kept = [each.result(PATIENCE_SECONDS) for each in stays]
        left = [each.result(PATIENCE_SECONDS) for each in goes]
    for each in kept:
        assert isinstance(each, Answer), each
        assert replace(each, completion_tokens=None) == Answer(_WHOLE, "stop", None, done=True)
    assert all(isinstance(each, httpx.HTTPError) for each in left)


def _pass(barrier: threading.Barrier) -> None:
    barrier.wait(PATIENCE_SECONDS)
