"""What reaches the gateway through the real Envoy, configured by Envoy Gateway's own translator."""

import http.client
import itertools
import json
import posixpath
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from components.core.public_paths import PUBLIC_PATHS
from components.envoy_gateway import INTERNAL_HEADERS, WITHHELD_HEADERS
from tests.serving.answering import TELL, Request
from tests.serving.processes import clean_environment
from tests.serving.raw_https import ask, connection, send
from tests.serving.ways_in import CREATED, Programs, WayIn, rendered, way_in

pytestmark = pytest.mark.timeout(600)

LIST_ROUTES = Path(__file__).parent / "engines" / "litellm" / "list_routes.py"
EXISTING = {"source": "existing", "name": "public", "namespace": "envoy-gateway-system"}
PARENTS = {"created": CREATED, "existing": EXISTING}
OPENAI = [
    *((each.method, each.value) for each in PUBLIC_PATHS),
    ("GET", "/v1/models/akko-coder"),
    ("POST", "/v1/chat/completions?stream=true"),
]
CLOSED = ("/key/generate", "/model/new", "/team/new", "/metrics", "/health", "/openapi.json")
SPELLINGS = (
    "/v1/models/..{}",
    "/v1/models/../..{}",
    "/v1/models/../../..{}",
    "/v1/models/%2e%2e/%2e%2e{}",
    "/v1/models/.%2e/%2E.{}",
    "/v1/models/..%2f..%2f{}",
    "/v1/models%2f..%2f..{}",
    "/v1/models/..%5c..{}",
    "/v1/models/..\\..{}",
    "/v1/models/..;/..;{}",
    "/v1/models/%252e%252e/%252e%252e{}",
    "/v1/models/%c0%ae%c0%ae/%c0%ae%c0%ae{}",
    "/v1/chat/completions/../../..{}",
    "/v1/chat/completions{}",
    "/v1/chat/completions/..%00{}",
    "//v1/models/../..{}",
    "/v1//models//..//..{}",
    "/./v1/models/./../..{}",
    "/V1/MODELS/../..{}",
    "/{}",
    "{}",
    "{}/",
    "/.{}",
    "{}?/v1/models",
    "{}#/v1/models",
    "{};/v1/models",
    "{}/../v1/models/../..{}",
    "https://llm.akko.local{}",
    "https://llm.akko.local/v1/models/../..{}",
    "/openai/deployments/akko-coder{}",
)
"""Ways to write a path that a proxy and what stands behind it may read differently."""
OVERRIDES = {
    "X-Original-URL": "/key/generate",
    "X-Rewrite-URL": "/key/generate",
    "X-Forwarded-Prefix": "/key/generate",
    "X-Envoy-Original-Path": "/key/generate",
    "X-HTTP-Method-Override": "PUT",
}


@pytest.fixture(scope="module", params=PARENTS)
def way(
    request: pytest.FixtureRequest, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WayIn]:
    """Without the limits that hundreds of requests of one test would meet."""
    limits = {"requests_per_second": 10_000, "requests_per_minute": 100_000}
    stack = rendered(PARENTS[request.param], limits=limits)
    with way_in(programs, stack, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def served(litellm_python: Path, tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Methods and paths of the real LiteLLM."""
    done = subprocess.run(
        [litellm_python, LIST_ROUTES],
        env=clean_environment(
            tmp_path_factory.mktemp("routes"), {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: list[tuple[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return {(method, re.sub(r"\{[^}]*\}", "x", path)) for method, path in found}


@pytest.fixture
def arrived(way: WayIn) -> list[Request]:
    way.gateway.received.clear()
    return way.gateway.received


def test_envoy_gateway_accepts_every_object_and_finds_all_they_refer_to(way: WayIn) -> None:
    found = list(way.translation.conditions())
    accepted = {name for name, kind, status, _ in found if (kind, status) == ("Accepted", "True")}
    assert {"HTTPRoute akko-akko-litellm", "BackendTrafficPolicy akko-akko-litellm"} <= accepted
    wrong = [each for each in found if each[2] != "True" and each[1] != "OverlappingTLSConfig"]
    # Nobody gives a translation an address.
    assert [each for each in wrong if each[:2] != ("Gateway akko-akko-litellm", "Programmed")] == []


@pytest.mark.parametrize(("method", "path"), OPENAI)
def test_openai_s_paths_reach_the_gateway(
    way: WayIn, arrived: list[Request], method: str, path: str
) -> None:
    """Rows A6, B7."""
    assert ask(way.proxy, method, path).status == 200
    assert [(each.method, each.path) for each in arrived] == [(method, path)]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_another_path_reaches_the_gateway(
    way: WayIn, arrived: list[Request], spelling: str
) -> None:
    """Rows A6, D7: whatever arrives is one of OpenAI's paths, also once the gateway decoded it."""
    for method, closed in itertools.product(("GET", "POST"), CLOSED):
        ask(way.proxy, method, spelling.format(*[closed] * spelling.count("{}")))
    for each in arrived:
        read = posixpath.normpath(unquote(each.path.partition("?")[0]))
        assert _is_public(each.method, read), each


def _is_public(method: str, path: str) -> bool:
    return any(
        method == public.method
        and (path == public.value or (public.below and path.startswith(f"{public.value}/")))
        for public in PUBLIC_PATHS
    )


def test_below_a_public_prefix_the_real_gateway_has_nothing_else(
    served: set[tuple[str, str]],
) -> None:
    """Row D7: a load balancer of AWS hands everything below it on, as it is written."""
    (prefix,) = [public.value for public in PUBLIC_PATHS if public.below]
    assert {path for _, path in served if path.startswith(f"{prefix}/")} == {f"{prefix}/x"}
    assert not [path for _, path in served if path.startswith("/x") and path.count("/") == 1]


def test_every_other_route_of_the_real_gateway_is_closed(
    way: WayIn, arrived: list[Request], served: set[tuple[str, str]]
) -> None:
    """Row D7: all that LiteLLM serves, by its own word, but for what is public."""
    assert {("POST", "/key/generate"), ("GET", "/health")} <= served
    closed = sorted(each for each in served if not _is_public(*each))
    assert len(closed) > 500
    with connection(way.proxy) as opened:
        for method, path in closed:
            answer = send(opened, method, path)
            answer.read()
            assert answer.status == 404, (method, path)
    assert arrived == []


def test_without_tls_nobody_reaches_the_gateway(way: WayIn, arrived: list[Request]) -> None:
    """Row B7: also where the Gateway of the cluster has a listener that would take any route."""
    plain = http.client.HTTPConnection("127.0.0.1", way.proxy.ports["http"], timeout=10)
    for method, path in OPENAI:
        answer = send(plain, method, path)
        answer.read()
        assert answer.status in {301, 404}
    plain.close()
    assert arrived == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "GET"])
def test_a_path_has_one_method(way: WayIn, arrived: list[Request], method: str) -> None:
    assert ask(way.proxy, method, "/v1/responses").status == 404
    assert arrived == []


def test_no_connection_is_upgraded(way: WayIn, arrived: list[Request]) -> None:
    """LiteLLM has a socket at /v1/responses."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    for path in ("/v1/responses", "/v1/models", "/v1/realtime"):
        ask(way.proxy, "GET", path, {**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert {each.path for each in arrived} <= {"/v1/models"}
    assert not [each for each in arrived if "upgrade" in each.headers]


@pytest.mark.parametrize("header", OVERRIDES)
def test_no_header_leads_elsewhere(way: WayIn, arrived: list[Request], header: str) -> None:
    assert ask(way.proxy, "GET", "/v1/models", {header: OVERRIDES[header]}).status == 200
    assert ask(way.proxy, "GET", "/key/generate", {header: "/v1/models"}).status == 404
    assert [(each.method, each.path) for each in arrived] == [("GET", "/v1/models")]


def test_headers_that_only_the_platform_may_set_are_taken_off(
    way: WayIn, arrived: list[Request]
) -> None:
    sent = {"Authorization": "Bearer k", "x-litellm-tags": "a", "x-request-id": "mine"}
    ask(way.proxy, "GET", "/v1/models", {**sent, **dict.fromkeys(WITHHELD_HEADERS, "evil")})
    (request,) = arrived
    assert not set(WITHHELD_HEADERS) & request.headers.keys()
    assert "evil" not in request.headers.values()
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["x-litellm-tags"] == "a"
    assert request.headers["x-forwarded-proto"] == "https"


def test_what_is_told_of_engines_and_money_stays_inside(way: WayIn) -> None:
    """Row D7: an answer keeps what clients may know, such as the id of their call."""
    public = ("x-litellm-call-id", "x-ratelimit-remaining-requests")
    asked = {TELL: ",".join((*INTERNAL_HEADERS, *public))}
    told = ask(way.proxy, "GET", "/v1/models", asked).headers
    assert {name for name, value in told.items() if value == "told"} == set(public)


@pytest.mark.parametrize("host", ["other.akko.local", "akko-akko-litellm", "llm.akko.local.evil"])
def test_another_host_is_not_answered(way: WayIn, arrived: list[Request], host: str) -> None:
    assert ask(way.proxy, "GET", "/v1/models", host=host).status == 404
    assert arrived == []
