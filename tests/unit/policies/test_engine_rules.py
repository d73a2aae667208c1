"""The rules about engines beside their cases: parameters, levels, numbers, many resources."""

from fractions import Fraction
from typing import Any

import pytest
from pulumi.runtime import proto

from policies.reading.network import selects
from policies.reading.quantities import quantity, whole
from policies.reading.tree import tree
from tests.unit.policies.analyzer import UNKNOWN, analyze, put
from tests.unit.policies.cases_groups import ISOLATED
from tests.unit.policies.manifests import CONTAINER, DEPLOYMENT, ENGINE, GATEWAY, POD, Json, engine

_TWO = engine("-tp=2", resources={"limits": {"nvidia.com/gpu": 2, "memory": "24Gi"}})
_TAINTED = put(GATEWAY, *POD, "tolerations", value=[{"key": "gpu"}])


def _found(properties: Json, policy: str, **parameters: object) -> list[str]:
    found = analyze(DEPLOYMENT, properties, config={policy: parameters} if parameters else None)
    return [item.message for item in found if item.policy == policy]


@pytest.mark.parametrize(
    ("properties", "policy", "parameters"),
    [
        (ENGINE, "ml-06-engine-ranges", {"most": 0.89}),
        (ENGINE, "ml-06-engine-ranges", {"least": 0.91}),
        (_TWO, "ml-08-shm", {"min_mib": 1025}),
        (ENGINE, "rl-01-probes", {"startup_seconds": 901}),
        (ENGINE, "rl-01-probes", {"health_paths": ["/ready"]}),
        (ENGINE, "rl-02-drain", {"margin_seconds": 31}),
        (ENGINE, "rl-05-no-rollout-gap", {"min_replicas": 2}),
        (_TAINTED, "ph-07-gpu-taint-paired", {"taint_key": "gpu"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_parameter_moves_the_limit(
    properties: Json, policy: str, parameters: dict[str, Any]
) -> None:
    """Row D6: `min_replicas` is how an organisation refuses every single replica."""
    assert _found(properties, policy) == []
    assert len(_found(properties, policy, **parameters)) >= 1


@pytest.mark.parametrize(
    ("properties", "policy"),
    [
        (engine("--gpu-memory-utilization=1"), "ml-06-engine-ranges"),
        (engine(pod={"nodeSelector": None}), "ph-11-node-profile-set"),
        (put(ENGINE, "spec", "strategy", "type", value="Recreate"), "rl-05-no-rollout-gap"),
    ],
)
def test_what_costs_money_or_taste_is_advice(properties: Json, policy: str) -> None:
    (found,) = analyze(DEPLOYMENT, properties)
    assert (found.policy, found.level) == (policy, proto.ADVISORY)


def test_a_message_says_how_long_is_needed_and_which_parameter_asks_for_it() -> None:
    """Row B3."""
    (message,) = _found(put(ENGINE, *POD, "terminationGracePeriodSeconds", value=60), "rl-02-drain")
    assert message.endswith(
        'subject kills container "vllm" after 60 s, while it waits and drains 75 s '
        "(spec.template.spec.terminationGracePeriodSeconds); 85 s or more are possible (parameter "
        "margin_seconds); change inference:platform.models.akko-coder in the stack document."
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1Gi", 2**30),
        ("1.5G", 1_500_000_000),
        ("500m", Fraction(1, 2)),
        ("2e3", 2000),
        (4, 4),
        (0.25, Fraction(1, 4)),
        ("4 Gi", None),
        ("1e999", None),
        ("9" * 5000, None),
        ("1gi", None),
        ("", None),
        (True, None),
        (UNKNOWN, None),
        ([1], None),
    ],
)
def test_a_quantity_is_read_as_the_api_server_reads_it(text: object, number: object) -> None:
    assert quantity(tree(text)) == number


def test_a_whole_number_may_be_missing_but_not_unknown() -> None:
    assert whole(tree(None), 3) == 3
    assert whole(tree("7"), 3) == 7
    assert whole(tree(UNKNOWN), 3) is None
    assert whole(tree("1500m"), 3) is None


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "a"}}, True),
        ({"matchLabels": {"app": "b"}}, False),
        ({"matchLabels": {"app": UNKNOWN}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "x", "operator": "In", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": UNKNOWN}]}, False),
        (UNKNOWN, False),
        (None, False),
    ],
)
def test_a_selector_selects_what_it_certainly_matches(selector: object, selected: object) -> None:
    assert selects(tree(selector), {"app": "a"}) is selected


def test_an_unknown_value_in_one_resource_hides_nothing_of_another() -> None:
    """The SDK ends a stack policy at the first unknown value that is read through its proxies."""
    ray = engine("--distributed-executor-backend=ray")
    unknown = ("kubernetes:core/v1:ConfigMap", {"data": UNKNOWN, "kind": UNKNOWN})
    found = analyze(DEPLOYMENT, ray, beside=[unknown])
    assert [(item.policy, item.level) for item in found] == [
        ("ml-10-multinode-isolated", proto.MANDATORY)
    ]
    assert analyze(DEPLOYMENT, ray, beside=[unknown, ISOLATED]) == []


@pytest.mark.parametrize(
    "properties",
    [
        engine("-tp=" + "9" * 4000, "-pp=" + "9" * 4000),
        engine("--shutdown-timeout=" + "9" * 4299),
        engine(lifecycle={"preStop": {"exec": {"command": ["sleep", "9" * 5000]}}}),
        put(ENGINE, *POD, "terminationGracePeriodSeconds", value="9" * 5000),
        put(ENGINE, "spec", "replicas", value=1e300),
        put(ENGINE, "spec", "strategy", "rollingUpdate", "maxUnavailable", value="9" * 400 + "%"),
        put(ENGINE, "spec", "strategy", "rollingUpdate", "maxUnavailable", value="\u0663"),
    ],
    ids=range(7),
)
def test_a_number_beyond_reason_is_refused_and_raises_nothing(properties: Json) -> None:
    assert analyze(DEPLOYMENT, properties) != []


def test_a_resource_that_changed_by_a_type_alone_is_read_again() -> None:
    """Resources are kept between rules, and in Python 1 equals true."""
    steps = (*CONTAINER, "volumeMounts", 1, "readOnly")
    for value, refused in ((False, 0), (0, 1), (False, 0)):
        assert len(_found(put(_TWO, *steps, value=value), "ml-08-shm")) == refused
