"""Cases of RL-06 and CO-04: autoscalers without metrics, and above their pool (rows B9, C5, D2)."""

from collections.abc import Mapping
from typing import Any

from components.core.conventions import IDLE_FALLBACK, START_SECONDS
from tests.unit.policies.analyzer import UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import DEPLOYMENT, ENGINE, ENGINE_LABELS, ENGINE_POD, Json

FALLBACK, CEILING = "rl-06-autoscale-fallback", "co-04-replica-ceiling"
SCALED_OBJECT = "kubernetes:keda.sh/v1alpha1:ScaledObject"
NATIVE = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
_GROUPS = "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet"
_POOL = "kubernetes:karpenter.sh/v1:NodePool"
_LIST = "kubernetes:core/v1:List"
_WINDOW = ("scaleDown", "stabilizationWindowSeconds")
_BEHAVIOR = ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", *_WINDOW)
_BEHAVIOR_PATH = ".".join(_BEHAVIOR)
_TRIGGER: Json = {
    "type": "prometheus",
    "metadata": {"query": "sum(up)", "threshold": "8", "ignoreNullValues": "false"},
}
_SCALER: Json = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "scaler", "annotations": {START_SECONDS: "600"}},
    "spec": {
        "scaleTargetRef": {"name": "subject"},
        "cooldownPeriod": 660,
        "minReplicaCount": 1,
        "maxReplicaCount": 3,
        "fallback": {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"},
        "triggers": [_TRIGGER],
    },
}
KEDA = put(_SCALER, *_BEHAVIOR, value=660)
HPA: Json = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "scaler"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "subject"},
        "minReplicas": 1,
        "maxReplicas": 3,
    },
}
_ASLEEP = put(KEDA, "metadata", "annotations", IDLE_FALLBACK, value="akko-small")
_MEASURED = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}


def _holds(
    group: Group,
    title: str,
    properties: Json,
    path: str = "",
    *beside: tuple[str, Mapping[str, Any]],
    kind: str = SCALED_OBJECT,
) -> Case:
    return Case(FALLBACK, group, title, kind, properties, path, beside=beside)


FALLBACKS = (
    _holds("good", "a whole one", KEDA),
    _holds("good", "one that sleeps while another answers", put(
        _ASLEEP, "spec", "idleReplicaCount", value=0)),
    _holds("good", "one of Kubernetes", HPA, kind=NATIVE),
    _holds("good", "one that asks nothing outside", put(
        drop(KEDA, "spec", "fallback"), "spec", "triggers", value=[_MEASURED])),
    _holds("good", "a patch", {"spec": {"minReplicaCount": 0}}, kind=f"{SCALED_OBJECT}Patch"),
    _holds("bad", "no fallback", drop(KEDA, "spec", "fallback"), "spec.fallback"),
    _holds("bad", "a fallback to none", put(KEDA, "spec", "fallback", "replicas", value=0),
           "spec.fallback.replicas"),
    _holds("bad", "a fallback to fewer", put(KEDA, "spec", "fallback", "behavior", value="static"),
           "spec.fallback.behavior"),
    _holds("bad", "nothing for zero", put(
        KEDA, "spec", "triggers", 0, "metadata", "ignoreNullValues", value="true"),
        "spec.triggers[0].metadata.ignoreNullValues"),
    _holds("bad", "zero with nobody named", put(KEDA, "spec", "minReplicaCount", value=0),
           "spec.minReplicaCount"),
    _holds("bad", "asleep with nobody named", put(KEDA, "spec", "idleReplicaCount", value=0),
           "spec.idleReplicaCount"),
    _holds("bad", "a window shorter than a start", put(KEDA, *_BEHAVIOR, value=599),
           _BEHAVIOR_PATH),
    _holds("bad", "asleep sooner than it starts", put(
        put(_ASLEEP, "spec", "idleReplicaCount", value=0), "spec", "cooldownPeriod", value=60),
        "spec.cooldownPeriod"),
    _holds("bad", "a native one to zero", put(HPA, "spec", "minReplicas", value=0),
           "spec.minReplicas", kind=NATIVE),
    _holds("bad", "a native one in haste", put(HPA, "spec", "behavior", *_WINDOW, value=0),
           "spec.behavior.scaleDown.stabilizationWindowSeconds", kind=NATIVE),
    _holds("bad", "two of one workload", HPA, "spec.scaleTargetRef", (SCALED_OBJECT, KEDA),
           kind=NATIVE),
    _holds("unknown", "the time of a start", put(
        KEDA, "metadata", "annotations", START_SECONDS, value=UNKNOWN),
        f'metadata.annotations["{START_SECONDS}"]'),
    _holds("unknown", "the triggers", put(KEDA, "spec", "triggers", value=UNKNOWN),
           "spec.triggers"),
    _holds("unknown", "what it scales", put(KEDA, "spec", "scaleTargetRef", "name", value=UNKNOWN),
           "spec.scaleTargetRef.name"),
    _holds("unknown", "the least", put(KEDA, "spec", "minReplicaCount", value=UNKNOWN),
           "spec.minReplicaCount"),
    _holds("bypass", "zero by default", drop(KEDA, "spec", "minReplicaCount"),
           "spec.minReplicaCount"),
    _holds("bypass", "nothing for zero by default", drop(
        KEDA, "spec", "triggers", 0, "metadata", "ignoreNullValues"),
        "spec.triggers[0].metadata.ignoreNullValues"),
    _holds("bypass", "a window by default", drop(KEDA, *_BEHAVIOR), _BEHAVIOR_PATH),
    _holds("bypass", "in a list", {"items": [drop(KEDA, "spec", "fallback")]},
           "items[0].spec.fallback", kind=_LIST),
)  # fmt: skip


def _pool(gpus: int) -> tuple[str, Json]:
    spec = {"limits": {"nvidia.com/gpu": gpus}}
    return _POOL, {"kind": "NodePool", "metadata": {"name": "l4"}, "spec": spec}


def _group(nodes: int) -> tuple[str, Json]:
    worker = {"metadata": {"labels": ENGINE_LABELS}, "spec": ENGINE_POD}
    parts = {"size": nodes, "workerTemplate": worker}
    metadata = {"name": "subject"}
    return _GROUPS, {"metadata": metadata, "spec": {"leaderWorkerTemplate": parts}}


_ENGINE = (DEPLOYMENT, ENGINE)
_OTHER = (
    DEPLOYMENT,
    put(put(ENGINE, "metadata", "name", value="other"), "spec", "replicas", value=2),
)
_OF_GROUPS = put(KEDA, "spec", "scaleTargetRef", "kind", value="LeaderWorkerSet")
_MOST = "spec.maxReplicaCount"
_ISOLATED = "ml-10-multinode-isolated"


def _fits(
    group: Group,
    title: str,
    properties: Json,
    path: str,
    *beside: tuple[str, Mapping[str, Any]],
    kind: str = SCALED_OBJECT,
    also: tuple[str, ...] = (),
) -> Case:
    return Case(CEILING, group, title, kind, properties, path, also, beside)


_LATER = put(
    ENGINE,
    *("spec", "template", "spec", "containers", 0, "resources", "limits", "nvidia.com/gpu"),
    value=UNKNOWN,
)
CEILINGS = (
    _fits("good", "as many as the pool holds", KEDA, "", _ENGINE, _pool(3)),
    _fits("good", "beside another", KEDA, "", _ENGINE, _OTHER, _pool(5)),
    _fits("good", "a pool of somebody else", KEDA, "", _ENGINE),
    _fits("good", "a workload of somebody else", KEDA, "", _pool(1)),
    _fits("good", "groups of two", _OF_GROUPS, "", _group(2), _pool(6), also=(_ISOLATED,)),
    _fits("bad", "more than the pool holds", KEDA, _MOST, _ENGINE, _pool(2)),
    _fits("bad", "more with another", KEDA, _MOST, _ENGINE, _OTHER, _pool(4)),
    _fits("bad", "groups of three", _OF_GROUPS, _MOST, _group(3), _pool(8), also=(_ISOLATED,)),
    _fits("bad", "a native one", HPA, "spec.maxReplicas", _ENGINE, _pool(2), kind=NATIVE),
    _fits("unknown", "how many", put(KEDA, "spec", "maxReplicaCount", value=UNKNOWN), _MOST),
    _fits("unknown", "the GPUs", KEDA, _MOST, (DEPLOYMENT, _LATER), _pool(3)),
    _fits("bypass", "as many as KEDA likes", drop(KEDA, "spec", "maxReplicaCount"), _MOST),
    _fits("bypass", "its kind by default", put(KEDA, "spec", "maxReplicaCount", value=100), _MOST,
          _ENGINE, _pool(8)),
)  # fmt: skip

CASES = (*FALLBACKS, *CEILINGS)
