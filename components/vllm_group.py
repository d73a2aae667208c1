"""A vLLM server on several nodes: a LeaderWorkerSet, whose pods start and end as one.

The engine starts the processes of each node itself and joins them over the network (`--nnodes`), so
nothing but the pods is needed. LeaderWorkerSet's controller belongs to the cluster.
"""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import PodSpecArgsDict

from components.api_names import api_names
from components.core.conventions import GROUP_LABEL, RANK_LABEL, VLLM_PORT
from components.vllm_pods import PodParts, follower_pod, leader_pod
from components.workloads import (
    HTTP,
    Identity,
    Replicas,
    disruption_budget,
    patient,
    server_account,
    unscaled,
)


def group_server(
    who: Identity, replicas: Replicas, parts: PodParts, opts: pulumi.ResourceOptions
) -> k8s.core.v1.Service:
    """Account, LeaderWorkerSet, Service and, for several groups, disruption budget of a server.

    Args:
        who: Names and labels.
        replicas: Groups and how they are replaced.
        parts: What their pods are made from.
        opts: Parent and dependencies of the objects.

    Returns:
        The Service, which leads to the groups' leaders.
    """
    server_account(who, opts, parts.mount.account_annotations)
    CustomResource(
        f"{who.name}-group",
        api_version="leaderworkerset.x-k8s.io/v1",
        kind="LeaderWorkerSet",
        metadata={
            **who.metadata(),
            "annotations": {**who.annotations, "pulumi.com/waitFor": "condition=Available"},
        },
        spec=group_spec(who, replicas, parts),
        opts=unscaled(patient(opts, replicas.start_seconds), replicas),
    )
    disruption_budget(who, replicas, opts)
    return k8s.core.v1.Service(
        f"{who.name}-leaders",
        metadata=who.metadata(),
        spec={
            "type": "ClusterIP",
            "selector": {**who.selector, RANK_LABEL: "0"},
            "ports": [{"name": HTTP, "port": VLLM_PORT, "target_port": HTTP, "protocol": "TCP"}],
        },
        opts=opts,
    )


def group_spec(who: Identity, replicas: Replicas, parts: PodParts) -> dict[str, Any]:
    """`spec` of a LeaderWorkerSet of leaderworkerset.x-k8s.io/v1.

    All pods of a group are made at once: the engine's processes wait for each other, so none can be
    ready before all are there. A pod that restarts takes its group with it, because the others hold
    layers of a conversation that is gone. Each group gets a headless Service of its own, called
    after its leader; one for all would be called as the Service to the leaders is.
    """
    drain = parts.drain
    return {
        "replicas": replicas.count,
        "startupPolicy": "LeaderCreated",
        "networkConfig": {"subdomainPolicy": "UniquePerReplica"},
        "rolloutStrategy": {
            "type": "RollingUpdate",
            "rollingUpdateConfiguration": {
                "maxUnavailable": 0 if replicas.surge else 1,
                "maxSurge": 1 if replicas.surge else 0,
            },
        },
        "leaderWorkerTemplate": {
            "size": parts.settings.nodes,
            "restartPolicy": "RecreateGroupOnPodRestart",
            "leaderTemplate": _template(who, leader_pod(parts), drain.pod_grace_seconds),
            "workerTemplate": _template(who, follower_pod(parts), drain.follower_grace_seconds),
        },
    }


def _template(who: Identity, pod: PodSpecArgsDict, grace_seconds: int) -> dict[str, Any]:
    """A pod template; a group stays in one zone, because every token travels between its pods."""
    spec: PodSpecArgsDict = {
        **pod,
        "service_account_name": who.name,
        "termination_grace_period_seconds": grace_seconds,
        "affinity": {
            "pod_affinity": {
                "required_during_scheduling_ignored_during_execution": [
                    {
                        "label_selector": {"match_labels": who.selector},
                        "match_label_keys": [GROUP_LABEL],
                        "topology_key": "topology.kubernetes.io/zone",
                    }
                ]
            }
        },
    }
    return {
        "metadata": {"labels": who.labels, "annotations": dict(who.annotations)},
        "spec": api_names(spec),
    }
