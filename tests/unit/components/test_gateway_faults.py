"""Wrong values of the gateway's keys are refused in a sentence that repeats no credential."""

from typing import Any

import pytest

from components.document import ROOT, DocumentError, parse_document
from tests.rendering import document
from tests.unit.components.faults import GONE, KEY_VALUE
from tests.unit.components.gateway_faults import GATEWAY, PRICES, TYPED, VALUES


def _refusal(key: str, value: Any) -> str:  # noqa: ANN401 - whatever a user writes
    changed = document("production")
    *outer, last = key.split(".")
    place = changed
    for part in outer:
        place = place[part]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    with pytest.raises(DocumentError) as caught:
        parse_document(changed)
    return str(caught.value)


@pytest.mark.parametrize("fault", VALUES)
def test_a_value_that_a_key_of_the_gateway_does_not_take_is_refused(fault: str) -> None:
    key, value, sentence = VALUES[fault]
    assert _refusal(key, value) == f"{GATEWAY}.{sentence}"


@pytest.mark.parametrize("fault", PRICES)
def test_a_price_is_a_number_above_zero_since_a_budget_would_never_bind(fault: str) -> None:
    key, value, sentence = PRICES[fault]
    assert _refusal(key, value) == f"{ROOT}.{key} {sentence}"


@pytest.mark.parametrize("fault", TYPED)
def test_a_credential_that_was_typed_in_the_wrong_place_is_not_repeated(fault: str) -> None:
    key, value, sentence = TYPED[fault]
    said = _refusal(f"gateway.{key}", value)
    assert said == f"{GATEWAY}.{key} {sentence}"
    assert KEY_VALUE not in said


def test_a_salt_in_place_of_its_source_is_not_repeated() -> None:
    assert _refusal("gateway.salt_key.source", KEY_VALUE) == (
        f"{GATEWAY}.salt_key has an unknown source; possible: 'existing', 'config', 'development'"
    )


@pytest.mark.parametrize("store", ["database", "redis"])
@pytest.mark.parametrize(
    "network", ["10.0.64.0/33", "999.0.64.0/18", "10.0.64.1/18", "0.0.0.0/0", "10.0.0.0/8"]
)
def test_a_store_lies_in_a_private_network_that_is_not_the_whole_cluster(
    store: str, network: str
) -> None:
    assert _refusal(f"gateway.{store}.networks", ["10.0.64.0/18", network]) == (
        f"{GATEWAY}.{store}.networks.1 is {network!r}: needed is the address of a private network, "
        "such as 10.20.0.0/24, of 16 bits and more"
    )
