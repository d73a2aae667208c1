"""What parts of a document must agree on beyond their own shape, and answers that stay short."""

import time
from typing import Any

import pytest

from components.document import ROOT, DocumentError, parse_document
from tests.rendering import document

SIMULATED = {"kind": "KWOKNodeClass", "name": "default"}
KEY = f"{ROOT}.models.akko-coder"


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        parse_document(value)
    return str(caught.value)


def test_simulated_nodes_are_refused_in_production() -> None:
    value = document("production")
    value["cluster"]["node_class"] = SIMULATED
    assert _refusal(value).startswith(
        f"{ROOT}.cluster.node_class.kind is 'KWOKNodeClass', whose nodes are simulated"
    )
    value["cluster"]["server"] = "https://api.example.com"
    assert "whose nodes are simulated" in _refusal(value)


def test_the_embedded_control_plane_has_simulated_nodes() -> None:
    value = document("production")
    value["cluster"] |= {"node_class": SIMULATED, "server": "https://127.0.0.1:6443"}
    assert parse_document(value).cluster.node_class.kind == "KWOKNodeClass"


def test_development_is_not_exposed() -> None:
    value = document("dev")
    value["exposure"] = document("production")["exposure"]
    value["gateway"]["master_key"] = document("production")["gateway"]["master_key"]
    assert _refusal(value) == (
        f"{ROOT}.exposure is there, but {ROOT}.environment is 'development', which nobody outside "
        "may reach: take exposure out, or set environment to production"
    )


def test_traffic_longer_than_the_model_takes_is_refused() -> None:
    value = document("production")
    value["models"]["akko-coder"]["traffic"] = {"prompt_tokens": 4000, "output_tokens": 97}
    assert _refusal(value) == (
        f"{KEY}.traffic is of 4000 + 97 tokens a request, but max_model_len is 4096: lower "
        f"prompt_tokens or output_tokens, or raise {KEY}.max_model_len"
    )
    value["models"]["akko-coder"]["traffic"] = {"prompt_tokens": 4000, "output_tokens": 96}
    parse_document(value)


def test_a_model_shorter_than_the_traffic_that_nobody_named_is_taken() -> None:
    value = document("production")
    value["models"]["akko-coder"]["max_model_len"] = 1024
    parse_document(value)


def test_a_share_of_load_that_is_next_to_nothing_is_refused() -> None:
    value = document("production")
    value["models"]["akko-coder"]["traffic"] = {"utilization": 0.0001}
    assert _refusal(value).startswith(f"{KEY}.traffic.utilization is 0.0001: input should be gre")


def test_a_thousand_names_are_enough() -> None:
    value = document("production")
    value["gateway"]["model_aliases"] = {f"name-{n}": "akko-coder" for n in range(1001)}
    assert _refusal(value) == (
        f"{ROOT}.gateway.model_aliases has 1001 entries, at most 1000 are possible"
    )


def _bomb() -> list[Any]:
    """Nine lists of nine of the next one, as nine lines of YAML with aliases make them."""
    bomb: list[Any] = ["boom"] * 9
    for _ in range(8):
        bomb = [bomb] * 9
    return bomb


@pytest.mark.parametrize("key", ["namespace", "streams", "models", "node_pools", "unheard-of"])
@pytest.mark.parametrize(
    "huge",
    [_bomb(), "x" * 10_000_000, 2**50_000, {"a" * 10_000_000: 1}],
    ids=["aliases", "text", "number", "key"],
)
def test_a_value_without_end_is_answered_briefly_and_at_once(key: str, huge: object) -> None:
    value = document("production")
    value[key] = huge
    begun = time.perf_counter()
    said = _refusal(value)
    assert time.perf_counter() - begun < 1
    assert all(len(line) < 1000 for line in said.splitlines())


def test_what_a_document_says_cannot_command_a_terminal() -> None:
    value = document("production")
    value["gateway"]["fallbacks"] = {"\x1b[2Jgone\u202e\n": ["akko-coder"]}
    said = _refusal(value)
    assert said.isprintable()
    assert "\\x1b[2Jgone\\u202e\\n" in said
