"""Autoscalers that never end servers because they know nothing (policy RL-06).

Facts of KEDA 2.20: `pkg/fallback/fallback.go`, `pkg/scalers/prometheus_scaler.go`,
`pkg/scaling/executor/scale_scaledobjects.go`, `apis/keda/v1alpha1/scaledobject_types.go`.
"""

from collections.abc import Iterator, Sequence

from pulumi_policy import Severity

from components.core.conventions import IDLE_FALLBACK, START_SECONDS
from policies.adapter import Breach, Parameters, StackRule
from policies.reading.objects import Object, Resource
from policies.reading.quantities import whole
from policies.reading.tree import Node

KEDA, NATIVE = "ScaledObject", "HorizontalPodAutoscaler"
_LEAF = "scaling"
_HOLDING = frozenset({"currentReplicas", "currentReplicasIfHigher"})
_MEASURED_HERE = frozenset({"cpu", "memory", "cron"})
"""Triggers that ask nothing outside the cluster's own APIs, so that none needs a fallback."""
_DEFAULT_SECONDS = 300
"""KEDA's cooldownPeriod and a HorizontalPodAutoscaler's window, where nobody says any."""
_BEHAVIOR = ("advanced", "horizontalPodAutoscalerConfig", "behavior")


def autoscalers(resource: Resource) -> Iterator[Object]:
    """The autoscalers in a resource; a patch shows but a part of one."""
    if not resource.patch:
        yield from (one for one in resource.objects if one.kind in {KEDA, NATIVE})


def target_of(owner: Object) -> Node:
    """What an autoscaler scales."""
    return owner.node.at("spec", "scaleTargetRef")


def _check(
    resources: Sequence[Resource], parameters: Parameters
) -> Iterator[tuple[Resource, Breach]]:
    least, seen = int(parameters["least_window_seconds"]), dict[tuple[str, ...], Resource]()
    for resource in resources:
        for owner in autoscalers(resource):
            breaches = [*_target_breaches(owner, resource, seen), *_window_breaches(owner, least)]
            breaches += [*_zero_breaches(owner), *_keda_breaches(owner)]
            yield from ((resource, breach) for breach in breaches)


def _target_breaches(
    owner: Object, resource: Resource, seen: dict[tuple[str, ...], Resource]
) -> Iterator[Breach]:
    """A second one under the same name in the program, of another kind, is no second one.

    It takes the place of the first: what a deployment is going to remove is shown as well.
    """
    node, place = target_of(owner), owner.node.at("metadata", "namespace").text or ""
    kind = node.at("kind").text or ("Deployment" if owner.kind == KEDA else "")
    name = node.at("name").text
    if name is None:
        possible = "a name that is known at preview is possible"
        yield Breach(node.at("name"), "decides only later what it scales", possible)
    elif (first := seen.get((place, kind, name))) and not _succeeds(resource, first):
        asked = f"scales {kind} {name}, which another autoscaler of the stack scales too"
        yield Breach(node, asked, "one autoscaler a workload is possible", _LEAF)
    else:
        seen[place, kind, name] = resource


def _succeeds(resource: Resource, first: Resource) -> bool:
    return resource is not first and resource.name == first.name


def _window_breaches(owner: Object, least: int) -> Iterator[Breach]:
    spec, noted = owner.node.at("spec"), owner.node.at("metadata", "annotations", START_SECONDS)
    start = whole(noted, least)
    if start is None:
        possible = "seconds that are known at preview are possible"
        yield Breach(noted, "decides only later how long a start takes", possible)
        return
    wanted = max(least, start)
    behavior = spec.at(*_BEHAVIOR) if owner.kind == KEDA else spec.at("behavior")
    nodes = [behavior.at("scaleDown", "stabilizationWindowSeconds")]
    nodes += [spec.at("cooldownPeriod")] if owner.kind == KEDA and _to_zero(owner) else []
    for node in nodes:
        seconds = whole(node, _DEFAULT_SECONDS)
        if seconds is None or seconds < wanted:
            told = "later to be decided" if seconds is None else f"{seconds} s"
            asked = f"ends servers after {told} of little load, although a start takes {wanted} s"
            yield Breach(node, asked, "a longer time than that of a start is possible", _LEAF)


def _to_zero(owner: Object) -> list[Node]:
    """What lets the last server end: nothing where there always is one."""
    spec = owner.node.at("spec")
    if owner.kind == NATIVE:
        least = spec.at("minReplicas")
        return [least] if whole(least, 1) in {0, None} else []
    idle, least = spec.at("idleReplicaCount"), spec.at("minReplicaCount")
    found = [] if idle.absent else [idle]
    return found + ([least] if whole(least, 0) in {0, None} else [])


def _zero_breaches(owner: Object) -> Iterator[Breach]:
    noted = owner.node.at("metadata", "annotations", IDLE_FALLBACK).text
    for node in [] if noted else _to_zero(owner)[:1]:
        asked = "may end the last server, with nobody named who answers instead"
        possible = f"one replica at least, or the annotation {IDLE_FALLBACK}, is possible"
        yield Breach(node, asked, possible, f"{_LEAF}.idle")


def _keda_breaches(owner: Object) -> Iterator[Breach]:
    if owner.kind != KEDA:
        return
    spec = owner.node.at("spec")
    triggers = spec.at("triggers")
    known = [trigger.at("type").text for trigger in triggers.elements()]
    if triggers.unknown or None in known:
        possible = "triggers that are known at preview are possible"
        yield Breach(triggers, "decides only later what it scales by", possible, _LEAF)
    elif not _MEASURED_HERE.issuperset(known):
        yield from _fallback_breaches(spec)
    for trigger in triggers.elements():
        ignored = trigger.at("metadata", "ignoreNullValues")
        if trigger.at("type").text == "prometheus" and ignored.text not in {"false", "False", "0"}:
            asked = "takes no answer of Prometheus for no load"
            yield Breach(ignored, asked, "ignoreNullValues 'false' is possible", _LEAF)


def _fallback_breaches(spec: Node) -> Iterator[Breach]:
    fallback = spec.at("fallback")
    replicas, behavior = fallback.at("replicas"), fallback.at("behavior")
    if fallback.absent or whole(fallback.at("failureThreshold"), -1) in {-1, None}:
        asked = "has no number of servers for when its metrics are away"
        yield Breach(fallback, asked, "a fallback is possible", _LEAF)
    elif not whole(replicas, 0):
        asked = "has none, or a later number, for when its metrics are away, and so ends the last"
        yield Breach(replicas, asked, "1 or more are possible", f"{_LEAF}.fallback_replicas")
    elif behavior.text not in _HOLDING:
        asked = "may end servers because its metrics are away"
        yield Breach(behavior, asked, f"{' or '.join(sorted(_HOLDING))} is possible", _LEAF)


AUTOSCALE_FALLBACK = StackRule(
    name="rl-06-autoscale-fallback",
    severity=Severity.MEDIUM,
    description="No autoscaler ends servers for want of metrics, or sooner than others start.",
    remediation="Say scaling of the model or the gateway; the platform renders a whole autoscaler.",
    check=_check,
    parameters={
        "least_window_seconds": {
            "type": "integer",
            "minimum": 0,
            "default": _DEFAULT_SECONDS,
            "description": "How long load is low at least before a server ends, in seconds; more "
            f"where the annotation {START_SECONDS} says that a start takes longer.",
        }
    },
)
"""Without a fallback an outage of Prometheus freezes a ScaledObject or, at no minimum, empties it;
an empty answer counts as zero by KEDA's own default. Two autoscalers of one workload fight."""
