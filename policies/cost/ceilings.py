"""As many replicas as their pool can hold (policy CO-04)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pulumi_policy import Severity

from components.core.conventions import GPU_RESOURCE
from policies.adapter import Breach, Parameters, StackRule
from policies.models.gpus import accelerators
from policies.reading.objects import Object, Pod, Resource
from policies.reading.quantities import whole
from policies.reading.tree import Node
from policies.reliability.autoscaling import KEDA, autoscalers, target_of

_POOL_LABEL = "karpenter.sh/nodepool"
_SCALED = frozenset({"Deployment", "StatefulSet", "LeaderWorkerSet"})
_LEAF = "scaling.max_replicas"


@dataclass(frozen=True)
class _Workload:
    """What may be scaled, and what one replica of it takes.

    Attributes:
        key: Namespace, kind and name.
        pool: Where it runs; empty where it may run anywhere.
        gpus: Of one replica, on all its nodes; None where that is decided later.
        replicas: As written, where no autoscaler decides.
    """

    key: tuple[str, str, str]
    pool: str
    gpus: int | None
    replicas: int


def _check(
    resources: Sequence[Resource], parameters: Parameters
) -> Iterator[tuple[Resource, Breach]]:
    del parameters
    found = {one.key: one for resource in resources for one in _workloads(resource)}
    limits = _limits(resources)
    most: dict[tuple[str, str, str], tuple[Resource, Node, int]] = {}
    for resource in resources:
        for owner in autoscalers(resource):
            node = owner.node.at("spec", "maxReplicaCount" if owner.kind == KEDA else "maxReplicas")
            number = None if node.absent else whole(node, 0)
            if number is None:
                yield resource, Breach(node, *_UNLIMITED, _LEAF)
            else:
                most[_target(owner)] = resource, node, number
    taken: Counter[str] = Counter()
    for key, one in found.items():
        replicas = most[key][2] if key in most else one.replicas
        taken[one.pool] += replicas * (one.gpus or 0)
    for key, (resource, node, number) in most.items():
        one = found.get(key)
        if one is not None:
            yield from ((resource, each) for each in _breaches(one, node, number, taken, limits))


_UNLIMITED = (
    "says no number of replicas that it stops at, or says it later",
    "a number that is known at preview is possible",
)


def _breaches(
    one: _Workload, node: Node, number: int, taken: Mapping[str, int], limits: Mapping[str, int]
) -> Iterator[Breach]:
    limit = limits.get(one.pool)
    if one.gpus is None:
        asked = "scales pods whose GPUs are decided only later"
        yield Breach(node, asked, "GPUs that are known at preview are possible", _LEAF)
    elif one.gpus and limit is not None and taken[one.pool] > limit:
        asked = (
            f"may ask for {number} replicas of {one.gpus} GPUs, with the others of pool {one.pool} "
            f"{taken[one.pool]} GPUs"
        )
        yield Breach(node, asked, f"{limit} GPUs are possible (limits of the NodePool)", _LEAF)


def _target(owner: Object) -> tuple[str, str, str]:
    node = target_of(owner)
    kind = node.at("kind").text or "Deployment"
    place = owner.node.at("metadata", "namespace").text or ""
    return place, kind, node.at("name").text or ""


def _limits(resources: Sequence[Resource]) -> dict[str, int]:
    """GPUs that each NodePool of the stack may have; nothing where it has no such limit."""
    found: dict[str, int] = {}
    for resource in resources:
        for one in resource.objects:
            limit = one.node.at("spec", "limits", GPU_RESOURCE)
            if one.kind == "NodePool" and not limit.absent:
                found[one.name] = whole(limit, 0) or 0
    return found


def _workloads(resource: Resource) -> Iterator[_Workload]:
    for one in resource.objects:
        if one.kind not in _SCALED:
            continue
        spec = one.node.at("spec")
        inside = [pod for pod in resource.pods if pod.node.steps[: len(spec.steps)] == spec.steps]
        size = whole(spec.at("leaderWorkerTemplate", "size"), 1) or 1
        followers = [pod for pod in inside if "workerTemplate" in pod.node.steps]
        pods = inside if len(inside) > len(followers) else inside * min(size, 2)
        gpus = [_gpus(pod) for pod in pods]
        gpus += [_gpus(pod) for pod in followers] * max(0, size - 2)
        pools = {pod.node.at("nodeSelector", _POOL_LABEL).text or "" for pod in inside}
        yield _Workload(
            (one.node.at("metadata", "namespace").text or "", one.kind, one.name),
            max(pools, default=""),
            None if None in gpus else sum(each or 0 for each in gpus),
            whole(spec.at("replicas"), 1) or 0,
        )


def _gpus(pod: Pod) -> int | None:
    """Of its containers that stay; those before them have the same GPUs first."""
    stay = [one for one in pod.containers if one.serves]
    amounts = [whole(each, 0) for one in stay for each in accelerators(one, "limits")]
    return None if None in amounts else sum(each or 0 for each in amounts)


REPLICA_CEILING = StackRule(
    name="co-04-replica-ceiling",
    severity=Severity.MEDIUM,
    description="Every autoscaler stops at a number of replicas, and its pool can hold as many.",
    remediation="Lower scaling.max_replicas of a model, or raise max_gpus of its pool.",
    check=_check,
)
"""What a pool cannot hold waits for ever and counts as load that nobody takes; without a number
KEDA goes up to 100. Machines are whole, so the document's own check is stricter."""
