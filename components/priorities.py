"""Who gives way where nodes are short: batch servers to interactive ones.

Owns the stack's two PriorityClasses; they are objects of the cluster, so their names begin with the
stack's namespace.
"""

from collections.abc import Mapping
from types import MappingProxyType

import pulumi
import pulumi_kubernetes as k8s

from components.core.conventions import PART_OF
from components.document.vllm_features import TrafficClass

_VALUES: Mapping[TrafficClass, int] = MappingProxyType({"interactive": 100_000, "batch": 1_000})
"""Both above the default of 0, so that loading and tests give way to servers, and far below the
2,000,000,000 from which on Kubernetes keeps values to itself."""


def priority_class(namespace: str, traffic: TrafficClass) -> str:
    """Name of the PriorityClass of a stack's servers."""
    return f"{namespace}-{traffic}"


class ServingPriorities(pulumi.ComponentResource):
    """Interactive serving, which may end batch pods; and batch, which waits."""

    def __init__(
        self, name: str, namespace: str, *, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("inference:capacity:ServingPriorities", name, None, opts)
        for traffic, value in _VALUES.items():
            role = priority_class(namespace, traffic)
            k8s.scheduling.v1.PriorityClass(
                role,
                metadata={"name": role, "labels": {"app.kubernetes.io/part-of": PART_OF}},
                value=value,
                preemption_policy="PreemptLowerPriority" if traffic == "interactive" else "Never",
                description=f"Servers of {namespace} with {traffic} traffic.",
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
