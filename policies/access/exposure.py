"""Engines are reached through the gateway only (policy AX-01)."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from components.core.conventions import OLLAMA_PORT, PART_OF, VLLM_PORT
from policies.adapter import Breach, Parameters, Rule
from policies.reading.engines import (
    COMPONENT_LABEL,
    ENGINE_NAMES,
    NAME_LABEL,
    PART_OF_LABEL,
    is_engine_pod,
)
from policies.reading.objects import Object, Resource, texts
from policies.reading.tree import Node

_LEAF = "service_type"
_POSSIBLE = "an engine is reachable inside the cluster only (type ClusterIP), through the gateway"
_ENGINE_PORTS = frozenset({str(VLLM_PORT), str(OLLAMA_PORT)})
_ENGINE_WORD = re.compile("|".join(sorted(ENGINE_NAMES)), re.IGNORECASE)
_OWN_LABELS = (PART_OF_LABEL, "app.kubernetes.io/managed-by")
_PUBLIC_TYPES = frozenset({"LoadBalancer", "NodePort", "ExternalName"})
_PUBLIC_ANNOTATIONS = (
    "service.beta.kubernetes.io/",
    "external-dns.alpha.kubernetes.io/",
    "networking.gke.io/",
    "cloud.google.com/",
    "tailscale.com/expose",
)
"""Annotations that make a cloud controller publish a Service; a key's beginning is enough."""
_ROUTES = re.compile(
    r"Ingress|\w*Route|VirtualService|TargetGroupBinding|VirtualServer|HTTPProxy|Backend$"
)
_ROUTE_PARTS = frozenset(
    {"spec", "rules", "http", "paths", "backend", "defaultBackend", "service", "routes", "route"}
    | {"tcp", "tls", "destination", "backendRefs", "services", "serviceRef", "backendRef"}
    | {"filters", "requestMirror", "mirror", "mirrors", "to", "alternateBackends", "resource"}
    | {"endpoints", "fqdn", "ip"}
)
"""Keys of routes below which a backend may stand."""
_BACKENDS = frozenset({"service", "backendRef", "resource", "to"})
_BACKEND_LISTS = frozenset({"backendRefs", "serviceRef", "services", "alternateBackends"})
_OTHER_NAMES = {
    "destination": ("host", "port"),
    "mirror": ("host", "port"),
    "backend": ("serviceName", "servicePort"),
    "defaultBackend": ("serviceName", "servicePort"),
    "port": ("", "targetPort"),
    "fqdn": ("hostname", "port"),
    "ip": ("address", "port"),
}
"""Keys of backends that call the Service's name and port something else: meshes, the Ingress of
`extensions/v1beta1`, the port of OpenShift's Route, and Backends of Envoy Gateway."""


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    allowed = frozenset(map(str, parameters["allowed_public_services"]))
    for found in resource.objects:
        if found.kind == "Service" and found.name not in allowed:
            yield from _service_breaches(found, patch=resource.patch)
        elif found.hidden:
            asked = "decides only later what a list holds, it must be known at preview"
            yield Breach(found.node, asked, _POSSIBLE)
        elif _ROUTES.match(found.kind):
            yield from _route_breaches(found)
    for pod in resource.pods:
        if is_engine_pod(pod):
            yield from _pod_breaches(pod.node)


def _service_breaches(service: Object, *, patch: bool) -> Iterator[Breach]:
    spec = service.node.at("spec")
    if spec.unknown:
        asked = "decides what a Service publishes only later, it must be known at preview"
        yield Breach(spec, asked, _POSSIBLE, _LEAF)
    elif _may_reach_engine(service, patch=patch):
        yield from _publications(service, spec)


def _publications(service: Object, spec: Node) -> Iterator[Breach]:
    """Every way in which a Service is public."""
    kind = spec.at("type")
    if kind.unknown:
        asked = "decides the type of an engine's Service only later, it must be known at preview"
        yield Breach(kind, asked, _POSSIBLE, _LEAF)
    elif kind.text in _PUBLIC_TYPES:
        yield Breach(kind, f"publishes an engine as {kind.text}", _POSSIBLE, _LEAF)
    addresses = spec.at("externalIPs")
    if addresses.unknown or any(True for _ in addresses.elements()):
        yield Breach(addresses, "gives an engine's Service external addresses", _POSSIBLE, _LEAF)
    annotations = service.node.at("metadata", "annotations")
    if annotations.unknown:
        asked = "decides the annotations of an engine's Service only later"
        yield Breach(annotations, asked, _POSSIBLE)
    for key, annotation in annotations.items():
        if key.startswith(_PUBLIC_ANNOTATIONS) and annotation.text != "internal":
            asked = "has an annotation that publishes an engine's Service"
            yield Breach(annotation, asked, _POSSIBLE)


def _may_reach_engine(service: Object, *, patch: bool) -> bool:
    """Whether a Service leads, or may lead, to engine pods."""
    spec = service.node.at("spec")
    selector, ports = spec.at("selector"), spec.at("ports")
    values = [value for _, value in selector.items()]
    if selector.unknown or ports.unknown or any(value.unknown for value in values):
        return True
    if patch and (not values or any(value.absent for value in values)):
        return True  # what the patched Service selects is not in sight
    mentioned = (
        service.name,
        service.labels.get(NAME_LABEL, ""),
        spec.at("externalName").text or "",
        *texts(selector).values(),
    )
    return (
        any(_ENGINE_WORD.search(text) for text in mentioned)
        or service.labels.get(COMPONENT_LABEL) == "engine"
        or _selects_engines(selector)
        or any(_is_engine_port(port) for port in ports.elements())
    )


def _selects_engines(selector: Node) -> bool:
    """Whether a selector of our labels matches engine pods, also by leaving the role out."""
    labels = {key: value.text for key, value in selector.items()}
    named = labels.pop(NAME_LABEL, None)
    if named is not None and named not in ENGINE_NAMES:
        return False
    if COMPONENT_LABEL in labels:
        return labels[COMPONENT_LABEL] in {"engine", None}
    if labels.get(PART_OF_LABEL) == PART_OF:
        return True  # whatever else it selects by, an engine may have it: `instance`, a pod's name
    return bool(labels) and all(key in _OWN_LABELS for key in labels)


def _is_engine_port(port: Node) -> bool:
    numbers = {port.at(key).text for key in ("port", "targetPort")}
    unknown = port.unknown or port.at("targetPort").unknown
    named = any(_ENGINE_WORD.search(port.at(key).text or "") for key in ("name", "targetPort"))
    return unknown or named or bool(numbers & _ENGINE_PORTS)


def _route_breaches(route: Object) -> Iterator[Breach]:
    """Ingress, Gateway API and mesh routes: any backend that is an engine's Service."""
    for node in route.node.at("spec").walk():
        owner = next((step for step in reversed(node.steps) if isinstance(step, str)), "")
        if node.unknown and owner in _ROUTE_PARTS:
            asked = "decides where a route leads only later, it must be known at preview,"
            yield Breach(node, asked, "a route to the gateway's Service is possible")
        if isinstance(node.value, dict) and _is_engine_backend(_backend(node, owner)):
            asked = "routes requests from outside past the gateway to an engine"
            yield Breach(node, asked, "a route to the gateway's Service is possible")


def _backend(node: Node, owner: str) -> Node:
    """What a route's object says about a Service, as `name` and `port`."""
    last = node.steps[-1]
    if last in _BACKENDS or owner in _BACKEND_LISTS:
        return node
    name, port = _OTHER_NAMES.get(str(last), ("", ""))
    return Node({"name": node.at(name).value, "port": node.at(port).value})


def _is_engine_backend(backend: Node) -> bool:
    port = backend.at("port")
    numbers = {port.text, port.at("number").text, backend.at("servicePort").text}
    name = backend.at("name")
    hidden = name.unknown and not (numbers - {None})
    port_name = port.at("name").text or ""
    return (
        hidden
        or bool(_ENGINE_WORD.search(f"{name.text or ''} {port_name}"))
        or bool(numbers & _ENGINE_PORTS)
    )


def _pod_breaches(pod: Node) -> Iterator[Breach]:
    network = pod.at("hostNetwork")
    if not network.absent and network.value is not False:
        asked = "puts an engine on its node's network"
        yield Breach(network, asked, "hostNetwork: false is possible")
    for part in ("containers", "initContainers", "ephemeralContainers"):
        for container in pod.at(part).elements():
            ports = container.at("ports")
            if ports.unknown:
                asked = "decides only later which ports an engine opens"
                yield Breach(ports, asked, "a list that is known at preview is possible")
            for port in ports.elements():
                host = port.at("hostPort")
                if not host.absent and host.text != "0":
                    asked = "opens a port of its node for an engine"
                    yield Breach(host, asked, "a containerPort without hostPort is possible")


BACKEND_NOT_PUBLIC = Rule(
    name="ax-01-backend-not-public",
    severity=Severity.CRITICAL,
    description="No engine can be reached from outside the cluster except through the gateway.",
    remediation="Leave the engine's Service at ClusterIP and publish the gateway instead.",
    check=_check,
    parameters={
        "allowed_public_services": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Names of Services that may be public although they match an engine.",
        }
    },
)
