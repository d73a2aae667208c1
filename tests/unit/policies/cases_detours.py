"""Cases of ways around AX-01, ML-01, AX-12 and SC-01 that are easy to overlook."""

import base64

from components.core.conventions import PART_OF
from tests.unit.policies.analyzer import UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.cases_credentials import CANARY, HUB_TOKEN
from tests.unit.policies.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    DIGEST,
    ENGINE,
    ENGINE_IMAGE,
    GATEWAY_CONFIG,
    INGRESS,
    SERVICE,
    Json,
)

PUBLIC = "ax-01-backend-not-public"
LENGTH = "ml-01-max-model-len-set"
IMAGE = "sc-01-image-pinned"
PROBES = "rl-01-probes"  # by the name of a port that is not there
RANGES = "ml-06-engine-ranges"
CREDENTIALS = "ax-12-no-literal-credentials"
CONTAINER = ("spec", "template", "spec", "containers", 0)
PATH = "spec.template.spec.containers[0]"
PARTS = "app.kubernetes.io"
_PATCH = "kubernetes:core/v1:ServicePatch"
_LIST = "kubernetes:core/v1:List"


def _public(title: str, path: str, kind: str, properties: Json, *also: str) -> Case:
    group: Group = "bypass" if path else "good"
    return Case(PUBLIC, group, title, kind, properties, path, also)


def _service(**spec: object) -> Json:
    return {"metadata": {"name": "front"}, "spec": {"type": "LoadBalancer", **spec}}


def _engine(**container: object) -> Json:
    changed = ENGINE
    for key, value in container.items():
        changed = put(changed, *CONTAINER, key, value=value)
    return changed


def _route(kind: str, spec: Json) -> tuple[str, Json]:
    return f"kubernetes:example.org/v1:{kind}", {"kind": kind, "spec": spec}


_BACKEND = ("spec", "rules", 0, "http", "paths", 0, "backend")
_BACKEND_PATH = "spec.rules[0].http.paths[0].backend"
_INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
_OLD_INGRESS = "kubernetes:extensions/v1beta1:Ingress"
_MIRROR = {"rules": [{"filters": [{"requestMirror": {"backendRef": {"name": "e", "port": 8000}}}]}]}

EXPOSURE_CASES = (
    _public(
        "an unknown value in a selector",
        "spec.type",
        SERVICE,
        _service(selector={"app": UNKNOWN}),
    ),
    _public(
        "an instance of ours",
        "spec.type",
        SERVICE,
        _service(selector={f"{PARTS}/instance": "akko-coder", f"{PARTS}/part-of": PART_OF}),
    ),
    _public(
        "an instance of somebody else",
        "",
        SERVICE,
        _service(selector={f"{PARTS}/instance": "shop", f"{PARTS}/name": "shop"}),
    ),
    _public("a patch with ports", "spec.type", _PATCH, _service(ports=[{"port": 80}])),
    _public("a patch with half a selector", "spec.type", _PATCH, _service(selector={"a": None})),
    _public("a patch with a selector", "", _PATCH, _service(selector={"app": "shop"})),
    _public(
        "a patch with addresses",
        "spec.externalIPs",
        _PATCH,
        {"spec": {"externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}},
    ),
    _public(
        "unknown ports of an engine", f"{PATH}.ports", DEPLOYMENT, _engine(ports=UNKNOWN), PROBES
    ),
    _public(
        "an unknown port of an engine",
        f"{PATH}.ports[0].hostPort",
        DEPLOYMENT,
        _engine(ports=[UNKNOWN]),
        PROBES,
    ),
    _public("an unknown list", "items", _LIST, {"items": UNKNOWN}, CREDENTIALS, IMAGE),
    _public("an unknown item", "items[0]", _LIST, {"items": [UNKNOWN]}, CREDENTIALS, IMAGE),
    _public("unknown Services", "items.spec", "kubernetes:core/v1:ServiceList", {"items": UNKNOWN}),
    _public(
        "a mirror of requests",
        "spec.rules[0].filters[0].requestMirror.backendRef",
        *_route("HTTPRoute", _MIRROR),
    ),
    _public(
        "a mirror in a mesh",
        "spec.http[0].mirror",
        *_route("VirtualService", {"http": [{"mirror": {"host": "akko-akko-vllm"}}]}),
    ),
    _public(
        "a route of OpenShift", "spec.to", *_route("Route", {"to": {"name": "akko-akko-vllm"}})
    ),
    _public(
        "a port of OpenShift",
        "spec.port",
        *_route("Route", {"to": {"name": "x"}, "port": {"targetPort": 8000}}),
    ),
    _public("another route of OpenShift", "", *_route("Route", {"to": {"name": "shop"}})),
    _public(
        "a backend by resource",
        f"{_BACKEND_PATH}.resource",
        _INGRESS,
        put(INGRESS, *_BACKEND, value={"resource": {"kind": "Service", "name": "akko-akko-vllm"}}),
    ),
    _public(
        "an old Ingress",
        _BACKEND_PATH,
        _OLD_INGRESS,
        put(INGRESS, *_BACKEND, value={"serviceName": "x", "servicePort": 8000}),
    ),
)


def _length(title: str, path: str, properties: Json, *, kind: str = DEPLOYMENT) -> Case:
    return Case(LENGTH, "bypass" if path else "good", title, kind, properties, path)


def _idle(*command: str) -> Json:
    """A container with the engine's image that shows neither ports nor a GPU."""
    bare = {"name": "x", "image": ENGINE_IMAGE, "command": list(command)}
    return {"kind": "Pod", "spec": {"containers": [bare]}}


_POD = "kubernetes:core/v1:Pod"
_LONE = "spec.containers[0]"
LENGTH_CASES = (
    _length("a script of the image", _LONE, _idle("/start.sh"), kind=_POD),
    _length("a helper by name", "", _idle("hf", "download", "m"), kind=_POD),
    _length("a helper by path", "", _idle("/usr/local/bin/hf", "download", "m"), kind=_POD),
    _length("a helper that is mounted", _LONE, _idle("/scripts/hf", "download"), kind=_POD),
    _length("a helper past usr", _LONE, _idle("/usr/../tmp/hf", "download"), kind=_POD),
    _length("a file called as a helper", _LONE, _idle("python3", "hf"), kind=_POD),
    _length("a mounted vllm", _LONE, _idle("/scripts/vllm", "bench"), kind=_POD),
)


def _shown(title: str, path: str, properties: Json, kind: str = DEPLOYMENT) -> Case:
    return Case(CREDENTIALS, "bypass" if path else "good", title, kind, properties, path)


_ENV = [*ENGINE["spec"]["template"]["spec"]["containers"][0]["env"]]
_ARGS = [*ENGINE["spec"]["template"]["spec"]["containers"][0]["args"]]
_SIDECAR = {"name": "side", "image": f"a/b@sha256:{DIGEST}"}
_SCRIPT = f"{PATH[:-3]}[1].command[2]"


def _side(script: str, **container: object) -> Json:
    command = {"command": ["sh", "-c", script]}
    return put(ENGINE, *CONTAINER[:-1], 1, value={**_SIDECAR, **command, **container})


def _named(name: str, value: str = CANARY) -> Json:
    return _engine(env=[*_ENV, {"name": name, "value": value}])


def _data(key: str, text: str, part: str = "data") -> Json:
    return put(GATEWAY_CONFIG, part, key, value=text)


def _encoded(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


CREDENTIAL_CASES = (
    _shown("a flag in a script", _SCRIPT, _side(f"exec server --api-key {CANARY}")),
    _shown("a flag in an open script", _SCRIPT, _side(f"echo 'x; server --api-key {CANARY}")),
    _shown("a header in a script", _SCRIPT, _side(f'curl -H "Authorization: Bearer {CANARY}" x')),
    _shown("a header with a variable", "", _side('curl -H "Authorization: Bearer $KEY" http://x')),
    _shown("a flag with a variable", "", _side('server --api-key "$KEY"; sleep 1')),
    _shown("a flag with an output", "", _side("server --api-key $(cat /run/key)")),
    _shown(
        "a literal behind a shell's variable",
        _SCRIPT,
        _side("server --api-key $NOTE", env=[{"name": "NOTE", "value": CANARY}]),
    ),
    _shown(
        "a literal behind a variable",
        f"{PATH}.args[8]",
        _engine(args=[*_ARGS, "--api-key=$(NOTE)"], env=[*_ENV, {"name": "NOTE", "value": CANARY}]),
    ),
    _shown("a flag in camel case", f"{PATH}.args[8]", _engine(args=[*_ARGS, "--hfToken", CANARY])),
    *(
        _shown(f"the name {name}", f"{PATH}.env[2].value", _named(name))
        for name in (
            *("DB_PASS", "MYSQL_PWD", "API_KEY_1", "HF_TOKEN_RO", "OPENAI_KEY"),
            *("AUTHORIZATION", "hfToken"),
        )
    ),
    *(
        _shown(f"the harmless name {name}", "", _named(name, "/tmp/x"))
        for name in ("PWD", "OLDPWD", "CACHE_KEY", "HF_TOKEN_PATH", "TOKENIZER", "PASS_THROUGH")
    ),
    _shown("a file's name", 'data["password.txt"]', _data("password.txt", CANARY), CONFIG_MAP),
    _shown("a key with a dash", "data.api-key", _data("api-key", CANARY), CONFIG_MAP),
    _shown("a reference in a file", "", _data("a.yaml", "password: ${DB_PASSWORD}"), CONFIG_MAP),
    _shown(
        "a template in a file", "", _data("a.yaml", "password: {{ .Values.password }}"), CONFIG_MAP
    ),
    _shown(
        "a default behind a reference",
        'data["a.yaml"]',
        _data("a.yaml", f"password: ${{DB:-{CANARY}}}"),
        CONFIG_MAP,
    ),
    *(
        _shown(
            f"binary data {at}",
            'binaryData["a.yaml"]',
            _data("a.yaml", _encoded(text), "binaryData"),
            CONFIG_MAP,
        )
        for at, text in enumerate((f"password: {CANARY}", HUB_TOKEN))
    ),
)

_MODEL = {
    "image": "vllm/vllm-openai:latest",
    "args": ["m"],
    "env": [{"name": "HF_TOKEN", "value": CANARY}],
}
_KSERVE = "kubernetes:serving.kserve.io/v1beta1:InferenceService"
_WORKFLOW = "kubernetes:argoproj.io/v1alpha1:Workflow"
_TASK = "kubernetes:tekton.dev/v1:Task"
CUSTOM_CASES = tuple(
    Case(IMAGE, "bypass", title, kind, {"spec": spec}, path, (LENGTH, CREDENTIALS, RANGES))
    for title, kind, spec, path in (
        ("a model", _KSERVE, {"predictor": {"model": _MODEL}}, "spec.predictor.model.image"),
        (
            "a workflow",
            _WORKFLOW,
            {"templates": [{"container": _MODEL}]},
            "spec.templates[0].container.image",
        ),
        ("a map", _TASK, {"containers": {"main": _MODEL}}, "spec.containers.main.image"),
        ("a step", _TASK, {"steps": [_MODEL]}, "spec.steps[0].image"),
    )
)

CASES = (
    *EXPOSURE_CASES,
    *LENGTH_CASES,
    *CREDENTIAL_CASES,
    *CUSTOM_CASES,
    _public("no ports of an engine", "", DEPLOYMENT, drop(ENGINE, *CONTAINER, "ports"), PROBES),
)
