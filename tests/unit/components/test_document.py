"""A stack document that cannot be used is refused in sentences that name the key to change."""

from typing import Any

import pytest

from components.document import ROOT, DocumentError, read_document
from tests.rendering import STACKS, document
from tests.unit.components.faults import FAULTS, GONE, KEY_VALUE, MODEL


def _changed(key: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a user writes
    changed = document("production")
    *outer, last = key.split(".")
    place = changed
    for part in outer:
        place = place[part]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return changed


def _refusal(value: Any) -> str:  # noqa: ANN401 - whatever a user writes
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence_that_names_its_key(fault: str) -> None:
    key, value, sentence = FAULTS[fault]
    said = _refusal(_changed(key, value))
    assert said.startswith(f"{ROOT}.{sentence}")
    assert "\n" not in said
    assert KEY_VALUE not in said


def test_replicas_on_a_volume_of_one_node_are_refused() -> None:
    changed = _changed(f"{MODEL}.replicas", 2)
    claim = {"kind": "claim", "storage_class": "gp3", "size_gib": 50}
    changed["models"]["akko-coder"]["cache"] = claim
    assert _refusal(changed).startswith(
        f"{ROOT}.{MODEL}.replicas is 2, but only one node can mount its cache: "
        f"set {ROOT}.{MODEL}.cache.access_mode to ReadWriteMany"
    )


def test_two_models_with_one_service_name_are_both_named() -> None:
    changed = document("production")
    changed["models"]["second"] = changed["models"]["akko-coder"]
    assert _refusal(changed) == (
        f"{ROOT}.{MODEL}.service_name and {ROOT}.models.second.service_name are both "
        "'akko-akko-vllm': every server needs a Service of its own, rename one"
    )


def test_the_gpus_of_all_models_count_against_the_ceiling_of_their_pool() -> None:
    changed = _changed("node_pools.l4.max_gpus", 1)
    second = {**changed["models"]["akko-coder"], "service_name": "second"}
    changed["models"]["second"] = second
    assert "max_gpus is 1, but its models ask for 2 GPUs" in _refusal(changed)


def test_every_fault_of_a_document_is_told_at_once() -> None:
    changed = _changed(f"{MODEL}.max_model_len", GONE)
    changed["gateway"]["replica"] = 2
    assert [line.split(" is ")[0] for line in _refusal(changed).splitlines()] == [
        f"{ROOT}.{MODEL}.max_model_len",
        f"{ROOT}.gateway.replica",
    ]


def test_a_short_development_key_is_not_repeated() -> None:
    changed = document("dev")
    changed["gateway"]["master_key"]["value"] = "s3cret"
    said = _refusal(changed)
    assert said.startswith(f"{ROOT}.gateway.master_key.value is refused: needed: 8 or more signs")
    assert "s3cret" not in said


def test_an_alias_that_is_no_name_for_kubernetes_is_named() -> None:
    changed = _changed("models.Akko_Coder", document("production")["models"]["akko-coder"])
    assert f"{ROOT}.models.Akko_Coder is 'Akko_Coder': needed: Lower-case" in _refusal(changed)


@pytest.mark.parametrize("value", [None, "akko", 5, True, [], ["akko"]])
def test_what_is_no_document_is_one_sentence(value: Any) -> None:  # noqa: ANN401 - whatever a user writes
    said = _refusal(value)
    assert said.startswith((f"{ROOT} holds no keys; ", f"{ROOT} is missing; "))
    assert "\n" not in said


def test_an_empty_document_lacks_each_section_that_it_needs() -> None:
    lines = _refusal({}).splitlines()
    sections = ("namespace", "cluster", "models", "gateway")
    for line, section in zip(lines, sections, strict=True):
        assert line.startswith(f"{ROOT}.{section} is missing")


@pytest.mark.parametrize("name", STACKS)
def test_a_committed_document_is_accepted_and_cannot_be_changed_afterwards(name: str) -> None:
    read = read_document(document(name))
    with pytest.raises(ValueError, match="frozen"):
        read.namespace = "other"  # pyright: ignore[reportAttributeAccessIssue] - the point
