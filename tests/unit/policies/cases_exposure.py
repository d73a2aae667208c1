"""Cases of AX-01: engines are not public."""

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import (
    DEPLOYMENT,
    DIGEST,
    ENGINE,
    ENGINE_SERVICE,
    GATEWAY_SERVICE,
    INGRESS,
    SERVICE,
    Json,
)

POLICY = "ax-01-backend-not-public"
POD = ("spec", "template", "spec")
TYPE = "spec.type"
PARTS = "app.kubernetes.io"


def _case(
    group: Group,
    title: str,
    properties: Json,
    path: str = TYPE,
    kind: str = SERVICE,
    *,
    also: tuple[str, ...] = (),
) -> Case:
    return Case(POLICY, group, title, kind, properties, "" if group == "good" else path, also)


def _public(**spec: object) -> Json:
    """A LoadBalancer with another specification."""
    return {
        "kind": "Service",
        "metadata": {"name": "front"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
    }


def _kind(value: object) -> Json:
    return put(ENGINE_SERVICE, "spec", "type", value=value)


def _annotated(key: str, value: object) -> Json:
    return put(ENGINE_SERVICE, "metadata", "annotations", key, value=value)


def _route(*path: str | int, value: object) -> Json:
    return put(INGRESS, "spec", "rules", 0, *path, value=value)


_BACKEND = ("http", "paths", 0, "backend", "service")
_INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
_HTTP_ROUTE = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
_SERVICE_PATH = "spec.rules[0].http.paths[0].backend.service"
_LISTED = {"kind": "List", "items": [GATEWAY_SERVICE, _kind("LoadBalancer")]}
_HOST = "spec.template.spec.containers[0].ports[0].hostPort"


def _http_route(**backend: object) -> Json:
    return {"kind": "HTTPRoute", "spec": {"rules": [{"backendRefs": [backend]}]}}


_FOREIGN = {"kind": "Pod", "spec": {"hostNetwork": True, "containers": [{"name": "exporter"}]}}
_POD = "kubernetes:core/v1:Pod"

CASES = (
    _case("good", "a node exporter on the host's network", _FOREIGN, kind=_POD),
    _case(
        "bypass",
        "an engine known by its arguments alone",
        put(_FOREIGN, "spec", "containers", 0, "args", value=["m", "--max-model-len=1"]),
        "spec.hostNetwork",
        _POD,
        also=(
            *("ml-04-tp-matches-gpus", "ml-06-engine-ranges", "rl-01-probes"),
            *("rl-02-drain", "rl-07-cache-volume"),
        ),
    ),
    Case(
        POLICY,
        "bypass",
        "an engine known by its image alone",
        _POD,
        put(_FOREIGN, "spec", "containers", 0, "image", value=f"ollama/ollama@sha256:{DIGEST}"),
        "spec.hostNetwork",
        ("ax-03-ollama-dev-only",),
    ),
    _case("good", "inside the cluster", ENGINE_SERVICE),
    _case("good", "headless", put(ENGINE_SERVICE, "spec", "clusterIP", value="None")),
    _case("good", "no type", drop(ENGINE_SERVICE, "spec", "type")),
    _case("good", "a public gateway", GATEWAY_SERVICE),
    _case("good", "a route to the gateway", INGRESS, kind=_INGRESS),
    _case("good", "a Service of somebody else", _public(selector={"app": "shop"})),
    _case(
        "good",
        "a known port of a backend named later",
        _http_route(name=UNKNOWN, port=4000),
        kind=_HTTP_ROUTE,
        also=("ax-07-route-closed",),
    ),
    _case("bad", "LoadBalancer", _kind("LoadBalancer")),
    _case("bad", "NodePort", _kind("NodePort")),
    _case(
        "bad", "ExternalName", _public(type="ExternalName", externalName="akko-akko-vllm.akko.svc")
    ),
    _case(
        "bad",
        "external addresses",
        put(ENGINE_SERVICE, "spec", "externalIPs", value=["1.2.3.4"]),
        "spec.externalIPs",
    ),
    _case(
        "bad",
        "an internet-facing annotation",
        _annotated("service.beta.kubernetes.io/aws-load-balancer-scheme", "internet-facing"),
        'metadata.annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"]',
    ),
    _case(
        "bad",
        "a host port",
        put(ENGINE, *POD, "containers", 0, "ports", 0, "hostPort", value=8000),
        _HOST,
        DEPLOYMENT,
    ),
    _case(
        "bad",
        "the host's network",
        put(ENGINE, *POD, "hostNetwork", value=True),
        "spec.template.spec.hostNetwork",
        DEPLOYMENT,
    ),
    _case(
        "bad",
        "an Ingress to the engine",
        _route(*_BACKEND, "name", value="akko-akko-vllm"),
        _SERVICE_PATH,
        _INGRESS,
    ),
    _case(
        "bad",
        "a route to the engine",
        _http_route(name="x", port=8000),
        "spec.rules[0].backendRefs[0]",
        _HTTP_ROUTE,
    ),
    *(_case("unknown", f"type {at}", _kind(value)) for at, value in enumerate(SENTINELS)),
    _case("unknown", "the specification", put(ENGINE_SERVICE, "spec", value=SENTINELS[6]), "spec"),
    _case("unknown", "a public selector", _public(selector=UNKNOWN)),
    _case("unknown", "public ports", _public(ports=UNKNOWN)),
    _case("unknown", "a target port", _public(ports=[{"port": 80, "targetPort": UNKNOWN}])),
    _case(
        "unknown",
        "annotations",
        put(ENGINE_SERVICE, "metadata", "annotations", value=UNKNOWN),
        "metadata.annotations",
    ),
    _case(
        "unknown",
        "a host port",
        put(ENGINE, *POD, "containers", 0, "ports", 0, "hostPort", value=UNKNOWN),
        _HOST,
        DEPLOYMENT,
    ),
    _case(
        "unknown",
        "a backend",
        _http_route(name=UNKNOWN),
        "spec.rules[0].backendRefs[0]",
        _HTTP_ROUTE,
        also=("ax-07-route-closed",),
    ),
    _case(
        "unknown",
        "a route",
        put(INGRESS, "spec", value=UNKNOWN),
        "spec",
        _INGRESS,
        also=("ax-07-route-closed",),
    ),
    _case("unknown", "rules", put(INGRESS, "spec", "rules", value=UNKNOWN), "spec.rules", _INGRESS),
    _case(
        "bypass",
        "a kind that is not the type's",
        put(_public(selector={"app": "vllm"}), "kind", value="Harmless"),
    ),
    _case("bypass", "the role alone", _public(selector={f"{PARTS}/component": "engine"})),
    _case(
        "bypass",
        "a selector without a role",
        _public(selector={f"{PARTS}/part-of": "inference-platform"}),
    ),
    _case(
        "bypass",
        "a foreign selector on the engine's port",
        _public(selector={"a": "b"}, ports=[{"port": 80, "targetPort": 8000}]),
    ),
    _case("bypass", "a port as text", _public(ports=[{"port": 80, "targetPort": "11434"}])),
    _case("bypass", "a port as a float", _public(ports=[{"port": 8000.0}])),
    _case("bypass", "a port's name", _public(ports=[{"port": 80, "name": "ollama"}])),
    _case("bypass", "ollama", _public(selector={"app": "ollama"})),
    _case(
        "bypass",
        "external-dns on a headless Service",
        _annotated("external-dns.alpha.kubernetes.io/hostname", "a.b"),
        'metadata.annotations["external-dns.alpha.kubernetes.io/hostname"]',
    ),
    _case(
        "bypass",
        "a patch of the type",
        {"metadata": {"name": "x"}, "spec": {"type": "LoadBalancer"}},
        kind="kubernetes:core/v1:ServicePatch",
    ),
    _case(
        "bypass", "inside a list", _LISTED, "items[1].spec.type", "kubernetes:core/v1:ServiceList"
    ),
    _case(
        "bypass",
        "a default backend",
        {
            "kind": "Ingress",
            "spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 11434}}}},
        },
        "spec.defaultBackend.service",
        _INGRESS,
    ),
    _case(
        "bypass",
        "a Backend of Envoy Gateway",
        {
            "kind": "Backend",
            "spec": {"endpoints": [{"fqdn": {"hostname": "x.akko.svc", "port": 8000}}]},
        },
        "spec.endpoints[0].fqdn",
        "kubernetes:gateway.envoyproxy.io/v1alpha1:Backend",
    ),
    _case(
        "bypass",
        "a Backend of Envoy Gateway by address",
        {
            "kind": "Backend",
            "spec": {"endpoints": [{"ip": {"address": "10.0.0.1", "port": 11434}}]},
        },
        "spec.endpoints[0].ip",
        "kubernetes:gateway.envoyproxy.io/v1alpha1:Backend",
    ),
    _case(
        "bypass",
        "a mesh route",
        {
            "kind": "VirtualService",
            "spec": {"http": [{"route": [{"destination": {"host": "akko-akko-vllm"}}]}]},
        },
        "spec.http[0].route[0].destination",
        "kubernetes:networking.istio.io/v1:VirtualService",
    ),
)
