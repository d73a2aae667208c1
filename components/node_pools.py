"""GPU nodes: one Karpenter NodePool a pool, tainted, capped and slow to disrupt.

Owns the NodePool. The node class (AMI, subnets, roles) is the cluster's and only named here.
"""

from typing import Annotated, Any, Literal

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pydantic import Field, field_validator

from components.core.conventions import GPU_RESOURCE, PART_OF
from components.core.drain import DrainChain
from components.core.hardware import INSTANCE_TYPES
from components.core.settings import DnsLabel, PositiveInt, Settings

Capacity = Literal["reserved", "spot", "on-demand"]

_NODE_CLASS_GROUPS = {
    "EC2NodeClass": "karpenter.k8s.aws",
    "KWOKNodeClass": "karpenter.kwok.sh",
}


class NodeClassSettings(Settings):
    """The node class that the cluster offers.

    `KWOKNodeClass` exists on the embedded control plane only, where nodes are simulated.
    """

    kind: Literal["EC2NodeClass", "KWOKNodeClass"] = "EC2NodeClass"
    name: DnsLabel = "default"


class GpuNodePoolSettings(Settings):
    """What a stack may say about one pool."""

    instance_types: Annotated[tuple[str, ...], Field(min_length=1)]
    capacity: Annotated[tuple[Capacity, ...], Field(min_length=1)] = ("on-demand",)
    max_gpus: Annotated[PositiveInt, Field(description="Ceiling on GPUs, and so on spend.")]

    @field_validator("instance_types")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in INSTANCE_TYPES]
        if unknown:
            message = (
                f"no GPU instance type {', '.join(unknown)}; known are {', '.join(INSTANCE_TYPES)}"
            )
            raise ValueError(message)
        return names


class GpuNodePool(pulumi.ComponentResource):
    """Nodes that carry GPUs and are tainted so that nothing else lands on them."""

    pool_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: GpuNodePoolSettings,
        *,
        node_class: NodeClassSettings,
        drain: DrainChain,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:capacity:GpuNodePool", name, None, opts)
        pool = CustomResource(
            name,
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata={"name": name, "labels": {"app.kubernetes.io/part-of": PART_OF}},
            spec=node_pool_spec(settings, node_class, drain),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.pool_name = pool.id.apply(lambda _: name)
        self.register_outputs({"pool_name": self.pool_name})


def node_pool_spec(
    settings: GpuNodePoolSettings, node_class: NodeClassSettings, drain: DrainChain
) -> dict[str, Any]:
    """`spec` of a karpenter.sh/v1 NodePool.

    Empty nodes go after ten minutes; nodes with a server on them are never consolidated, because
    Karpenter weighs price and pods, not the streams on a GPU. Nodes are replaced after 30 days, and
    then drain for as long as a stream may take.
    """
    return {
        "limits": {GPU_RESOURCE: settings.max_gpus},
        "disruption": {
            "consolidationPolicy": "WhenEmpty",
            "consolidateAfter": "10m",
            "budgets": [{"nodes": "1"}],
        },
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/part-of": PART_OF}},
            "spec": {
                "nodeClassRef": {
                    "group": _NODE_CLASS_GROUPS[node_class.kind],
                    "kind": node_class.kind,
                    "name": node_class.name,
                },
                "taints": [{"key": GPU_RESOURCE, "effect": "NoSchedule"}],
                "expireAfter": "720h",
                "terminationGracePeriod": f"{drain.node_grace_seconds}s",
                "requirements": [
                    _requirement("node.kubernetes.io/instance-type", settings.instance_types),
                    _requirement("karpenter.sh/capacity-type", settings.capacity),
                    _requirement("kubernetes.io/arch", ("amd64",)),
                ],
            },
        },
    }


def _requirement(key: str, values: tuple[str, ...]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}
