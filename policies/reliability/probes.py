"""Probes that know when a model is loaded and leave a busy engine alone (policy RL-01)."""

from collections.abc import Iterator

from pulumi_policy import Severity

from components.core.engine_args import Reading
from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Resource
from policies.reading.quantities import whole
from policies.reading.servers import Server, readable
from policies.reading.tree import Node

_LEAF = "startup_seconds"
_PERIOD, _TIMEOUT, _FAILURES = 10, 1, 3
"""Kubernetes' defaults: seconds, seconds, probes in a row."""
_LIVENESS_TIMEOUT, _LIVENESS_FAILURES = 2, 3
"""Least values: an engine that decodes for many answers /health late, and once in a while not."""


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    paths = frozenset(map(str, parameters["health_paths"]))
    budget = int(parameters["startup_seconds"])
    for server in readable(resource):
        if server.headless or server.ends:
            continue
        yield from _startup_breaches(server, paths, budget)
        yield from _readiness_breaches(server, paths)
        yield from _liveness_breaches(server)


def _startup_breaches(server: Server, paths: frozenset[str], budget: int) -> Iterator[Breach]:
    probe, title = server.container.node.at("startupProbe"), server.container.title
    possible = f"a startupProbe on {_listed(paths)} with room for {budget} s or more is possible"
    if probe.absent:
        if server.whole:
            alive = not server.container.node.at("livenessProbe").absent
            kills = ", so that its liveness probe ends it while the model loads" if alive else ""
            yield Breach(probe, f"gives {title} no startup probe{kills}", possible, _LEAF)
        return
    yield from _path_breach(server, probe, paths, possible)
    numbers = (
        whole(probe.at("failureThreshold"), _FAILURES),
        whole(probe.at("periodSeconds"), _PERIOD),
        whole(probe.at("initialDelaySeconds"), 0),
    )
    failures, period, delay = numbers
    if failures is None or period is None or delay is None:
        if not probe.unknown:
            asked = f"decides only later how long {title} may take to start"
            yield Breach(probe, asked, possible, _LEAF)
    elif delay + failures * period < budget:
        asked = f"gives {title} {delay + failures * period} s to load its model"
        yield Breach(probe, asked, f"{possible} (parameter startup_seconds)", _LEAF)


def _readiness_breaches(server: Server, paths: frozenset[str]) -> Iterator[Breach]:
    probe, title = server.container.node.at("readinessProbe"), server.container.title
    possible = f"a readinessProbe on {_listed(paths)} is possible"
    if not probe.absent:
        yield from _path_breach(server, probe, paths, possible)
    elif server.whole:
        asked = f"sends {title} requests without asking whether its model is loaded"
        yield Breach(probe, asked, possible)


def _path_breach(
    server: Server, probe: Node, paths: frozenset[str], possible: str
) -> Iterator[Breach]:
    """Only the engine's own HTTP answer says that its model is loaded, or its gRPC health."""
    title, name = server.container.title, probe.steps[-1]
    http = probe.at("httpGet")
    if probe.unknown or http.unknown or http.at("path").unknown or http.at("port").unknown:
        asked = f"decides the {name} of {title} only later, it must be known at preview"
        yield Breach(probe, asked, possible)
    elif http.absent:
        if probe.at("grpc").absent:
            yield Breach(probe, f"asks in the {name} of {title} something else", possible)
    elif (http.at("path").text or "/").partition("?")[0] not in paths:
        yield Breach(http.at("path"), f"asks {title} a path that tells nothing of it", possible)
    elif not _is_own_port(server, http.at("port")):
        asked = f"asks another port than the engine's in the {name} of {title}"
        yield Breach(http.at("port"), asked, possible)


def _is_own_port(server: Server, port: Node) -> bool:
    """Whether a probe's port, by number or name, is the one that the engine listens on."""
    own = server.setting("port")
    number = port.text
    for one in server.container.node.at("ports").elements():
        if isinstance(port.value, str) and one.at("name").text == port.text:
            number = one.at("containerPort").text
    return isinstance(own, Reading) or number == str(own)


def _liveness_breaches(server: Server) -> Iterator[Breach]:
    probe, title = server.container.node.at("livenessProbe"), server.container.title
    if probe.absent:
        return
    for key, default, least in (
        ("timeoutSeconds", _TIMEOUT, _LIVENESS_TIMEOUT),
        ("failureThreshold", _FAILURES, _LIVENESS_FAILURES),
    ):
        number = whole(probe.at(key), default)
        possible = f"{key} of {least} or more is possible"
        if number is None:
            asked = f"decides the livenessProbe of {title} only later"
            yield Breach(probe.at(key), asked, possible)
        elif number < least:
            asked = f"ends {title} under load, with {key} {number} in its livenessProbe"
            yield Breach(probe.at(key), asked, possible)


def _listed(paths: frozenset[str]) -> str:
    return " or ".join(sorted(paths))


PROBES = Rule(
    name="rl-01-probes",
    severity=Severity.HIGH,
    description="Every vLLM server is ready only when its model is loaded, and not ended by load.",
    remediation="Probe /health: startup with a budget for loading, readiness, a patient liveness.",
    check=_check,
    parameters={
        "startup_seconds": {
            "type": "integer",
            "minimum": 1,
            "default": 300,
            "description": "Seconds that a start-up probe gives a server at least.",
        },
        "health_paths": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["/health", "/ping", "/v1/models"],
            "description": "Paths of the engine that answer only once the model is loaded.",
        },
    },
)
"""vLLM opens its port when the model is loaded. A Job's server, to which nobody routes, and a
headless one, which has no port, need no probes."""
