"""Cases of RL-01 and RL-02: ready when loaded, gone when drained (rows B3, D8, D10)."""

from tests.unit.policies.analyzer import UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import (
    CONTAINER,
    CONTAINER_PATH,
    DEPLOYMENT,
    ENGINE,
    HEALTH,
    POD,
    POD_PATH,
    Json,
    engine,
)

PROBES = "rl-01-probes"
DRAIN = "rl-02-drain"
STARTUP = f"{CONTAINER_PATH}.startupProbe"
READINESS = f"{CONTAINER_PATH}.readinessProbe"
LIVENESS = f"{CONTAINER_PATH}.livenessProbe"
_PATCH = "kubernetes:apps/v1:DeploymentPatch"
_LIST = "kubernetes:core/v1:List"
_JOB = "kubernetes:batch/v1:Job"
_LINE = "/models/m --max-model-len=4096 --gpu-memory-utilization=0.9"
_NONE = {"startupProbe": None, "readinessProbe": None, "livenessProbe": None, "lifecycle": None}


def _probes(group: Group, title: str, properties: Json, path: str = "", kind: str = "") -> Case:
    return Case(PROBES, group, title, kind or DEPLOYMENT, properties, path)


def _probe(name: str, *steps: str, value: object) -> Json:
    return put(ENGINE, *CONTAINER, name, *steps, value=value)


_TCP = {"tcpSocket": {"port": 8000}, "failureThreshold": 90}
PROBED = (
    _probes("good", "as rendered", ENGINE),
    _probes("good", "without liveness", drop(ENGINE, *CONTAINER, "livenessProbe")),
    _probes("good", "the port's number", _probe("readinessProbe", "httpGet", "port", value=8000)),
    _probes("good", "a port of its own", put(engine("--port=9000"), *CONTAINER, "ports",
            value=[{"name": "http", "containerPort": 9000}])),
    _probes("good", "a delay that counts", _probe("startupProbe", value={
        **HEALTH, "initialDelaySeconds": 270})),
    _probes("good", "a gRPC server", engine(
        startupProbe={"grpc": {"port": 8000}, "failureThreshold": 90},
        readinessProbe={"grpc": {"port": 8000}})),
    _probes("good", "a Job that nobody calls", engine(**_NONE), kind=_JOB),
    Case(PROBES, "good", "a worker of another pod", DEPLOYMENT, engine(
        "--headless", **{**_NONE, "lifecycle": {"preStop": {"sleep": {"seconds": 15}}}})),
    _probes("good", "a patch that leaves them to others", drop(
        ENGINE, *CONTAINER, "startupProbe"), kind=_PATCH),
    _probes("bad", "no startup", drop(ENGINE, *CONTAINER, "startupProbe"), STARTUP),
    _probes("bad", "no readiness", drop(ENGINE, *CONTAINER, "readinessProbe"), READINESS),
    _probes("bad", "a short budget", _probe("startupProbe", "failureThreshold", value=29), STARTUP),
    _probes("bad", "the defaults' budget", _probe("startupProbe", value={
        "httpGet": {"path": "/health", "port": 8000}}), STARTUP),
    _probes("bad", "a port that is open", _probe("startupProbe", value=_TCP), STARTUP),
    _probes("bad", "a command", _probe("readinessProbe", value={
        "exec": {"command": ["true"]}}), READINESS),
    _probes("bad", "another path", _probe("readinessProbe", "httpGet", "path", value="/metrics"),
            f"{READINESS}.httpGet.path"),
    _probes("bad", "an impatient liveness", _probe("livenessProbe", "timeoutSeconds", value=1),
            f"{LIVENESS}.timeoutSeconds"),
    _probes("bad", "a liveness by default", _probe("livenessProbe", value={
        "httpGet": HEALTH["httpGet"]}), f"{LIVENESS}.timeoutSeconds"),
    _probes("bad", "a liveness at once", _probe("livenessProbe", "failureThreshold", value=1),
            f"{LIVENESS}.failureThreshold"),
    _probes("unknown", "a probe", _probe("startupProbe", value=UNKNOWN), STARTUP),
    _probes("unknown", "a budget", _probe("startupProbe", "failureThreshold", value=UNKNOWN),
            STARTUP),
    _probes("unknown", "a path", _probe("readinessProbe", "httpGet", "path", value=UNKNOWN),
            READINESS),
    _probes("unknown", "a time", _probe("livenessProbe", "timeoutSeconds", value=UNKNOWN),
            f"{LIVENESS}.timeoutSeconds"),
    _probes("bypass", "the port of a sidecar", _probe("readinessProbe", "httpGet", "port",
            value=9090), f"{READINESS}.httpGet.port"),
    _probes("bypass", "the engine on another port", engine("--port=8001"),
            f"{READINESS}.httpGet.port"),
    _probes("bypass", "a wrapper", engine(args=None, startupProbe=None, command=[
        "sh", "-c", f"exec vllm serve {_LINE} --shutdown-timeout=60"]), STARTUP),
    _probes("bypass", "a list", {"items": [drop(ENGINE, *CONTAINER, "startupProbe")]},
            f"items[0].{STARTUP}", _LIST),
    _probes("bypass", "a patch of one", _probe("livenessProbe", "timeoutSeconds", value=1),
            f"{LIVENESS}.timeoutSeconds", _PATCH),
)  # fmt: skip

ARGS = f"{CONTAINER_PATH}.args"
GRACE = f"{POD_PATH}.terminationGracePeriodSeconds"
HOOK = f"{CONTAINER_PATH}.lifecycle.preStop"
_SERVE = ["/models/m", "--max-model-len=4096", "--gpu-memory-utilization=0.9"]


def _drain(group: Group, title: str, properties: Json, path: str = "", kind: str = "") -> Case:
    return Case(DRAIN, group, title, kind or DEPLOYMENT, properties, path)


def _hook(hook: object) -> Json:
    return put(ENGINE, *CONTAINER, "lifecycle", value={"preStop": hook})


def _command(*command: object) -> Json:
    return _hook({"exec": {"command": list(command)}})


def _grace(seconds: object) -> Json:
    return put(ENGINE, *POD, "terminationGracePeriodSeconds", value=seconds)


DRAINED = (
    _drain("good", "as rendered", ENGINE),
    _drain("good", "exactly enough", _grace(85)),
    _drain("good", "a command that sleeps", _command("sleep", "15")),
    _drain("good", "a shell that sleeps", _command("/bin/sh", "-c", "sleep 15s")),
    _drain("good", "a Job that nobody calls", engine(args=_SERVE, **_NONE), kind=_JOB),
    _drain("good", "a worker of another pod", engine(
        args=[*_SERVE, "--headless"], pod={"terminationGracePeriodSeconds": 25})),
    _drain("good", "a patch that leaves it to others", engine(lifecycle=None), kind=_PATCH),
    _drain("bad", "no wait", drop(ENGINE, *CONTAINER, "lifecycle"), HOOK),
    _drain("bad", "a wait of nothing", _hook({"sleep": {"seconds": 0}}), HOOK),
    _drain("bad", "streams are cut", engine(args=_SERVE), ARGS),
    _drain("bad", "streams are cut on purpose", engine("--shutdown-timeout=0"), ARGS),
    _drain("bad", "a grace too short", _grace(84), GRACE),
    _drain("bad", "the default grace", drop(ENGINE, *POD, "terminationGracePeriodSeconds"), GRACE),
    _drain("bad", "no grace", _grace(0), GRACE),
    _drain("bad", "a request instead of a wait", _hook({"httpGet": {"port": 1}}), HOOK),
    _drain("unknown", "a grace", _grace(UNKNOWN), GRACE),
    _drain("unknown", "a hook", _hook(UNKNOWN), HOOK),
    _drain("unknown", "a wait", _hook({"sleep": {"seconds": UNKNOWN}}), HOOK),
    _drain("unknown", "a word", _command("sleep", UNKNOWN), HOOK),
    _drain("bypass", "a later word wins", engine("--shutdown-timeout", "600"), GRACE),
    _drain("bypass", "an abbreviation", engine("--shutdown=0"), ARGS),
    _drain("bypass", "minutes", _command("sleep", "2m"), GRACE),
    _drain("bypass", "a script", _command("sh", "-c", "sleep 15 & true"), HOOK),
    _drain("bypass", "a wrapper", engine(args=None, command=[
        "sh", "-c", f"exec vllm serve {_LINE}"]), CONTAINER_PATH),
    _drain("bypass", "a list", {"items": [_grace(30)]}, f"items[0].{GRACE}", _LIST),
    _drain("bypass", "a patch", _grace(30), GRACE, _PATCH),
)  # fmt: skip

CASES = (*PROBED, *DRAINED)
