"""What the gateway lets through, and to which model: the rendered rules on the real LiteLLM.

One stack has everything at once: two models of different lengths, a name that means both, a tag
that leads from one to the other, and fallbacks.
"""

from collections.abc import Generator
from typing import Any

import pytest

from tests.serving.conftest import ENVIRONMENT_SECONDS
from tests.serving.gateways import running_gateway
from tests.serving.processes import Server
from tests.serving.ruled_gateways import (
    EITHER,
    LONG,
    OUTPUT_TOKENS,
    SHORT,
    TAG,
    ask,
    key_of_team,
    models_asked,
    ruled_document,
)
from tests.serving.stacks import MASTER_KEY, gateway_of
from tests.serving.states import State
from tests.serving.upstream import Upstream, upstream

pytestmark = pytest.mark.timeout(ENVIRONMENT_SECONDS)

_MIB = 2**20
_TOO_LONG = (
    "This model's maximum context length is 4096 tokens. However, your prompt contains at least "
    "4097 input tokens, which exceeds this limit even without any output tokens. Please reduce "
    "the length of the input prompt."
)
"""vLLM 0.31.0, vllm/renderers/params.py."""


@pytest.fixture(scope="module")
def running() -> Generator[Upstream]:
    with upstream() as engine:
        engine.go_on.set()
        yield engine


@pytest.fixture
def engine(running: Upstream) -> Upstream:
    """It has received nothing yet, and refuses nothing."""
    running.received.clear()
    running.refusals.clear()
    return running


@pytest.fixture(scope="module")
def server(
    gateway_state: State, running: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    folder, container = tmp_path_factory.mktemp("gateway"), gateway_of(ruled_document())
    with running_gateway(container, gateway_state, running.url, folder) as started:
        yield started


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    """Of a team that may use every model, and no tag."""
    return key_of_team(server, "plain", [SHORT, LONG, EITHER])


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *(("n", 2), ("best_of", 2)),
        *((name, OUTPUT_TOKENS) for name in ("max_tokens", "max_completion_tokens")),
    ],
)
def test_d7_nobody_asks_for_more_than_the_document_allows(
    server: Server, key: str, engine: Upstream, name: str, most: int
) -> None:
    """Row D7, request shaping: a refusal names the field, what was asked and what is possible."""
    asked: dict[str, Any] = {name: most + 1}
    refused = ask(server, key, **asked)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == name
    assert f"{name} is {most + 1}, and a whole number from 1 to {most} is possible" in refused.text
    assert engine.received == []


def test_d7_what_the_document_allows_arrives(server: Server, key: str, engine: Upstream) -> None:
    """Row D7: the bounds themselves are possible."""
    assert ask(server, key, n=2, max_tokens=OUTPUT_TOKENS).status_code == 200
    (arrived,) = engine.received
    assert (arrived.body["n"], arrived.body["max_tokens"]) == (2, OUTPUT_TOKENS)


def test_d7_a_body_that_is_too_large_is_refused(server: Server, key: str, engine: Upstream) -> None:
    """Row D7: 413, whether the client says how large it is or not."""
    for in_pieces in (False, True):
        refused = ask(server, key, text="a" * _MIB, in_pieces=in_pieces)
        assert refused.status_code == 413
        assert f"and {_MIB} are possible" in refused.text
    assert engine.received == []


@pytest.mark.parametrize(
    "field",
    [
        *({"num_retries": 3}, {"fallbacks": [LONG]}, {"timeout": 1}, {"mock_timeout": True}),
        {"context_window_fallbacks": [{SHORT: [LONG]}]},
        *({"enable_tag_filtering": False}, {"extra_body": {"num_retries": 3}}, {"no-log": True}),
        *({"api_key": "sk-mine"}, {"extra_headers": {"x-mine": "1"}}, {"organization": "mine"}),
        {"deployment_id": f"{SHORT}.{LONG}.{TAG}"},
        *({"additional_drop_params": ["extra_body"]}, {"cache_salt": "other"}, {"priority": -1}),
        *({"chat_template": "{{ 1 }}"}, {"chat_template_kwargs": {"chat_template": "{{ 1 }}"}}),
        *({"previous_response_id": "resp_other"}, {"what LiteLLM will know next year": True}),
    ],
    ids="-".join,
)
def test_d7_a_request_has_no_fields_but_openais_and_the_engines(
    server: Server, key: str, engine: Upstream, field: dict[str, Any]
) -> None:
    """Row D7: what LiteLLM lets a request say of its own call is refused, whatever it is."""
    refused = ask(server, key, **field)
    assert refused.status_code == 400
    (name,) = field.get("chat_template_kwargs", field)
    assert f"no {name} here; leave that out" in refused.text
    assert refused.json()["error"]["param"] == name
    assert engine.received == []


def test_d7_the_model_is_the_one_in_the_body(server: Server, engine: Upstream) -> None:
    """Row D7: LiteLLM judges the key by the body, and asks what path or query name."""
    key = key_of_team(server, "one-model", [SHORT])
    for before in (f"/engines/{LONG}", f"/openai/deployments/{LONG}", "/v1"):
        path = f"{before}/chat/completions?model={LONG}"
        refused = ask(server, key, path=path)
        assert refused.status_code == 400, path
        assert f"the model is '{LONG}' beside the body and '{SHORT}' in it" in refused.text
    assert engine.received == []
    assert ask(server, key, path=f"/v1/chat/completions?model={SHORT}").status_code == 200


def test_d7_one_request_is_one_request(server: Server, key: str, engine: Upstream) -> None:
    """Row D7: limits count requests; LiteLLM asks each of several models, and an engine answers
    each of several prompts."""
    refused = ask(server, key, model=",".join([SHORT] * 3))
    assert refused.status_code == 400
    assert "several models; ask for one at a time" in refused.text
    for prompts in (["a", "b", "c"], [[1], [2], [3]]):
        refused = ask(server, key, path="/v1/completions", prompt=prompts)
        assert refused.status_code == 400
        assert "prompts for 3 answers, and 2 are possible at once" in refused.text
    assert ask(server, key, path="/v1/completions", prompt=["a", "b"], n=2).status_code == 400
    assert engine.received == []


def test_d7_nobody_gets_an_answer_that_no_engine_gave(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row D7: LiteLLM itself drops the field that would make one up, before any rule sees it."""
    answered = ask(server, key, mock_response="free of charge")
    assert "free of charge" not in answered.text
    (arrived,) = engine.received
    assert "mock_response" not in arrived.body


def test_d7_nor_do_headers_change_how_often_a_request_is_tried(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row D7: LiteLLM also reads retries and timeouts from headers."""
    for header in ("x-litellm-num-retries", "x-litellm-timeout", "x-litellm-stream-timeout"):
        engine.refusals = {SHORT: (503, "busy"), LONG: (503, "busy")}
        engine.received.clear()
        ask(server, key, headers={header: "3"})
        assert len(engine.received) in {0, 4}, header  # refused, or each twice as rendered


def test_d7_no_tenant_sets_a_model_to_rest_for_the_others(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row D7: neither by what its engine does not know, nor by what LiteLLM takes for its fault."""
    assert ask(server, key, stream="true").status_code == 400
    assert engine.received == []
    others: dict[str, dict[str, Any]] = {
        "/v1/rerank": {"query": "a", "documents": ["b"]},
        "/v1/embeddings": {"input": "a"},
        "/v1/responses/compact": {"input": "a"},
    }
    for path, fields in others.items():
        for model in (SHORT, EITHER, "akko-chat"):
            refused = ask(server, key, path=path, model=model, **fields)
            assert refused.status_code == 400, refused.text
            assert "is for chat alone" in refused.text
    assert engine.received == []


def test_c3_a_tag_leads_a_team_that_has_it_to_the_other_model(
    server: Server, engine: Upstream
) -> None:
    """Rows B8, C3: by header or by metadata; without a tag the same team has the first model."""
    key = key_of_team(server, "tagged", [SHORT, LONG], allowed_tags=[TAG])
    assert ask(server, key).status_code == 200
    assert ask(server, key, headers={"x-litellm-tags": TAG}).status_code == 200
    assert ask(server, key, metadata={"tags": [TAG]}).status_code == 200
    assert models_asked(engine) == [SHORT, LONG, LONG]


def test_c3_a_tag_is_refused_to_a_team_that_has_it_not(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row C3: wherever in the request it stands; the operator may send it."""
    ways: list[dict[str, Any]] = [
        {"headers": {"x-litellm-tags": TAG}},
        {"headers": {"x-litellm-tags": f"a,{TAG}"}},
        {"metadata": {"tags": [TAG]}},
        {"tags": [TAG]},
    ]
    for way in ways:
        refused = ask(server, key, **way)
        assert refused.status_code == 403, way
        assert f"the tag '{TAG}' is not among those that this key may use: none" in refused.text
    assert engine.received == []
    assert ask(server, MASTER_KEY, headers={"x-litellm-tags": TAG}).status_code == 200
    assert models_asked(engine) == [LONG]


def test_b8_a_prompt_that_is_too_long_goes_to_the_longer_model(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8, by maximum tokens: its engine counts, and the document says who answers instead."""
    engine.refusals = {SHORT: (400, _TOO_LONG)}
    assert ask(server, key).status_code == 200
    assert set(models_asked(engine)) == {SHORT, LONG}
    assert models_asked(engine)[-1] == LONG


def test_b8_a_model_that_is_down_is_answered_for(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8: one further attempt, and then the fallback."""
    engine.refusals = {SHORT: (503, "the queue is full")}
    assert ask(server, key).status_code == 200
    assert models_asked(engine) == [SHORT, SHORT, LONG]


def test_d7_a_fallback_is_no_way_around_what_a_team_may_use(
    server: Server, engine: Upstream
) -> None:
    """Row D7: the other model is not asked for a team that may not use it."""
    key = key_of_team(server, "narrow", [SHORT])
    engine.refusals = {SHORT: (503, "the queue is full")}
    assert ask(server, key).status_code >= 400
    assert set(models_asked(engine)) == {SHORT}


def test_b8_a_name_of_several_models_is_answered_by_all_of_them(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8: short prompts go to either, by load; one that only one can hold goes there."""
    for _ in range(20):  # by chance all by one: 2 in a million
        assert ask(server, key, model=EITHER).status_code == 200
    assert set(models_asked(engine)) == {SHORT, LONG}
    engine.received.clear()
    for _ in range(8):
        assert ask(server, key, model=EITHER, text="word " * 5000).status_code == 200
    assert set(models_asked(engine)) == {LONG}


def test_b8_one_of_several_models_that_fails_rests(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8, health of every endpoint: clients see none of it. Last, for the rest lasts.

    It rests once it has failed more often than not within a minute, and it was well before.
    """
    engine.refusals = {SHORT: (503, "the queue is full")}
    asked = 0
    while models_asked(engine)[-16:] != [LONG] * 16:  # by chance: 1 in 65,536
        assert ask(server, key, model=EITHER).status_code == 200
        asked += 1
        assert asked < 100
    assert models_asked(engine).count(LONG) == asked
    assert SHORT in models_asked(engine)


def test_c3_nor_does_a_model_behind_a_tag_answer_for_one_that_rests(
    server: Server, engine: Upstream
) -> None:
    """Row C3: what goes to a provider outside goes there by its tag alone. After all others too."""
    key = key_of_team(server, "resting", [SHORT])
    engine.refusals = {SHORT: (503, "the queue is full")}
    for _ in range(20):
        ask(server, key)
    engine.refusals = {}
    assert ask(server, key).status_code == 200  # the only one behind its name never rests
    assert set(models_asked(engine)) == {SHORT}
    tagged = key_of_team(server, "resting-tagged", [SHORT, LONG], allowed_tags=[TAG])
    assert ask(server, tagged, headers={"x-litellm-tags": TAG}).status_code == 200
    assert models_asked(engine)[-1] == LONG
