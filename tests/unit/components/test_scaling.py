"""How many servers there are: what is rendered, and what decides it (rows B9, B10, C5, D2)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.core import queries
from components.core.conventions import IDLE_FALLBACK, START_SECONDS
from components.core.queries import Target
from components.document import parse_document, read_document
from components.document.plans import plan_models
from components.document.scale_in import MOST_SECONDS, scale_in_seconds
from components.document.scaling import HoursSettings
from tests.rendering import Rendered, document, of_kind, render

CHECKOUT = Path(__file__).resolve().parents[3]
METRICS = (Path(__file__).parent / "vllm_metrics.txt").read_text(encoding="utf-8").split()
SCALING: dict[str, Any] = {"max_replicas": 3, "in_flight": 8}
HOURS = {"time_zone": "Europe/Berlin", "start": "08:00", "end": "18:00", "replicas": 2}
SERVERS, GATEWAY = Target("akko", "akko-akko-vllm"), Target("akko", "akko-akko-litellm")


def scaled(change: Mapping[str, Any] | None = None, **more: object) -> dict[str, Any]:
    """The document of production, its model scaled."""
    found = document("production")
    model = found["models"]["akko-coder"]
    del model["replicas"]
    model["scaling"] = {**SCALING, **(change or {})}
    return {**found, **more}


def asleep(**more: object) -> dict[str, Any]:
    """The same with a model that may be at zero, and one that answers instead."""
    found = scaled({"idle": "zero", "max_replicas": 1, **more})
    other = {**document("production")["models"]["akko-coder"], "service_name": "akko-akko-small"}
    found["models"]["akko-small"] = other
    found["gateway"]["fallbacks"] = {"akko-coder": ["akko-small"]}
    return found


def one(rendered: tuple[Rendered, ...], kind: str, name: str = "") -> Mapping[str, Any]:
    found = [each for each in of_kind(rendered, kind) if name in {"", each["metadata"]["name"]}]
    (only,) = found
    return only


def triggers(rendered: tuple[Rendered, ...]) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each for each in one(rendered, "ScaledObject")["spec"]["triggers"]}


def test_b9_a_scaled_object_knows_its_bounds_its_window_and_what_holds_without_metrics() -> None:
    value = scaled({"min_replicas": 2})
    found = one(render(value), "ScaledObject")
    spec, plan = found["spec"], plan_models(read_document(value))["akko-coder"]
    start = int(found["metadata"]["annotations"][START_SECONDS])
    assert start >= max(each.start_seconds.high for each in plan.plans)
    assert spec["cooldownPeriod"] > start
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == spec["cooldownPeriod"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 3)
    assert "idleReplicaCount" not in spec
    assert spec["fallback"] == {
        "failureThreshold": 3,
        "replicas": 2,
        "behavior": "currentReplicasIfHigher",
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "akko-akko-vllm"}
    assert spec["scaleTargetRef"] == target


def test_b9_triggers_are_requests_kv_cache_and_the_first_token() -> None:
    change = {"kv_cache_use": 0.7, "first_token_p99_seconds": 2.5, "hours": HOURS}
    found = triggers(render(scaled(change)))
    asked = {name: each["metadata"].get("threshold") for name, each in found.items()}
    assert asked == {
        "in-flight": "8",
        "kv-cache-use": "0.7",
        "first-token-p99": "2.5",
        "hours": None,
    }
    types = {name: each.get("metricType") for name, each in found.items()}
    assert types["first-token-p99"] == "Value"
    assert types["in-flight"] == types["kv-cache-use"] == "AverageValue"
    assert {each["type"] for each in found.values()} == {"prometheus", "cron"}


def test_b9_no_query_takes_nothing_for_zero_or_answers_with_several_numbers() -> None:
    change = {"kv_cache_use": 0.7, "first_token_p99_seconds": 2.5}
    for value in (scaled(change), asleep(kv_cache_use=0.7)):
        for each in triggers(render(value)).values():
            metadata = each["metadata"]
            assert metadata["ignoreNullValues"] == "false"
            assert metadata["query"].lstrip("(").startswith("sum(")
            assert metadata["serverAddress"] == "http://prometheus-operated.monitoring.svc:9090"


def test_the_address_of_prometheus_is_a_setting() -> None:
    value = scaled(monitoring={"prometheus_url": "https://metrics.akko.local/prom"})
    (found,) = triggers(render(value)).values()
    assert found["metadata"]["serverAddress"] == "https://metrics.akko.local/prom"


@pytest.mark.parametrize(
    "query",
    [
        queries.in_flight(SERVERS, "akko-coder"),
        queries.kv_cache_use(SERVERS, "akko-coder"),
        queries.first_token_p99(SERVERS, "akko-coder"),
    ],
)
def test_every_metric_of_the_engine_is_one_that_it_has(query: str) -> None:
    named = set(re.findall(r"vllm:\w+", query))
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= set(METRICS)
    labels = re.findall(r"vllm:\w+\{(.*?)\}", query)
    wanted = 'namespace="akko",job="akko-akko-vllm",model_name="akko-coder"'
    assert set(labels) == {wanted}


def test_the_engine_calls_a_model_by_its_alias() -> None:
    """vLLM's label is the first of its served names."""
    deployment = one(render(scaled()), "Deployment", "akko-akko-vllm")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    line = " ".join(str(word) for word in container["args"])
    assert re.search(r"--served-model-name[= ]akko-coder\b", line)


def test_b9_a_model_that_sleeps_is_woken_by_the_gateway_and_answered_by_another() -> None:
    value = asleep()
    value["gateway"]["model_aliases"] = {"akko-chat": "akko-coder"}
    found = one(render(value), "ScaledObject")
    assert found["spec"]["idleReplicaCount"] == 0
    assert found["spec"]["minReplicaCount"] == found["spec"]["fallback"]["replicas"] == 1
    assert found["metadata"]["annotations"][IDLE_FALLBACK] == "akko-small"
    asked = {each["name"]: each["metadata"] for each in found["spec"]["triggers"]}
    wake = asked["asked-for"]
    assert (wake["threshold"], wake["activationThreshold"]) == ("1", "0")
    assert 'litellm_model_name=~"akko-coder|akko-chat"' in wake["query"]
    # LiteLLM counts a request that a fallback answered under the fallback's name there.
    assert "litellm_proxy_total_requests" not in wake["query"]
    assert 'unless sum(up{namespace="akko",job="akko-akko-vllm"})' in asked["in-flight"]["query"]


def test_what_lingers_after_the_last_request_does_not_keep_the_last_server() -> None:
    found = triggers(render(asleep(kv_cache_use=0.7, first_token_p99_seconds=2.0)))
    activation = {name: each["metadata"]["activationThreshold"] for name, each in found.items()}
    assert activation == {
        "in-flight": "0",
        "kv-cache-use": "0.7",
        "first-token-p99": "2",
        "asked-for": "0",
    }


def test_b9_d2_the_form_without_keda_asks_a_metrics_api_for_the_same() -> None:
    """Rows B9 and D2; the runbook has the metrics adapter's rules for these names."""
    rendered = render(scaled({"kind": "hpa", "kv_cache_use": 0.7}))
    assert of_kind(rendered, "ScaledObject") == ()
    spec = one(rendered, "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 3)
    metrics = {each["external"]["metric"]["name"]: each["external"] for each in spec["metrics"]}
    targets = {name: each["target"]["averageValue"] for name, each in metrics.items()}
    assert targets == {"vllm_requests_in_flight": "8", "vllm_kv_cache_use": "700m"}
    runbook = (CHECKOUT / "runbooks" / "autoscaling.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", runbook, flags=re.DOTALL)
    rules = yaml.safe_load(block)["externalRules"]
    assert {rule["name"]["as"] for rule in rules} == set(metrics)
    for rule in rules:
        assert set(re.findall(r"vllm:\w+", str(rule))) <= set(METRICS)


def test_the_gateway_is_scaled_by_open_requests_or_by_cpu() -> None:
    value = document("production")
    del value["gateway"]["replicas"]
    value["gateway"]["scaling"] = {"min_replicas": 2, "max_replicas": 6, "in_flight": 50}
    (found,) = triggers(render(value)).values()
    assert found["metadata"]["query"] == (
        'sum(litellm_in_flight_requests{namespace="akko",job="akko-akko-litellm"})'
    )
    assert found["metadata"]["threshold"] == "50"
    value["gateway"]["scaling"] = {"kind": "hpa", "min_replicas": 2, "max_replicas": 6}
    (metric,) = one(render(value), "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 70},
    }


def test_b10_recommendations_are_of_cpu_and_memory_and_set_nothing() -> None:
    """Row B10."""
    value = document("production")
    value["models"]["akko-coder"]["vpa"] = value["gateway"]["vpa"] = True
    found = {each["metadata"]["name"]: each["spec"] for each in _recommenders(value)}
    assert found.keys() == {"akko-akko-vllm", "akko-akko-litellm"}
    for spec, container in zip(found.values(), ("litellm", "vllm"), strict=True):
        assert spec["updatePolicy"] == {"updateMode": "Off"}
        own, others = spec["resourcePolicy"]["containerPolicies"]
        assert own["containerName"] == container
        assert own["controlledResources"] == ["cpu", "memory"]
        assert others == {"containerName": "*", "mode": "Off"}
    assert _recommenders(document("production")) == []


def _recommenders(value: dict[str, Any]) -> list[Mapping[str, Any]]:
    found = of_kind(render(value), "VerticalPodAutoscaler")
    return sorted(found, key=lambda each: each["metadata"]["name"])


def test_c5_hours_are_a_floor_with_a_time_zone() -> None:
    """Row C5."""
    found = triggers(render(scaled({"hours": HOURS})))["hours"]
    assert found["metadata"] == {
        "timezone": "Europe/Berlin",
        "start": "0 8 * * 1,2,3,4,5",
        "end": "0 18 * * 1,2,3,4,5",
        "desiredReplicas": "2",
    }


@pytest.mark.parametrize(
    ("change", "crons"),
    [
        ({"start": "22:00", "end": "06:30"}, ("0 22 * * 1,2,3,4,5", "30 6 * * 2,3,4,5,6")),
        ({"days": ["sat", "sun"]}, ("0 8 * * 0,6", "0 18 * * 0,6")),
        (
            {"days": ["sat", "sun"], "start": "22:00", "end": "06:00"},
            ("0 22 * * 0,6", "0 6 * * 0,1"),
        ),
        ({"start": "0 8 * * 1-5", "end": "*/5 18 1,15 * MON-FRI"}, None),
    ],
)
def test_hours_over_midnight_end_on_the_day_after(
    change: Mapping[str, Any], crons: tuple[str, str] | None
) -> None:
    """KEDA looks which comes next, start or end: an end on no day would leave a weekend warm."""
    hours = HoursSettings.model_validate({**HOURS, **change})
    assert hours.crons == (crons or (hours.start, hours.end))


def test_a_workload_leaves_its_number_to_the_autoscaler_once_it_serves() -> None:
    """The first roll-out makes one server even of a model that sleeps, and waits for it."""
    rendered = render(asleep())
    assert one(rendered, "Deployment", "akko-akko-vllm")["spec"]["replicas"] == 1
    (scaler,) = [each for each in rendered if each.inputs.get("kind") == "ScaledObject"]
    assert "inference:elasticity:Autoscaler" in scaler.parents
    (owner,) = [each for each in rendered if each.type == "inference:elasticity:Autoscaler"]
    waited = {(kind.rpartition(":")[2], name) for kind, name in owner.dependencies}
    assert waited >= {("Deployment", "akko-akko-vllm"), ("Deployment", "akko-akko-litellm")}


def test_several_servers_have_a_disruption_budget_whatever_their_number_is_now() -> None:
    budgets = of_kind(render(scaled()), "PodDisruptionBudget")
    assert "akko-akko-vllm" in {each["metadata"]["name"] for each in budgets}
    budgets = of_kind(render(asleep()), "PodDisruptionBudget")
    assert "akko-akko-vllm" not in {each["metadata"]["name"] for each in budgets}


def test_groups_of_nodes_are_scaled_as_groups() -> None:
    text = (CHECKOUT / "examples" / "two-nodes.yaml").read_text(encoding="utf-8")
    value = yaml.safe_load(text)["config"]["inference:platform"]
    value["models"]["akko-large"]["scaling"] = {"max_replicas": 1, "in_flight": 4, "kind": "hpa"}
    target = one(render(value), "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target["kind"] == "LeaderWorkerSet"
    assert target["apiVersion"] == "leaderworkerset.x-k8s.io/v1"


def test_a_pool_is_as_full_as_its_models_may_get() -> None:
    assert parse_document(scaled()).spare_gpus("l4") == 1
    assert parse_document(document("production")).spare_gpus("l4") == 3


def test_a_window_is_longer_than_the_start_it_is_made_for() -> None:
    assert [scale_in_seconds(start) for start in (1, 59, 60, 3540)] == [60, 60, 120, MOST_SECONDS]


@pytest.mark.parametrize(
    ("zone", "said"),
    [("localtime", "write it as Europe/Berlin"), ("europe/berlin", "did you mean Europe/Berlin?")],
)
def test_a_zone_that_every_machine_reads_alike_is_asked_for(zone: str, said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        HoursSettings.model_validate({**HOURS, "time_zone": zone})
