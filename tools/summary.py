"""What stands on the embedded control plane after a deployment, and what to do next."""

from typing import cast

from rich.console import Console
from rich.table import Table

from components.core.conventions import GATEWAY_PORT, GPU_RESOURCE, PART_OF
from tools.control_plane import ControlPlane
from tools.control_plane.api import Api, Object
from tools.control_plane.layout import Layout

_OURS = f"labelSelector=app.kubernetes.io/part-of={PART_OF}"
_WIDTH = 120
_WORKLOADS = (
    "apps/v1/deployments",
    "apps/v1/statefulsets",
    "leaderworkerset.x-k8s.io/v1/leaderworkersets",
)
_GROUPS_NAME = "leaderworkerset.sigs.k8s.io/name"
"""Label of the pods of a LeaderWorkerSet, which has no selector."""


def print_summary(plane: ControlPlane, stack: str, seconds: float) -> None:
    """Print servers, their pods and nodes, the gateway's address and the next commands.

    Args:
        plane: The control plane that was deployed to.
        stack: Name of the stack.
        seconds: How long the engine took.
    """
    console = Console(width=_WIDTH, highlight=False)
    with Api(Layout.of(plane.home), plane.server) as api:
        pods = _items(api, f"/api/v1/pods?{_OURS}")
        nodes = _items(api, "/api/v1/nodes")
        workloads = [
            each
            for kind in _WORKLOADS
            for each in _items(api, f"/apis/{kind}?{_OURS}")
            if "ownerReferences" not in each["metadata"]  # a group is made of StatefulSets
        ]
        console.print(servers(workloads, pods))
        made = nodes_by_karpenter(nodes)
        if made.row_count:
            console.print(made)
        gateways = _items(api, "/api/v1/services?labelSelector=app.kubernetes.io/name=litellm")
    console.print(f"The {stack} stack is up after {seconds:.0f} s, on the embedded control plane:")
    console.print(
        "objects, admission, scheduling and Karpenter are real, containers are simulated."
    )
    for gateway in gateways:
        name, namespace = gateway["metadata"]["name"], gateway["metadata"]["namespace"]
        console.print(
            f"For pods of namespace {namespace} the gateway is http://{name}:{GATEWAY_PORT}/v1"
        )
    _print_commands(
        console,
        (f"make preview STACK={stack}", f"after a change of Pulumi.{stack}.yaml"),
        (f"make kubeconfig STACK={stack}", "how your own kubectl sees this cluster"),
        (f"make up STACK={stack} CONTEXT=<context>", "the same stack on a cluster of yours"),
        ("make down", "stop everything, leave nothing"),
    )


def print_next_steps(stack: str, context: str) -> None:
    """Print what to do after a deployment to a cluster of the user's own."""
    console = Console(width=_WIDTH, highlight=False)
    where = f"STACK={stack} CONTEXT={context}"
    console.print(f"\nThe {stack} stack is up on {context}; its pods are waited for, and Ready.")
    _print_commands(
        console,
        (f"kubectl --context {context} get pods -A -l app.kubernetes.io/part-of={PART_OF}", ""),
        (f"make preview {where}", f"after a change of Pulumi.{stack}.yaml"),
        (f"make down {where}", "remove the stack from the cluster"),
    )


def _print_commands(console: Console, *commands: tuple[str, str]) -> None:
    console.print("\nNext:")
    for command, meaning in commands:
        console.print(f"  {command:<42}{meaning}")


def servers(workloads: list[Object], pods: list[Object]) -> Table:
    """Each server with its replicas, ready of wanted, and the nodes that its pods run on."""
    table = Table("server", "ready", "pods on", "image")
    for workload in sorted(workloads, key=lambda each: each["metadata"]["name"]):
        name, spec = workload["metadata"]["name"], workload["spec"]
        groups = spec.get("leaderWorkerTemplate")
        selector = ({_GROUPS_NAME: name} if groups else spec["selector"]["matchLabels"]).items()
        template = groups["leaderTemplate"] if groups else spec["template"]
        on = {
            pod["spec"].get("nodeName", "no node yet")
            for pod in pods
            if selector <= pod["metadata"]["labels"].items()
        }
        image = template["spec"]["containers"][0]["image"]
        ready = f"{workload['status'].get('readyReplicas', 0)}/{spec['replicas']}"
        table.add_row(name, ready, ", ".join(sorted(on)), image.partition("@")[0])
    return table


def nodes_by_karpenter(nodes: list[Object]) -> Table:
    """The nodes that Karpenter made: pool, instance type, capacity, GPUs."""
    table = Table("node by Karpenter", "pool", "instance type", "capacity", "GPUs")
    for node in nodes:
        labels = node["metadata"].get("labels", {})
        if "karpenter.sh/nodepool" in labels:
            table.add_row(
                node["metadata"]["name"],
                labels["karpenter.sh/nodepool"],
                labels.get("node.kubernetes.io/instance-type", ""),
                labels.get("karpenter.sh/capacity-type", ""),
                node["status"].get("capacity", {}).get(GPU_RESOURCE, "0"),
            )
    return table


def _items(api: Api, path: str) -> list[Object]:
    return cast("list[Object]", (api.get(path) or {}).get("items", []))
