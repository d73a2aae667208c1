"""The gateway's ways and stores agree with the models and with each other, or are refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.document import DocumentError, parse_document
from tests.rendering import document
from tests.unit.components.faults import GONE
from tests.unit.components.gateway_disagreements import GATEWAY, STORES, WAYS, six_models


def _changed(value: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    for key, new in change.items():
        if new is GONE:
            del value["gateway"][key]
        else:
            value["gateway"][key] = new
    return value


def _refusal(value: dict[str, Any]) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse_document(value)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("fault", WAYS)
def test_a_way_that_does_not_fit_its_models_is_refused_in_one_sentence(fault: str) -> None:
    change, sentence = WAYS[fault]
    assert _refusal(_changed(six_models(), change)) == [f"{GATEWAY}.{sentence}"]


@pytest.mark.parametrize("fault", STORES)
def test_stores_and_credentials_that_do_not_fit_are_refused(fault: str) -> None:
    stack, change, sentences = STORES[fault]
    assert _refusal(_changed(document(stack), change)) == [f"{GATEWAY}.{s}" for s in sentences]


@pytest.mark.parametrize(
    "change",
    [
        {"fallbacks": {"akko-coder": ["wide", "bulk", "frontier"], "bulk": ["wide"]}},
        {"context_fallbacks": {"akko-coder": ["wide"], "narrow": ["akko-coder", "wide"]}},
        {"fallbacks": {"akko-coder": ["wide"]}, "context_fallbacks": {"narrow": ["akko-coder"]}},
        {"model_aliases": {"both": ["akko-coder", "narrow", "wide"]}},
        {"tag_routes": {"akko-coder": {"hard": "wide", "cheap": "narrow"}}},
        {"model_aliases": {"both": ["akko-coder", "wide"]}, "tag_routes": {"both": {"a": "bulk"}}},
    ],
)
def test_ways_that_fit_are_taken(change: dict[str, Any]) -> None:
    parse_document(_changed(six_models(), change))


def test_a_gateway_without_tenants_needs_no_store() -> None:
    """Only a gateway that knows tenants has budgets and limits to remember."""
    bare = {"database": GONE, "redis": GONE, "salt_key": GONE, "teams": GONE}
    assert parse_document(_changed(document("production"), bare)).gateway.database is None


def test_one_pod_may_count_for_itself() -> None:
    parse_document(_changed(document("production"), {"redis": GONE, "replicas": 1}))
