"""Each policy on its cases: the exact set of policies that refuse, and the path they name."""

from collections import Counter

import pytest

from policies.pack import POLICIES, RULES
from tests.unit.policies import (
    cases_architecture,
    cases_autoscaling,
    cases_context,
    cases_credentials,
    cases_detours,
    cases_environments,
    cases_exposure,
    cases_gateway,
    cases_gateway_config,
    cases_gateway_detours,
    cases_gpus,
    cases_groups,
    cases_image,
    cases_length,
    cases_lifecycle,
    cases_rollout,
    cases_routes,
)
from tests.unit.policies.analyzer import analyze
from tests.unit.policies.cases import Case

CASES: tuple[Case, ...] = (
    *cases_exposure.CASES,
    *cases_gateway.CASES,
    *cases_gateway_config.CASES,
    *cases_gateway_detours.CASES,
    *cases_length.CASES,
    *cases_context.CASES,
    *cases_gpus.CASES,
    *cases_groups.CASES,
    *cases_lifecycle.CASES,
    *cases_rollout.CASES,
    *cases_routes.CASES,
    *cases_architecture.CASES,
    *cases_image.CASES,
    *cases_credentials.CASES,
    *cases_detours.CASES,
    *cases_environments.CASES,
    *cases_autoscaling.CASES,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_refused_by_exactly_the_policies_it_is_about(case: Case) -> None:
    found = analyze(case.type, case.properties, beside=case.beside)
    expected = {case.policy, *case.also} if case.path else set(case.also)
    assert {finding.policy for finding in found} == expected
    own = [finding.message for finding in found if finding.policy == case.policy]
    assert not case.path or any(f"({case.path})" in message for message in own), own


def test_every_policy_has_all_groups_of_cases_and_its_texts() -> None:
    counted = Counter((case.policy, case.group) for case in CASES)
    for rule, policy in zip(RULES, POLICIES, strict=True):
        assert policy.name == rule.name
        assert policy.description.endswith(".")
        assert (policy.remediation_steps or "").endswith(".")
        assert policy.severity is not None
        assert counted[rule.name, "good"] >= 2
        assert counted[rule.name, "bad"] >= 3
        assert counted[rule.name, "unknown"] >= 1
        assert counted[rule.name, "bypass"] >= 1


def test_no_case_is_about_a_policy_that_the_pack_does_not_have() -> None:
    assert {case.policy for case in CASES} == {rule.name for rule in RULES}
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids))
