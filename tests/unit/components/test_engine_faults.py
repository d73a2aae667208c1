"""Wrong values and contradictions of a vLLM model's keys are refused in a sentence each."""

from pathlib import Path
from typing import Any

import pytest

from components.core.engine_args import flags
from components.document import ROOT, DocumentError, read_document
from components.document.extra_args import FREE, UNSAFE, problems
from components.document.vllm_model import VllmServerSettings
from tests.unit.components.engine_contradictions import CONTRADICTIONS, KEY
from tests.unit.components.engine_faults import MISSPELT, VALUES
from tests.unit.components.ways import (
    ADAPTED,
    ADAPTER,
    EMBEDDER,
    FOUR_L40S,
    HEAD,
    MODEL,
    ONE_L40S,
    QWEN3,
    QWEN3_SMALL,
    alter_locks,
    way_document,
)

_NGRAM = {"method": "ngram", "tokens": 3}
_EMBEDS = {**EMBEDDER, "task": "embed"}


def _refusal(value: dict[str, Any]) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


@pytest.mark.parametrize("fault", VALUES)
def test_a_value_that_a_key_does_not_take_is_refused(fault: str) -> None:
    key, value, sentence = VALUES[fault]
    said = _refusal(way_document({key: value}))
    assert said.startswith(f"{KEY}.{sentence}")
    assert "\n" not in said


@pytest.mark.parametrize("slip", MISSPELT)
def test_a_misspelt_key_is_answered_with_the_one_that_is_meant(slip: str) -> None:
    said = _refusal(way_document({slip: 1}))
    assert said.startswith(
        f"{KEY}.{slip} is not a key of this document; did you mean {KEY}.{MISSPELT[slip]}?"
    )


def test_every_key_that_may_be_left_out_has_a_slip_here() -> None:
    assert set(MISSPELT.values()) <= set(VllmServerSettings.model_fields)


@pytest.mark.parametrize("fault", CONTRADICTIONS)
def test_keys_that_contradict_are_refused_in_one_sentence(fault: str) -> None:
    """Rows B18, B19, C13, D8: before anything is made."""
    change, machine, sentence = CONTRADICTIONS[fault]
    said = _refusal(way_document(change, machine))
    assert said.startswith(f"{KEY}{sentence}")
    assert "\n" not in said


@pytest.mark.parametrize(
    "name", ["adapters", "speculation", "reasoning_parser", "tool_call_parser", "chat_template"]
)
def test_what_writes_answers_is_refused_where_none_are_written(name: str) -> None:
    """Row D3."""
    asked = {"adapters": {"a": ADAPTER}, "speculation": _NGRAM, "reasoning_parser": "qwen3"}
    asked["chat_template"] = "chat.jinja"
    said = _refusal(way_document({**_EMBEDS, name: asked.get(name, "hermes")}))
    assert said.startswith(
        f"{KEY}.{name} is for models that write answers, but {KEY}.task is 'embed': leave one of "
        "them out"
    )


@pytest.mark.parametrize("name", UNSAFE)
def test_a_flag_that_is_never_right_is_refused_with_its_reason(name: str) -> None:
    """Row D8: a further flag cannot undo what the platform decides."""
    said = _refusal(way_document({"extra_args": list(_line(name))}))
    assert said == f"{KEY}.extra_args set {name}, which is not possible: {UNSAFE[name]}"


def test_two_servers_cannot_have_adapters_of_one_name() -> None:
    value = way_document(ADAPTED, FOUR_L40S)
    second = {**value["models"][MODEL], "service_name": "akko-second"}
    value["models"]["second"] = second
    assert _refusal(value) == (
        f"{ROOT}.models.second.adapters.recursive has the name of {KEY}.adapters.recursive: "
        "choose another name"
    )


def test_a_head_may_be_known_by_a_vocabulary_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_locks({QWEN3_SMALL["source"]: {"draft_vocab_size": 32_000}}, tmp_path, monkeypatch)
    assert read_document(way_document({**QWEN3, "speculation": HEAD}, ONE_L40S))


def _line(name: str) -> tuple[str, ...]:
    """A flag as somebody would write it who does not know better."""
    flag = flags()[name]
    if flag.negations:
        on = flag.negations if flag.default is True else flag.names
        return (on[0],)
    if flag.takes == "nothing":
        return (flag.names[0],)
    values = flag.choices or ({"integer": 1}.get(flag.kind, "{}"),)
    return (f"{flag.names[0]}={values[0]}",)


def test_what_extra_flags_may_say_the_pinned_engine_has() -> None:
    assert flags().keys() >= FREE
    assert not FREE & UNSAFE.keys()


@pytest.mark.parametrize(
    "words",
    [
        ("--logits-processors", "os:system"),
        ("--scheduler-cls", "os.system"),
        ("--model-class-overrides", '{"A":"evil:B"}'),
        ("--kv-transfer-config.kv_connector_module_path=evil",),
        ("--structured-outputs-config.reasoning_parser_plugin=/x.py",),
        ("-cc.backend=evil.mod.fn",),
        ("--hf-token", "abc"),
        ("--otlp-traces-endpoint", "http://elsewhere"),
        ("--enable-prompt-embeds",),
        ("--tokenizer", "other/model"),
        ("--ssl-keyfile", "/b"),
        ("--grpc",),
        ("--num-gpu-blocks-override", "10"),
        ("--api-server-count", "4"),
    ],
    ids=lambda words: words[0],
)
def test_what_nobody_has_checked_is_not_passed_on(words: tuple[str, ...]) -> None:
    (said,) = problems("models.m", words)
    assert said.startswith("models.m.extra_args set ")
    assert "nobody has checked" in said
