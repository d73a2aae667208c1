"""Streams, limits and TLS of the real Envoy, configured by Envoy Gateway's own translator."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.serving.answering import BREAK, PACE
from tests.serving.raw_https import Reply, ask, connection, send, trusting
from tests.serving.ways_in import CREATED, Programs, WayIn, rendered, way_in

pytestmark = pytest.mark.timeout(300)

CHAT = "/v1/chat/completions"
SHORT_STREAM = 1
SILENCE_SECONDS = 16
"""What the way in waits for the next byte where streams of one second are promised."""
PER_SECOND, PER_MINUTE, CONNECTIONS = 5, 20, 4


@pytest.fixture(scope="module")
def way(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WayIn]:
    """Five minutes of stream, as in production."""
    with way_in(programs, rendered(CREATED), tmp_path_factory.mktemp("long")) as running:
        yield running


@pytest.fixture(scope="module")
def narrow(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WayIn]:
    """Limits that a test can reach."""
    limits = {
        "requests_per_second": PER_SECOND,
        "requests_per_minute": PER_MINUTE,
        "max_request_mib": 1,
    }
    parent = {**CREATED, "connections": CONNECTIONS}
    networks = [f"127.0.0.{host}/32" for host in range(1, 10)]
    stack = rendered(parent, SHORT_STREAM, limits=limits, client_networks=networks)
    with way_in(programs, stack, tmp_path_factory.mktemp("narrow")) as running:
        yield running


def arrivals(way: WayIn, pace: str) -> list[float]:
    """When each piece of a stream came, in seconds after the request."""
    started = time.monotonic()
    with connection(way.proxy) as opened:
        answer = send(opened, "POST", CHAT, {PACE: pace}, b"{}")
        assert answer.status == 200
        found: list[float] = []
        while line := answer.readline():
            if line.startswith(b"data: "):
                found.append(time.monotonic() - started)
    return found


def test_a_stream_that_begins_late_is_whole_and_comes_as_it_is_sent(way: WayIn) -> None:
    """Row B7: Envoy's own time-out of 15 s for a whole response would end it."""
    found = arrivals(way, "17,0.5,0.5,0.5,0.5")
    assert len(found) == 5
    assert found[0] >= 17
    gaps = [later - sooner for sooner, later in pairwise(found)]
    assert min(gaps) > 0.3  # held back, they would come at once


def test_a_stream_goes_on_for_longer_than_any_silence_may_last(narrow: WayIn) -> None:
    """Row B7: what is measured is the time to the next byte, not the whole response."""
    found = arrivals(narrow, "0" + ",4" * 5)
    assert len(found) == 6
    assert found[-1] > SILENCE_SECONDS


def test_a_stream_that_says_nothing_is_ended_after_the_chain_s_time(narrow: WayIn) -> None:
    started = time.monotonic()
    with connection(narrow.proxy, source="127.0.0.8") as opened:
        answer = send(opened, "POST", CHAT, {PACE: "0,40"})
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    assert SILENCE_SECONDS - 1 < time.monotonic() - started < SILENCE_SECONDS + 8


@pytest.mark.parametrize(("size", "status"), [(1_000_000, 200), (1_100_000, 413)])
def test_a_body_longer_than_the_limit_is_refused(narrow: WayIn, size: int, status: int) -> None:
    """Row B7."""
    before = len(narrow.gateway.received)
    reply = ask(narrow.proxy, "POST", CHAT, body=b"x" * size, source="127.0.0.2")
    assert reply.status == status
    lengths = [each.length for each in narrow.gateway.received[before:]]
    assert lengths == ([size] if status == 200 else [])


def test_a_large_request_of_the_default_limit_arrives_whole(way: WayIn) -> None:
    size = 19 * 2**20
    assert ask(way.proxy, "POST", CHAT, body=b"x" * size).status == 200
    assert way.gateway.received[-1].length == size


def asked(way: WayIn, source: str, times: int, pause: float = 0) -> tuple[list[int], float]:
    """Codes of requests from one address on one connection, and the seconds that they took."""
    codes: list[int] = []
    started = time.monotonic()
    with connection(way.proxy, source=source) as opened:
        for number in range(times):
            claimed = {"X-Forwarded-For": f"9.9.9.{number}"}
            answer = send(opened, "GET", "/v1/models", claimed)
            answer.read()
            codes.append(answer.status)
            time.sleep(pause)
    return codes, time.monotonic() - started


def test_a_client_that_asks_too_often_is_told_to_wait_and_others_are_not(narrow: WayIn) -> None:
    """Rows B7, D7: by the address of the client, which it cannot choose by a header."""
    codes, seconds = asked(narrow, "127.0.0.3", PER_SECOND * 6)
    assert codes[:PER_SECOND] == [200] * PER_SECOND
    assert set(codes) == {200, 429}
    assert codes.count(200) <= PER_SECOND * (1 + seconds) + 1  # allowances come back steadily
    assert ask(narrow.proxy, "GET", "/v1/models", source="127.0.0.4").status == 200


def test_a_minute_has_a_limit_of_its_own(narrow: WayIn) -> None:
    codes, seconds = asked(narrow, "127.0.0.5", PER_MINUTE * 2, 1 / PER_SECOND)
    assert codes[:PER_MINUTE] == [200] * PER_MINUTE
    assert codes.count(200) <= PER_MINUTE * (1 + seconds / 60) + 1
    assert codes[-1] == 429


def test_clients_from_other_networks_are_refused(narrow: WayIn) -> None:
    """Row A6."""
    before = len(narrow.gateway.received)
    claimed = {"X-Forwarded-For": "127.0.0.1"}
    assert ask(narrow.proxy, "GET", "/v1/models", claimed, source="127.0.0.77").status == 403
    assert len(narrow.gateway.received) == before


def test_a_connection_beyond_the_limit_is_closed(narrow: WayIn) -> None:
    """Row B7."""
    held = [socket.create_connection(("127.0.0.1", narrow.proxy.ports["https"])) for _ in range(9)]
    tls = trusting(narrow.proxy)
    opened: list[ssl.SSLSocket] = []
    refused = 0
    for plain in held:
        plain.settimeout(10)
        try:
            opened.append(tls.wrap_socket(plain, server_hostname="llm.akko.local"))
        except (ssl.SSLError, ConnectionError):
            refused += 1
    assert (len(opened), refused) == (CONNECTIONS, 9 - CONNECTIONS)
    for each in [*opened, *held]:
        each.close()
    time.sleep(0.5)
    assert ask(narrow.proxy, "GET", "/v1/models", source="127.0.0.9").status == 200


def test_plain_http_is_led_to_https_and_reaches_nobody(way: WayIn) -> None:
    """Row B7."""
    before = len(way.gateway.received)
    plain = http.client.HTTPConnection("127.0.0.1", way.proxy.ports["http"], timeout=10)
    for method, path in (("GET", "/v1/models"), ("POST", CHAT), ("GET", "/key/list")):
        answer = send(plain, method, path)
        answer.read()
        assert answer.status == 301
        assert answer.headers["Location"] == f"https://llm.akko.local{path}"
    plain.close()
    assert len(way.gateway.received) == before


@pytest.mark.parametrize(
    ("version", "answered"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_below_1_2_is_refused(way: WayIn, version: ssl.TLSVersion, *, answered: bool) -> None:
    """Row B7: by the proxy; the client would speak it."""
    tls = trusting(way.proxy)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = version
    if answered:
        with connection(way.proxy, tls=tls) as opened:
            assert send(opened, "GET", "/v1/models").status == 200
        return
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"), connection(way.proxy, tls=tls):
        pass


def test_a_request_that_the_gateway_has_read_is_not_sent_again(way: WayIn) -> None:
    """A generation that ran twice would be paid twice."""
    before = len(way.gateway.received)
    assert ask(way.proxy, "POST", CHAT, {BREAK: "yes"}).status == 503
    assert len(way.gateway.received) == before + 1


def test_many_streams_at_once_are_served(programs: Programs, tmp_path: Path) -> None:
    """Envoy's own limit of requests at once would be 1,024; a test has not so many, but 200."""
    limits = {"requests_per_second": 1000, "requests_per_minute": 10_000}
    with way_in(programs, rendered(CREATED, limits=limits), tmp_path) as running:
        found: list[Reply] = []

        def one() -> None:
            found.append(ask(running.proxy, "POST", CHAT, {PACE: "3"}))

        threads = [threading.Thread(target=one) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [reply.status for reply in found] == [200] * 200
