"""On which node a Job that writes to a volume runs."""

from collections.abc import Mapping

from pulumi_kubernetes.core.v1 import (
    AffinityArgsDict,
    NodeSelectorRequirementArgsDict,
    PodSpecArgsDict,
)

from components.core.conventions import GPU_RESOURCE
from components.volumes import Writable


def placed(
    pod: PodSpecArgsDict, volume: Writable, *, beside: Mapping[str, str] | None = None
) -> PodSpecArgsDict:
    """The pod of a Job where it can write to a volume.

    A disk is mounted by one node. While a server runs, that is the server's, so the Job goes there:
    it has to tolerate the taint of GPU nodes, although it uses no GPU. Its own labels match the
    rule too, and Kubernetes lets such a pod pass where no other one matches, so that the first Job,
    before any server, runs anywhere. A disk comes to be in the zone of that first pod, and has to
    be where the server's nodes can be. Labels of `beside`, which it does not carry itself, make it
    wait for a server's pod that does.
    """
    found: PodSpecArgsDict = {**pod}
    if volume.node_labels:
        found["node_selector"] = dict(volume.node_labels)
    affinity: AffinityArgsDict = {}
    if volume.together_with:
        if volume.tainted:
            found["tolerations"] = [
                {"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}
            ]
        affinity["pod_affinity"] = {
            "required_during_scheduling_ignored_during_execution": [
                {
                    "topology_key": "kubernetes.io/hostname",
                    "label_selector": {"match_labels": {**volume.together_with, **(beside or {})}},
                }
            ]
        }
    if volume.zones:
        zones: NodeSelectorRequirementArgsDict = {
            "key": "topology.kubernetes.io/zone",
            "operator": "In",
            "values": list(volume.zones),
        }
        affinity["node_affinity"] = {
            "required_during_scheduling_ignored_during_execution": {
                "node_selector_terms": [{"match_expressions": [zones]}]
            }
        }
    if affinity:
        found["affinity"] = affinity
    return found
