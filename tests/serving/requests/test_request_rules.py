"""What the gateway lets through: the rendered rules on the real LiteLLM."""

from typing import Any

import pytest

from tests.serving.conftest import ENVIRONMENT_SECONDS
from tests.serving.processes import Server
from tests.serving.requests.asking import LONG, OUTPUT_TOKENS, SHORT, TAG, ask, key_of
from tests.serving.upstream import Upstream

pytestmark = pytest.mark.timeout(ENVIRONMENT_SECONDS)

_MIB = 2**20


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
        {"num_retries": 3},
        {"fallbacks": [LONG]},
        {"context_window_fallbacks": [{SHORT: [LONG]}]},
        {"timeout": 1},
        {"mock_timeout": True},
        {"enable_tag_filtering": False},
        {"extra_body": {"num_retries": 3}},
        {"no-log": True},
        {"api_key": "sk-of-my-own"},
        {"extra_headers": {"x-of-my-own": "1"}},
        {"organization": "of-my-own"},
        {"deployment_id": f"{SHORT}.{LONG}.{TAG}"},
        {"additional_drop_params": ["extra_body"]},
        {"cache_salt": "of-another"},
        {"priority": -100},
        {"chat_template": "{{ messages }}"},
        {"chat_template_kwargs": {"chat_template": "{{ messages }}"}},
        {"previous_response_id": "resp_of_another"},
        {"what LiteLLM will know next year": True},
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
    key = key_of(server, "one-model", [SHORT])
    for path in (
        f"/v1/chat/completions?model={LONG}",
        f"/engines/{LONG}/chat/completions",
        f"/openai/deployments/{LONG}/chat/completions",
    ):
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
