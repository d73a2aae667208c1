"""Which tier an engine belongs to, and where it may run (policies AX-03 and AX-13)."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from components.core.conventions import ENVIRONMENT, GPU_RESOURCE
from policies.adapter import Breach, Parameters, Rule
from policies.reading.engines import NAME_LABEL, is_engine_pod
from policies.reading.objects import Container, Pod, Resource
from policies.reading.tree import Node

_POOL_LABEL = "karpenter.sh/nodepool"
_SERVER_VARIABLES = frozenset(
    {
        "OLLAMA_CONTEXT_LENGTH",
        "OLLAMA_KEEP_ALIVE",
        "OLLAMA_MAX_LOADED_MODELS",
        "OLLAMA_MODELS",
        "OLLAMA_NUM_PARALLEL",
    }
)
"""Variables of which only Ollama's server makes anything; clients have OLLAMA_HOST too."""
_CHARTS = frozenset({"Release", "Chart"})


def _runs_ollama(container: Container) -> bool:
    """Whether a container is Ollama's server: by image, tag, variables or what it starts."""
    if not container.serves:
        return False
    image = (container.node.at("image").text or "").partition("@")[0].lower()
    words = [
        word.text.rpartition("/")[2] if word.text else ""
        for part in ("command", "args")
        for word in container.node.at(part).elements()
    ]
    named = {name for name, _ in container.variables}
    starts = "ollama serve" in " ".join(words)
    return "ollama" in image or starts or not _SERVER_VARIABLES.isdisjoint(named)


def _ollama_nodes(pod: Pod) -> list[Node]:
    """Ollama's servers in a pod; the pod itself where its labels alone say so."""
    found = [container.node for container in pod.containers if _runs_ollama(container)]
    labelled = pod.labels.get(NAME_LABEL) == "ollama"
    return found or ([pod.node] if labelled else [])


def _is_development(pod: Pod) -> bool:
    return pod.labels.get(ENVIRONMENT) == "development"


def _namespace(resource: Resource, node: Node) -> str:
    """Of the object that a node stands in; empty where nobody says."""
    for length in range(len(node.steps), -1, -1):
        found = resource.root.at(*node.steps[:length]).at("metadata", "namespace")
        if not found.absent:
            return found.text or ""
    return ""


def _check_ollama(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    namespaces = parameters["development_namespaces"]
    possible = (
        f"it is possible in development only: pods labelled {ENVIRONMENT}: development, or a "
        "namespace of the parameter development_namespaces"
    )
    for pod in resource.pods:
        for node in _ollama_nodes(pod):
            if not _is_development(pod) and _namespace(resource, node) not in namespaces:
                yield Breach(node, "runs Ollama outside development", possible)
    chart = resource.root.at("chart")
    if resource.kind in _CHARTS and "ollama" in (chart.text or "").lower():
        there = resource.root.at("namespace").text
        if there not in namespaces:
            yield Breach(chart, "installs a chart of Ollama outside development", possible)


def _check_tiers(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    own_pools = parameters["development_node_pools"]
    for pod in resource.pods:
        if not is_engine_pod(pod):
            continue
        pool = pod.node.at("nodeSelector", _POOL_LABEL)
        in_own_pool = pool.text in own_pools
        if _is_development(pod) or _ollama_nodes(pod):
            for node, asked in () if in_own_pool else _ways_to_gpu_nodes(pod):
                possible = (
                    "nodes without GPU are possible, or a pool of development's own, named in the "
                    "parameter development_node_pools"
                )
                yield Breach(node, f"lets an engine of development {asked}", possible, "pool")
        elif in_own_pool:
            asked = f"sends an engine of production to {pool.text}, a pool of development"
            yield Breach(pool, asked, "pools outside development_node_pools are possible", "pool")


def _ways_to_gpu_nodes(pod: Pod) -> Iterator[tuple[Node, str]]:
    """How a pod may come to nodes on which production serves, each with the words for it."""
    tolerations = pod.node.at("tolerations")
    for node in [tolerations] if tolerations.unknown else tolerations.elements():
        if _tolerates_gpu_taint(node):
            yield node, "onto GPU nodes, past the taint that keeps them for production"
    selector = pod.node.at("nodeSelector")
    pool = selector.at(_POOL_LABEL)
    if selector.unknown or not pool.absent:
        yield (selector if selector.unknown else pool), "choose a pool of GPU nodes"
    name = pod.node.at("nodeName")
    if not name.absent:
        yield name, "onto a node by its name, past every taint"
    for container in pod.containers:
        for part in ("limits", "requests"):
            gpus = container.node.at("resources", part, GPU_RESOURCE)
            if not gpus.absent:
                yield gpus, f"have GPUs in {container.title}"
                break


def _tolerates_gpu_taint(toleration: Node) -> bool:
    """As the scheduler reads it; what is unknown may turn out to."""
    key, effect = toleration.at("key"), toleration.at("effect")
    if toleration.unknown or key.unknown:
        return True
    everything = not key.text and toleration.at("operator").text == "Exists"
    reaches = effect.unknown or (effect.text or "NoSchedule") == "NoSchedule"
    return reaches and (everything or key.text == GPU_RESOURCE)


_NAMES: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}, "default": []}

OLLAMA_DEV_ONLY = Rule(
    name="ax-03-ollama-dev-only",
    severity=Severity.HIGH,
    description="Ollama, which has no authentication, runs in development only.",
    remediation="Serve the model with vLLM, or run it in a stack whose environment is development.",
    check=_check_ollama,
    parameters={
        "development_namespaces": {
            **_NAMES,
            "description": "Namespaces of development, where Ollama needs no label.",
        }
    },
)

TIERS_APART = Rule(
    name="ax-13-tiers-apart",
    severity=Severity.HIGH,
    description="Engines of development and of production never share a node.",
    remediation="Keep development off GPU nodes, or give it a pool of its own and name it.",
    check=_check_tiers,
    parameters={
        "development_node_pools": {
            **_NAMES,
            "description": "Karpenter pools that are development's own.",
        }
    },
)
