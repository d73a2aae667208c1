"""GPU nodes for those who use GPUs, and engines on the nodes meant for them (PH-07, PH-11)."""

from collections.abc import Iterator

from pulumi_policy import EnforcementLevel, Severity

from components.core.conventions import GPU_RESOURCE
from policies.adapter import Breach, Parameters, Rule
from policies.models.gpus import accelerators, claims_device
from policies.reading.objects import Pod, Resource
from policies.reading.servers import readable
from policies.reading.tree import Node

_NODE = "kubernetes.io/hostname"
_ANYWHERE = frozenset({"kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os"})
"""Labels that nodes of every pool have."""


def _check_taint(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    taint = str(parameters["taint_key"])
    for pod in resource.pods:
        per_node = any(
            one.kind == "DaemonSet" and pod.node.steps[: len(one.node.steps)] == one.node.steps
            for one in resource.objects
        )
        if not (per_node or pod.node.unknown or _uses_gpu(pod) or _follows(pod)):
            yield from _toleration_breaches(pod, taint)


def _follows(pod: Pod) -> bool:
    """Whether it goes to the node of another pod only, so that no node is there for it alone."""
    rules = pod.node.at("affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    return any(rule.at("topologyKey").text == _NODE for rule in rules.elements())


def _uses_gpu(pod: Pod) -> bool:
    return any(
        claims_device(pod, container) or any(True for _ in accelerators(container, "limits"))
        for container in pod.containers
    )


def _toleration_breaches(pod: Pod, taint: str) -> Iterator[Breach]:
    tolerations = pod.node.at("tolerations")
    possible = f"the toleration of {taint} is possible beside a GPU in the limits"
    if tolerations.unknown:
        asked = "decides only later which nodes a pod without GPU may take"
        yield Breach(tolerations, asked, possible)
    for one in tolerations.elements():
        if one.unknown or one.at("key").unknown:
            asked = "decides only later which nodes a pod without GPU may take"
            yield Breach(one, asked, possible)
        elif one.at("key").text == taint:
            yield Breach(
                one, "lets a pod that uses no GPU take the place of one that does", possible
            )


def _check_profile(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    del parameters
    for server in readable(resource):
        if not server.whole or not any(True for _ in accelerators(server.container, "limits")):
            continue
        selector = server.pod.node.at("nodeSelector")
        asked = f"lets {server.container.title} start on whichever node has a GPU to spare"
        if selector.unknown or not (_selects(selector) or _requires(server.pod.node)):
            possible = "a nodeSelector, or required node affinity, for a pool of GPUs is possible"
            yield Breach(selector, asked, possible, "pool")


def _selects(selector: Node) -> bool:
    return any(key not in _ANYWHERE for key, _ in selector.items())


def _requires(pod: Node) -> bool:
    """Whether required node affinity names anything but what all nodes have."""
    affinity = pod.at("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    terms = list(affinity.at("nodeSelectorTerms").elements())
    return bool(terms) and all(_narrows(term) for term in terms)


def _narrows(term: Node) -> bool:
    demands = [*term.at("matchExpressions").elements(), *term.at("matchFields").elements()]
    return any((one.at("key").text or "") not in {*_ANYWHERE, ""} for one in demands)


GPU_TAINT_PAIRED = Rule(
    name="ph-07-gpu-taint-paired",
    severity=Severity.MEDIUM,
    description="Only pods that use a GPU tolerate the taint that keeps others off GPU nodes.",
    remediation="Ask for a GPU, or take the toleration away.",
    check=_check_taint,
    parameters={
        "taint_key": {
            "type": "string",
            "default": GPU_RESOURCE,
            "description": "Key of the taint on GPU nodes.",
        }
    },
)
"""DaemonSets, which drivers and exporters are, may go everywhere, and pods that have to be where
another one is, such as a Job on a disk that a server's node holds. A toleration of every taint is
left alone: cluster agents of others have it."""

NODE_PROFILE_SET = Rule(
    name="ph-11-node-profile-set",
    severity=Severity.LOW,
    description="Every vLLM server on a GPU says which nodes it was planned for.",
    remediation="Set pool of the model to the node pool that its plan was made for.",
    check=_check_profile,
    level=EnforcementLevel.ADVISORY,
)
