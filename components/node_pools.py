"""GPU nodes: one Karpenter NodePool a pool, tainted, capped and slow to disrupt.

Owns the NodePool. The node class (AMI, subnets, roles) is the cluster's and only named here.
"""

from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.core.conventions import GPU_RESOURCE, PART_OF
from components.core.drain import DrainChain
from components.document.capacity import GpuNodePoolSettings, NodeClassSettings

_NODE_CLASS_GROUPS = {
    "EC2NodeClass": "karpenter.k8s.aws",
    "KWOKNodeClass": "karpenter.kwok.sh",
}


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
                    *_zones(settings),
                ],
            },
        },
    }


def _zones(settings: GpuNodePoolSettings) -> list[dict[str, Any]]:
    """Where nodes may be; nothing where the node class's subnets say it."""
    return [_requirement("topology.kubernetes.io/zone", settings.zones)] if settings.zones else []


def _requirement(key: str, values: tuple[str, ...]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}
