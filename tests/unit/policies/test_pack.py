"""What holds for the pack as a whole, whatever the kind, the shape or the values of a resource."""

import cProfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel, Policy, ResourceValidationPolicy

from policies.pack import POLICIES, RULES
from policies.reading.tree import tree
from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, analyze, put, secret
from tests.unit.policies.cases import Case
from tests.unit.policies.cases_credentials import CANARY, HUB_TOKEN
from tests.unit.policies.cases_length import REST
from tests.unit.policies.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENGINE,
    ENGINE_LABELS,
    ENGINE_POD,
    ENGINE_SERVICE,
    GATEWAY,
    GATEWAY_CONFIG,
    GATEWAY_KEY,
    GATEWAY_POD,
    MODEL_KEY,
    SERVICE,
    Json,
)
from tests.unit.policies.test_cases import CASES

ALL = {policy.name for policy in POLICIES}
LENGTH = "ml-01-max-model-len-set"
ADVICE = {rule.name for rule in RULES if rule.level is EnforcementLevel.ADVISORY}
IMAGE = "sc-01-image-pinned"
CREDENTIALS = "ax-12-no-literal-credentials"
PUBLIC = "ax-01-backend-not-public"
AUTH = "ax-02-gateway-auth-on"

TEMPLATE = ("spec", "template", "spec")
WRAPPERS: dict[str, tuple[str | int, ...]] = {
    "kubernetes:core/v1:Pod": ("spec",),
    "kubernetes:core/v1:PodPatch": ("spec",),
    "kubernetes:core/v1:PodList": ("items", 0, "spec"),
    "kubernetes:core/v1:PodTemplate": ("template", "spec"),
    "kubernetes:core/v1:ReplicationController": TEMPLATE,
    "kubernetes:apps/v1:Deployment": TEMPLATE,
    "kubernetes:apps/v1:DeploymentPatch": TEMPLATE,
    "kubernetes:apps/v1:DeploymentList": ("items", 0, *TEMPLATE),
    "kubernetes:apps/v1:StatefulSet": TEMPLATE,
    "kubernetes:apps/v1:DaemonSet": TEMPLATE,
    "kubernetes:apps/v1:ReplicaSet": TEMPLATE,
    "kubernetes:apps/v1beta1:Deployment": TEMPLATE,
    "kubernetes:extensions/v1beta1:DaemonSet": TEMPLATE,
    "kubernetes:batch/v1:Job": TEMPLATE,
    "kubernetes:batch/v1:CronJob": ("spec", "jobTemplate", *TEMPLATE),
    "kubernetes:argoproj.io/v1alpha1:Rollout": TEMPLATE,
    "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet": (
        *("spec", "leaderWorkerTemplate", "workerTemplate", "spec"),
    ),
    "kubernetes:ray.io/v1:RayCluster": ("spec", "workerGroupSpecs", 0, "template", "spec"),
    "kubernetes:ray.io/v1:RayService": (
        *("spec", "rayClusterConfig", "headGroupSpec", "template", "spec"),
    ),
    "kubernetes:serving.kserve.io/v1beta1:InferenceService": ("spec", "predictor"),
    "kubernetes:serving.kserve.io/v1alpha1:ServingRuntime": ("spec",),
    "kubernetes:serving.kserve.io/v1alpha1:LLMInferenceService": ("spec", "prefill", "template"),
}


def _wrapped(steps: tuple[str | int, ...], pod: Json, labels: dict[str, str]) -> Json:
    value: Any = pod
    for at, step in reversed(list(enumerate(steps))):
        value = [value] if isinstance(step, int) else {step: value}
        if step in {"template", "leaderWorkerTemplate"}:
            value["replicas"] = 2
        if at == len(steps) - 1 and step == "spec":
            value["metadata"] = {"labels": labels}
    return value


def _bad_engine() -> Json:
    bad = put(ENGINE_POD, "containers", 0, "image", value="vllm/vllm-openai:latest")
    bad = put(bad, "containers", 0, "args", 2, value="--api-key")
    bad = put(bad, "containers", 0, "args", 3, value=CANARY)
    bad = put(bad, "containers", 0, "args", 4, value="--max-model-len=1M")
    return put(bad, "hostNetwork", value=True)


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_pod_is_judged_alike_in_every_kind(kind: str) -> None:
    steps = WRAPPERS[kind]
    good = analyze(kind, _wrapped(steps, ENGINE_POD, ENGINE_LABELS))
    assert good == []
    found = {item.policy for item in analyze(kind, _wrapped(steps, _bad_engine(), ENGINE_LABELS))}
    assert found == {PUBLIC, LENGTH, IMAGE, CREDENTIALS}
    open_gateway = put(GATEWAY_POD, "containers", 0, "env", value=[])
    assert {item.policy for item in analyze(kind, _wrapped(steps, open_gateway, {}))} == {AUTH}


@pytest.mark.parametrize("kind", WRAPPERS)
@pytest.mark.parametrize("sentinel", SENTINELS)
def test_an_unknown_container_list_never_passes(kind: str, sentinel: str) -> None:
    pod = put(ENGINE_POD, "containers", value=sentinel)
    found = {item.policy for item in analyze(kind, _wrapped(WRAPPERS[kind], pod, ENGINE_LABELS))}
    labelled = WRAPPERS[kind][-1] == "spec"
    assert found >= ({IMAGE, CREDENTIALS, LENGTH} if labelled else {IMAGE, CREDENTIALS})


@pytest.mark.parametrize("parent", [TEMPLATE[:1], TEMPLATE[:2], TEMPLATE])
def test_an_unknown_parent_of_a_workloads_pod_never_passes(parent: tuple[str, ...]) -> None:
    found = analyze(DEPLOYMENT, put(ENGINE, *parent, value=UNKNOWN))
    assert IMAGE in {item.policy for item in found}


def test_every_finding_is_mandatory_even_next_to_unknown_values() -> None:
    properties = put(ENGINE, *TEMPLATE, "containers", 0, "image", value=UNKNOWN)
    levels = {item.level for item in analyze(DEPLOYMENT, properties)}
    assert levels == {proto.MANDATORY}


def test_no_message_repeats_a_secret() -> None:
    shown = [item.message for case in CASES for item in analyze(case.type, case.properties)]
    assert len(shown) > 150
    assert not [text for text in shown if CANARY in text or HUB_TOKEN in text]


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.policy == CREDENTIALS and case.type == DEPLOYMENT],
    ids=lambda case: case.id,
)
def test_a_secret_is_judged_as_its_plain_text(case: Case) -> None:
    container = case.properties["spec"]["template"]["spec"]["containers"][0]
    marked = [
        {**entry, "value": secret(entry["value"])} if isinstance(entry.get("value"), str) else entry
        for entry in container["env"]
    ]
    changed = put(case.properties, *TEMPLATE, "containers", 0, "env", value=marked)
    plain = [item.message for item in analyze(case.type, case.properties)]
    assert [item.message for item in analyze(case.type, changed)] == plain


def test_messages_name_the_key_of_the_stack_document() -> None:
    """Row A4: what the stack document says about the model is what the message asks to change."""
    cases: tuple[tuple[str, Json, str], ...] = (
        (
            DEPLOYMENT,
            put(ENGINE, *TEMPLATE, "containers", 0, "args", value=["/m", *REST]),
            f"{MODEL_KEY}.max_model_len",
        ),
        (
            DEPLOYMENT,
            put(ENGINE, *TEMPLATE, "containers", 0, "image", value="vllm/vllm-openai:latest"),
            f"{MODEL_KEY}.image",
        ),
        (SERVICE, put(ENGINE_SERVICE, "spec", "type", value="LoadBalancer"), MODEL_KEY),
        (
            DEPLOYMENT,
            put(GATEWAY, *TEMPLATE, "containers", 0, "env", value=[]),
            f"{GATEWAY_KEY}.master_key",
        ),
        (CONFIG_MAP, put(GATEWAY_CONFIG, "data", "config.yaml", value=UNKNOWN), GATEWAY_KEY),
    )
    for kind, properties, key in cases:
        (found,) = analyze(kind, properties)
        assert "\nsubject " in found.message
        assert f"change {key}" in found.message
        assert found.message.endswith(" in the stack document.")


def test_a_message_names_latest_and_without_a_document_key_the_manifests_path() -> None:
    pod = {"containers": [{"name": "web", "image": "nginx:latest"}]}
    (found,) = analyze("kubernetes:core/v1:Pod", {"kind": "Pod", "spec": pod})
    assert found.message.endswith(
        "\nsubject asks for an image by the tag `latest`, which moves (spec.containers[0].image);"
        " only an image with its digest, name:tag@sha256:<64 hexadecimal digits>, is possible;"
        " change spec.containers[0].image."
    )


def test_an_annotation_cannot_smuggle_text_into_a_message() -> None:
    key = (*TEMPLATE[:2], "metadata", "annotations", "inference-platform/document-key")
    changed = put(ENGINE, *key, value=f"inference:platform {CANARY}")
    changed = put(changed, *TEMPLATE, "containers", 0, "image", value="vllm")
    (found,) = analyze(DEPLOYMENT, changed)
    assert CANARY not in found.message


def test_parameters_come_from_the_policy_configuration() -> None:
    capped = analyze(DEPLOYMENT, ENGINE, config={LENGTH: {"max_model_len_cap": 4095}})
    assert {item.policy for item in capped} == {LENGTH}
    assert "1 to 4095 tokens" in capped[0].message
    public = put(ENGINE_SERVICE, "spec", "type", value="LoadBalancer")
    allowed = {PUBLIC: {"allowed_public_services": ["akko-akko-vllm"]}}
    assert analyze(SERVICE, public, config=allowed) == []
    tagged = put(ENGINE, *TEMPLATE, "containers", 0, "image", value="dev.local/vllm:1")
    assert (
        analyze(DEPLOYMENT, tagged, config={IMAGE: {"exempt_image_prefixes": ["dev.local/"]}}) == []
    )
    renamed = analyze(DEPLOYMENT, GATEWAY, config={AUTH: {"master_key_variable": "OTHER_KEY"}})
    assert {item.policy for item in renamed} == {AUTH}


@given(cap=st.integers(1, 200_000), higher=st.integers(0, 200_000))
@settings(max_examples=30, deadline=None)
def test_a_higher_cap_never_refuses_more(cap: int, higher: int) -> None:
    config = [{LENGTH: {"max_model_len_cap": value}} for value in (cap, cap + higher)]
    low, high = (len(analyze(DEPLOYMENT, ENGINE, config=values)) for values in config)
    assert high <= low


SCALARS = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)  # the SDK itself refuses those
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=12)
    | st.sampled_from(
        [
            *SENTINELS,
            "vllm",
            "litellm",
            "Always",
            "general_settings: {a: [b]}",
            "1e999Gi",
            "-5%",
            "sleep",
        ]
    )
)
WORDS = """
spec template metadata labels annotations containers initContainers env envFrom name value
valueFrom secretKeyRef optional image args command ports hostPort selector type items data
stringData rules backendRefs service destination volumes kind values restartPolicy
resources limits requests nvidia.com/gpu
volumeMounts mountPath emptyDir sizeLimit medium startupProbe readinessProbe
livenessProbe httpGet path port failureThreshold periodSeconds lifecycle preStop sleep seconds
exec terminationGracePeriodSeconds replicas strategy rollingUpdate maxUnavailable tolerations key
nodeSelector affinity podSelector matchLabels matchExpressions ingress from leaderWorkerTemplate
"""
KEYS = st.text(max_size=4) | st.sampled_from(WORDS.split())
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=40,
)
TYPES = st.sampled_from([case.type for case in CASES]) | st.text(max_size=20)


@given(kind=TYPES, properties=st.dictionaries(KEYS, JSON, max_size=6))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_resource_makes_the_pack_raise_or_step_back(kind: str, properties: Json) -> None:
    for item in analyze(kind, properties):
        assert item.level == proto.MANDATORY or item.policy in ADVICE
        assert item.policy in ALL


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_broken_value_in_a_real_manifest_makes_the_pack_raise(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    changed = dict(case.properties)
    place = tree(changed)
    while data.draw(st.integers(0, 9)):
        below = [child for _, child in place.items()] + list(place.elements())
        if not below:
            break
        place = data.draw(st.sampled_from(below))
    if place.steps:
        changed = put(changed, *place.steps, value=data.draw(JSON))
    analyze(case.type, changed)


def test_the_checks_cost_little_more_than_the_sdk_spends_on_decoding() -> None:
    """A ratio of function calls, the same on every machine: the pack against idle policies."""
    idle = [
        ResourceValidationPolicy(f"idle-{at}", "Does nothing.", lambda _args, _report: None)
        for at in range(len(POLICIES))
    ]

    def calls(policies: Sequence[Policy], properties: Json) -> int:
        analyze(DEPLOYMENT, properties, policies=policies)  # fills the caches of expressions
        profile = cProfile.Profile()
        profile.runcall(analyze, DEPLOYMENT, properties, policies=policies)
        return sum(entry.callcount for entry in profile.getstats())

    many = [{"name": f"V{at}", "value": str(at)} for at in range(200)]
    long = put(ENGINE, *TEMPLATE, "containers", 0, "env", value=many)
    for properties in (ENGINE, long):
        assert calls(POLICIES, properties) < 5 * calls(idle, properties)
