"""What leads to the gateway from outside is closed but for OpenAI's paths (policies AX-07, AX-11).

LiteLLM serves keys, teams and models on the same port as completions. A route is judged where its
backend is the gateway: by name, by the platform's own labels, or by a name that nobody knows yet.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pulumi_policy import Severity

from components.core.conventions import GATEWAY_PORT
from components.core.public_paths import PUBLIC_PATHS, is_public
from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Object, Resource
from policies.reading.tree import Node

_LEAF = "host"
_POSSIBLE = f"{', '.join(path.value for path in PUBLIC_PATHS)} are possible, each exactly"
_HOST_POSSIBLE = "full host names are possible"
_REWRITTEN, _AS_IT_CAME = "may change the path of requests", "a path as it came is possible"
_TLS_POSSIBLE = "TLS alone is possible, with a redirect from port 80"
_OTHER_ROUTES = re.compile(
    r"IngressRoute\w*|\w*Route|VirtualService|TargetGroupBinding|VirtualServer|HTTPProxy|Backend"
)
_BACKENDS = frozenset(
    {"backendRefs", "services", "service", "destination", "to", "backend", "serviceRef", "fqdn"}
)
_ALB = "alb.ingress.kubernetes.io/"
_REWRITES = (
    f"{_ALB}transforms.",
    f"{_ALB}actions.",
    "nginx.ingress.kubernetes.io/rewrite-target",
    "nginx.ingress.kubernetes.io/app-root",
    "nginx.ingress.kubernetes.io/use-regex",
    "nginx.ingress.kubernetes.io/configuration-snippet",
    "nginx.ingress.kubernetes.io/server-snippet",
)
"""Annotations with which a path that was judged is not the one that arrives."""


@dataclass(frozen=True)
class _Allowed:
    services: frozenset[str]
    paths: frozenset[str]

    def path(self, value: str, *, below: bool) -> bool:
        return is_public(value, below=below) or (value in self.paths and not below)


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    allowed = _Allowed(
        frozenset(map(str, parameters["gateway_services"])),
        frozenset(map(str, parameters["further_paths"])),
    )
    for found in resource.objects:
        if found.kind == "HTTPRoute":
            yield from _http_route(found, allowed, patch=resource.patch)
        elif found.kind == "Ingress":
            yield from _ingress(found, allowed, patch=resource.patch)
        elif _OTHER_ROUTES.fullmatch(found.kind):
            for node in found.node.at("spec").walk():
                if _is_backend(node) and _is_gateway(node, allowed):
                    asked = "leads to the gateway by a kind whose paths no policy reads"
                    yield Breach(node, asked, "an Ingress or an HTTPRoute is possible")


def _is_backend(node: Node) -> bool:
    return any(step in _BACKENDS for step in node.steps[-2:])


def _is_gateway(backend: Node, allowed: _Allowed) -> bool:
    """Whether a route's backend is LiteLLM's Service, or may be."""
    names = [backend.at(key) for key in ("name", "host", "hostname", "serviceName")]
    port = backend.at("port")
    numbers = {port.text, port.at("number").text, backend.at("servicePort").text}
    if any(name.unknown for name in names):
        return str(GATEWAY_PORT) in numbers or numbers == {None}
    said = [(name.text or "").partition(".")[0] for name in names]
    return any("litellm" in name.lower() or name in allowed.services for name in said if name)


def _http_route(route: Object, allowed: _Allowed, *, patch: bool) -> Iterator[Breach]:
    spec = route.node.at("spec")
    rules = [rule for rule in spec.at("rules").elements() if _leads_in(rule, allowed)]
    if not rules:
        return
    yield from _hosts(spec.at("hostnames"), patch=patch)
    for parent in spec.at("parentRefs").elements():
        listener = parent.at("sectionName")
        if listener.absent or listener.unknown:
            asked = "names no listener, so that one without TLS would serve the gateway as well"
            yield Breach(listener, asked, "the listener with TLS is possible", _LEAF)
    for rule in rules:
        yield from _matches(rule.at("matches"), allowed)
        for each in rule.at("filters").elements():
            if not each.at("urlRewrite", "path").absent:
                yield Breach(each.at("urlRewrite", "path"), _REWRITTEN, _AS_IT_CAME)
            if each.at("extensionRef", "kind").text == "HTTPRouteFilter":
                yield Breach(each.at("extensionRef"), _REWRITTEN, _AS_IT_CAME)


def _leads_in(rule: Node, allowed: _Allowed) -> bool:
    backends = rule.at("backendRefs")
    return any(_is_gateway(backend, allowed) for backend in backends.elements())


def _hosts(hosts: Node, *, patch: bool) -> Iterator[Breach]:
    listed = list(hosts.elements())
    if hosts.unknown:
        yield Breach(hosts, "decides the gateway's hosts only later", _HOST_POSSIBLE, _LEAF)
    elif not listed and not patch:
        yield Breach(hosts, "leads to the gateway from every host", _HOST_POSSIBLE, _LEAF)
    for host in listed:
        yield from _host(host)


def _host(host: Node) -> Iterator[Breach]:
    if host.unknown or host.absent or "*" in (host.text or "*"):
        asked = "leads to the gateway from hosts that it does not name"
        yield Breach(host, asked, _HOST_POSSIBLE, _LEAF)


def _matches(matches: Node, allowed: _Allowed) -> Iterator[Breach]:
    listed = list(matches.elements())
    if matches.unknown or not listed:
        yield Breach(matches, "leads every path to the gateway", _POSSIBLE)
    for match in listed:
        path = match.at("path")
        kind, value = path.at("type"), path.at("value")
        yield from _path(
            value if path.absent is False else path,
            "PathPrefix" if kind.absent else kind.text,
            allowed,
        )


def _path(value: Node, kind: str | None, allowed: _Allowed) -> Iterator[Breach]:
    below = kind != "Exact"
    readable = kind in {"Exact", "Prefix", "PathPrefix"}
    if not readable or value.text is None or not allowed.path(value.text, below=below):
        reach = "and all below it " if below else ""
        asked = f"leads a path {reach}to the gateway that is not for clients outside"
        yield Breach(value, asked, _POSSIBLE)


def _ingress(ingress: Object, allowed: _Allowed, *, patch: bool) -> Iterator[Breach]:
    spec = ingress.node.at("spec")
    default = spec.at("defaultBackend", "service")
    if not default.absent and _is_gateway(default, allowed):
        yield Breach(default, "leads every path to the gateway", _POSSIBLE)
    found = False
    for rule in spec.at("rules").elements():
        paths = [
            path
            for path in rule.at("http", "paths").elements()
            if _is_gateway(path.at("backend", "service"), allowed)
            or _is_gateway(path.at("backend"), allowed)
        ]
        found = found or bool(paths)
        if paths:
            yield from _host(rule.at("host"))
        for path in paths:
            yield from _path(path.at("path"), path.at("pathType").text, allowed)
    if found:
        yield from _annotations(ingress.node.at("metadata", "annotations"))
        if not patch:
            yield from _tls(ingress)


def _annotations(annotations: Node) -> Iterator[Breach]:
    if annotations.unknown:
        yield Breach(annotations, "decides the annotations of a way in only later", _TLS_POSSIBLE)
    for key, value in annotations.items():
        if key.startswith(_REWRITES):
            yield Breach(value, _REWRITTEN, _AS_IT_CAME)


def _tls(ingress: Object) -> Iterator[Breach]:
    annotations = ingress.node.at("metadata", "annotations")
    spec_tls = ingress.node.at("spec", "tls")
    certificate = annotations.at(f"{_ALB}certificate-arn")
    if not any(True for _ in spec_tls.elements()) and certificate.absent:
        yield Breach(spec_tls, "leads to the gateway without TLS", _TLS_POSSIBLE, _LEAF)
    ports = annotations.at(f"{_ALB}listen-ports")
    plain = '"HTTP"' in (ports.text or "")
    if plain and annotations.at(f"{_ALB}ssl-redirect").absent:
        asked = "leads to the gateway from a port without TLS"
        yield Breach(ports, asked, _TLS_POSSIBLE, _LEAF)


ROUTE_CLOSED = Rule(
    name="ax-07-route-closed",
    severity=Severity.CRITICAL,
    description="What leads to the gateway names hosts and OpenAI's paths, and uses TLS.",
    remediation="Route single paths of the gateway from a full host name over TLS.",
    check=_check,
    parameters={
        "gateway_services": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Names of gateways' Services that do not say litellm.",
        },
        "further_paths": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Further paths that may be public, each exactly.",
        },
    },
)
