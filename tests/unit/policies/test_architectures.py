"""ML-11 by itself: its cases, its level, and the stack that asks for an override."""

import json
from functools import partial
from pathlib import Path

import pytest
from pulumi_policy import EnforcementLevel

from components.core.model_lock import LOCK_FOLDER, lock_path, lock_text, locked_model
from components.document import plans
from policies.adapter import resource_policy
from policies.models.architectures import ARCHITECTURE_KNOWN
from tests.rendering import document, render
from tests.unit.policies.analyzer import analyze
from tests.unit.policies.cases import Case
from tests.unit.policies.cases_architecture import CASES

PACK = (resource_policy(ARCHITECTURE_KNOWN),)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_judged_at_the_path_it_is_about(case: Case) -> None:
    found = analyze(case.type, case.properties, policies=PACK)
    assert [f"({case.path})" in each.message for each in found] == [True] * bool(case.path)


def test_it_is_advice_unless_an_organisation_says_otherwise() -> None:
    assert PACK[0].enforcement_level is EnforcementLevel.ADVISORY


def test_the_document_that_asks_for_an_override_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = document("production")
    model = value["models"]["akko-coder"]
    source, revision = model["source"], model["revision"]
    fields = json.loads(lock_path(source, revision, LOCK_FOLDER).read_text(encoding="utf-8"))
    fields["config"]["architectures"] = ["NewForCausalLM"]
    lock_path(source, revision, tmp_path).write_text(lock_text(fields), encoding="utf-8")
    monkeypatch.setattr(plans, "locked_model", partial(locked_model, folder=tmp_path))
    model["architecture"] = "Qwen2ForCausalLM"

    found = [
        each.message
        for resource in render(value)
        for each in analyze(resource.type, resource.inputs, policies=PACK)
    ]

    assert len(found) == 1
    assert "change inference:platform.models.akko-coder.architecture in the stack" in found[0]
