"""Which model answers: the rendered ways from a name to a model on the real LiteLLM."""

import time
from typing import Any

import httpx
import pytest

from tests.serving.conftest import ENVIRONMENT_SECONDS
from tests.serving.processes import Server
from tests.serving.requests.asking import (
    EITHER,
    LONG,
    LONGEST_SECONDS,
    SHORT,
    TAG,
    ask,
    key_of,
)
from tests.serving.stacks import MASTER_KEY
from tests.serving.streams import chat
from tests.serving.upstream import WORDS, Upstream

pytestmark = pytest.mark.timeout(ENVIRONMENT_SECONDS)

_TOO_LONG = (
    "This model's maximum context length is 4096 tokens. However, your prompt contains at least "
    "4097 input tokens, which exceeds this limit even without any output tokens. Please reduce "
    "the length of the input prompt."
)
"""vLLM 0.31.0, vllm/renderers/params.py."""


def _models(engine: Upstream) -> list[str]:
    return [each.body["model"] for each in engine.received]


def test_c3_a_tag_leads_a_team_that_has_it_to_the_other_model(
    server: Server, engine: Upstream
) -> None:
    """Rows B8, C3: by header or by metadata; without a tag the same team has the first model."""
    key = key_of(server, "tagged", [SHORT, LONG], allowed_tags=[TAG])
    assert ask(server, key).status_code == 200
    assert ask(server, key, headers={"x-litellm-tags": TAG}).status_code == 200
    assert ask(server, key, metadata={"tags": [TAG]}).status_code == 200
    assert _models(engine) == [SHORT, LONG, LONG]


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
    assert _models(engine) == [LONG]


def test_b8_a_prompt_that_is_too_long_goes_to_the_longer_model(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8, by maximum tokens: its engine counts, and the document says who answers instead."""
    engine.refusals = {SHORT: (400, _TOO_LONG)}
    assert ask(server, key).status_code == 200
    assert set(_models(engine)) == {SHORT, LONG}
    assert _models(engine)[-1] == LONG


def test_b8_a_model_that_is_down_is_answered_for(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8: one further attempt, and then the fallback."""
    engine.refusals = {SHORT: (503, "the queue is full")}
    assert ask(server, key).status_code == 200
    assert _models(engine) == [SHORT, SHORT, LONG]


def test_d7_a_fallback_is_no_way_around_what_a_team_may_use(
    server: Server, engine: Upstream
) -> None:
    """Row D7: the other model is not asked for a team that may not use it."""
    key = key_of(server, "narrow", [SHORT])
    engine.refusals = {SHORT: (503, "the queue is full")}
    assert ask(server, key).status_code >= 400
    assert set(_models(engine)) == {SHORT}


def test_b8_a_name_of_several_models_is_answered_by_all_of_them(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8: short prompts go to either, by load; one that only one can hold goes there."""
    for _ in range(20):  # by chance all by one: 2 in a million
        assert ask(server, key, model=EITHER).status_code == 200
    assert set(_models(engine)) == {SHORT, LONG}
    engine.received.clear()
    for _ in range(8):
        assert ask(server, key, model=EITHER, text="word " * 5000).status_code == 200
    assert set(_models(engine)) == {LONG}


def test_b8_an_engine_that_is_slow_is_waited_for(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8: an answer may take longer than any silence in it."""
    engine.seconds_a_word = LONGEST_SECONDS / 3
    try:
        answer = chat(server.url, SHORT, key=key)
    finally:
        engine.seconds_a_word = 0
    assert (answer.text, answer.done) == ("".join(WORDS), True)
    assert _models(engine) == [SHORT]


def test_b8_an_engine_that_says_nothing_more_is_given_up_and_nobody_takes_it_for_an_end(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8: after the silence that the document allows, with an error; others are answered."""
    engine.go_on.clear()
    begin = time.monotonic()
    try:
        with pytest.raises((AssertionError, httpx.HTTPError)):  # an event that is an error
            chat(server.url, SHORT, key=key)
        assert LONGEST_SECONDS <= time.monotonic() - begin < 3 * LONGEST_SECONDS
    finally:
        engine.go_on.set()
    assert ask(server, key).status_code == 200


def test_d7_a_tenant_s_nonsense_puts_no_model_to_rest(
    server: Server, key: str, engine: Upstream
) -> None:
    """Rows B8, D7: what an engine refuses as the client's mistake is no fault of the engine."""
    for status in (400, 404, 422):
        engine.refusals = dict.fromkeys((SHORT, LONG), (status, "nonsense"))
        for model in (SHORT, EITHER, EITHER, EITHER, EITHER):
            assert ask(server, key, model=model).status_code >= 400
    engine.refusals.clear()
    engine.received.clear()
    for _ in range(20):  # by chance all by one: 2 in a million
        assert ask(server, key, model=EITHER).status_code == 200
    assert set(_models(engine)) == {SHORT, LONG}
    engine.received.clear()
    assert ask(server, key).status_code == 200
    assert _models(engine) == [SHORT]


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


def test_c3_a_model_behind_a_tag_never_answers_for_one_that_rests(
    server: Server, engine: Upstream
) -> None:
    """Row C3: what goes to a provider outside goes there by its tag alone."""
    key = key_of(server, "resting", [SHORT])
    engine.refusals = {SHORT: (503, "the queue is full")}
    for _ in range(20):
        ask(server, key)
    engine.refusals = {}
    assert ask(server, key).status_code == 200  # the only one behind its name never rests
    assert set(_models(engine)) == {SHORT}
    tagged = key_of(server, "resting-tagged", [SHORT, LONG], allowed_tags=[TAG])
    assert ask(server, tagged, headers={"x-litellm-tags": TAG}).status_code == 200
    assert _models(engine)[-1] == LONG


def test_b8_one_of_several_models_that_fails_rests(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8, health of every endpoint: clients see none of it."""
    engine.refusals = {SHORT: (503, "the queue is full")}
    asked = 0
    while _models(engine)[-16:] != [LONG] * 16:  # by chance: 1 in 65,536
        assert ask(server, key, model=EITHER).status_code == 200
        asked += 1
        assert asked < 100
    assert _models(engine).count(LONG) == asked
    assert SHORT in _models(engine)


def test_b8_a_name_whose_models_all_rest_is_asked_nevertheless(
    server: Server, key: str, engine: Upstream
) -> None:
    """Row B8: else every tenant would be refused, whoever made them fail. Last, for they rest."""
    engine.refusals = dict.fromkeys((SHORT, LONG), (500, "it broke"))
    for model in (EITHER,) * 5 + (SHORT,):
        assert ask(server, key, model=model).status_code == 500
    engine.refusals.clear()
    for model in (SHORT, EITHER):
        assert ask(server, key, model=model).status_code == 200
    assert "All deployments in cooldown" in server.said
