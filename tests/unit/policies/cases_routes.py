"""Cases of AX-07: what leads to the gateway from outside is closed but for OpenAI's paths."""

from tests.unit.policies.analyzer import UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import INGRESS, Json

POLICY = "ax-07-route-closed"
_INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
_ROUTE = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
_ALB = "alb.ingress.kubernetes.io/"
_MATCH = ("spec", "rules", 0, "matches", 0, "path")
_PATH = ("spec", "rules", 0, "http", "paths", 0)
_MATCH_PATH = "spec.rules[0].matches[0].path.value"
_INGRESS_PATH = "spec.rules[0].http.paths[0].path"

ROUTE: Json = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "gateway"},
    "spec": {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
        "hostnames": ["llm.akko.local"],
        "rules": [
            {
                "matches": [
                    {"path": {"type": "Exact", "value": "/v1/chat/completions"}},
                    {"path": {"type": "PathPrefix", "value": "/v1/models"}},
                ],
                "backendRefs": [{"name": "akko-akko-litellm", "port": 4000}],
            }
        ],
    },
}
BALANCED: Json = put(
    drop(INGRESS, "spec", "tls"),
    "metadata",
    "annotations",
    value={
        f"{_ALB}certificate-arn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
        f"{_ALB}listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]',
        f"{_ALB}ssl-redirect": "443",
    },
)


def _case(group: Group, title: str, properties: Json, path: str = "", kind: str = _ROUTE) -> Case:
    return Case(POLICY, group, title, kind, properties, path)


def _match(kind: str, value: object) -> Json:
    return put(ROUTE, *_MATCH, value={"type": kind, "value": value})


def _at(*path: str | int, value: object) -> Json:
    return put(ROUTE, "spec", *path, value=value)


def _filter(said: Json) -> Json:
    return _at("rules", 0, "filters", value=[said])


def _backend(host: str, port: int) -> Json:
    return {
        "kind": "Backend",
        "spec": {"endpoints": [{"fqdn": {"hostname": host, "port": port}}]},
    }


CASES = (
    _case("good", "a route of single paths", ROUTE),
    _case("good", "an Ingress of single paths", INGRESS, kind=_INGRESS),
    _case("good", "a load balancer with a certificate", BALANCED, kind=_INGRESS),
    _case("good", "a model by its name", _match("Exact", "/v1/models/akko-coder")),
    _case(
        "good",
        "everything of somebody else",
        {"kind": "HTTPRoute", "spec": {"rules": [{"backendRefs": [{"name": "shop", "port": 80}]}]}},
    ),
    _case(
        "good",
        "a redirect on every path",
        _at(
            "rules",
            0,
            value={
                "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]
            },
        ),
    ),
    _case("bad", "every path", _match("PathPrefix", "/"), _MATCH_PATH),
    _case("bad", "all of the version", _match("PathPrefix", "/v1"), _MATCH_PATH),
    _case("bad", "keys", _match("Exact", "/key/generate"), _MATCH_PATH),
    _case("bad", "answers that are kept", _match("PathPrefix", "/v1/responses"), _MATCH_PATH),
    _case("bad", "no matches", drop(ROUTE, "spec", "rules", 0, "matches"), "spec.rules[0].matches"),
    _case("bad", "no host", drop(ROUTE, "spec", "hostnames"), "spec.hostnames"),
    _case("bad", "a wildcard", _at("hostnames", value=["*.akko.local"]), "spec.hostnames[0]"),
    _case(
        "bad",
        "every listener",
        drop(ROUTE, "spec", "parentRefs", 0, "sectionName"),
        "spec.parentRefs[0].sectionName",
    ),
    _case(
        "bad",
        "every path of an Ingress",
        put(put(INGRESS, *_PATH, "path", value="/"), *_PATH, "pathType", value="Prefix"),
        _INGRESS_PATH,
        _INGRESS,
    ),
    _case(
        "bad",
        "an Ingress without host",
        drop(INGRESS, "spec", "rules", 0, "host"),
        "spec.rules[0].host",
        _INGRESS,
    ),
    _case("bad", "an Ingress without TLS", drop(INGRESS, "spec", "tls"), "spec.tls", _INGRESS),
    _case(
        "bad",
        "a load balancer that serves port 80",
        drop(BALANCED, "metadata", "annotations", f"{_ALB}ssl-redirect"),
        f'metadata.annotations["{_ALB}listen-ports"]',
        _INGRESS,
    ),
    _case("unknown", "hosts", _at("hostnames", value=UNKNOWN), "spec.hostnames"),
    _case("unknown", "a path", _match("Exact", UNKNOWN), _MATCH_PATH),
    _case(
        "unknown",
        "matches",
        _at("rules", 0, "matches", value=UNKNOWN),
        "spec.rules[0].matches",
    ),
    _case(
        "unknown",
        "the backend of everything",
        drop(
            _at("rules", 0, "backendRefs", 0, "name", value=UNKNOWN), "spec", "rules", 0, "matches"
        ),
        "spec.rules[0].matches",
    ),
    _case("bypass", "a pattern", _match("RegularExpression", "/v1/models.*"), _MATCH_PATH),
    _case(
        "bypass",
        "a pattern of an Ingress",
        put(INGRESS, *_PATH, "pathType", value="ImplementationSpecific"),
        _INGRESS_PATH,
        _INGRESS,
    ),
    _case("bypass", "a way back", _match("Exact", "/v1/models/../../key/generate"), _MATCH_PATH),
    _case("bypass", "no type", drop(ROUTE, *_MATCH, "type"), _MATCH_PATH),
    _case("bypass", "no path", drop(ROUTE, *_MATCH), "spec.rules[0].matches[0].path"),
    _case(
        "bypass",
        "another path behind",
        _filter(
            {
                "type": "URLRewrite",
                "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/key/new"}},
            }
        ),
        "spec.rules[0].filters[0].urlRewrite.path",
    ),
    _case(
        "bypass",
        "another path behind a filter of Envoy Gateway",
        _filter({"type": "ExtensionRef", "extensionRef": {"kind": "HTTPRouteFilter", "name": "x"}}),
        "spec.rules[0].filters[0].extensionRef",
    ),
    _case(
        "bypass",
        "the gateway as an address",
        _backend("akko-akko-litellm.akko.svc", 4000),
        "spec.endpoints[0].fqdn",
        "kubernetes:gateway.envoyproxy.io/v1alpha1:Backend",
    ),
    _case(
        "bypass",
        "another path behind a load balancer",
        put(BALANCED, "metadata", "annotations", f"{_ALB}transforms.akko", value="[]"),
        f'metadata.annotations["{_ALB}transforms.akko"]',
        _INGRESS,
    ),
    _case(
        "bypass",
        "a default backend",
        put(
            drop(INGRESS, "spec", "rules"),
            "spec",
            "defaultBackend",
            value={"service": {"name": "akko-akko-litellm", "port": {"number": 4000}}},
        ),
        "spec.defaultBackend.service",
        _INGRESS,
    ),
    _case(
        "bypass",
        "a mesh",
        {
            "kind": "VirtualService",
            "spec": {
                "http": [{"route": [{"destination": {"host": "akko-akko-litellm.akko.svc"}}]}]
            },
        },
        "spec.http[0].route[0].destination",
        "kubernetes:networking.istio.io/v1:VirtualService",
    ),
    _case(
        "bypass",
        "a kind that is not the type's",
        put(_match("PathPrefix", "/"), "kind", value="Harmless"),
        _MATCH_PATH,
    ),
)
