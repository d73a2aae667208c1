"""Reading what arrived in the API server: pods by role, selectors, who may reach whom."""

from collections.abc import Mapping
from typing import Any

from tests.cluster.conftest import Kubectl

Object = dict[str, Any]


def pods(kubectl: Kubectl, app: str, role: str) -> list[Object]:
    label = f"app.kubernetes.io/name={app},app.kubernetes.io/component={role}"
    return kubectl.get("pods", "-n", "akko", "-l", label)["items"]


def pod_spec(kubectl: Kubectl, app: str, role: str = "engine") -> Object:
    return pods(kubectl, app, role)[0]["spec"]


def ready(pod: Object) -> bool:
    return {"type": "Ready", "status": "True"}.items() <= {
        key: value
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready"
        for key, value in condition.items()
    }.items()


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Kubernetes' own rule for a label selector, as far as the platform's policies use it."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "NotIn", "a new operator has to be understood here first"
        if labels.get(rule["key"]) in rule["values"]:
            return False
    return True


def peers_of(kubectl: Kubectl, pod: Object, port: int) -> list[Object]:
    """Every peer that any policy lets reach a port of a pod; a rule without peers is everybody."""
    peers: list[Object] = []
    for policy in kubectl.get("networkpolicies", "-n", "akko")["items"]:
        spec = policy["spec"]
        if not selects(spec["podSelector"], pod["metadata"]["labels"]):
            continue
        for rule in spec.get("ingress", []):
            open_ports = [entry["port"] for entry in rule.get("ports", [])]
            if not open_ports or port in open_ports:
                peers += rule.get("from") or [{"everybody": True}]
    return peers
