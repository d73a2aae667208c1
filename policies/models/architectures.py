"""Which models are served as something else than they are (policy ML-11)."""

from collections.abc import Iterator, Mapping
from typing import cast

from pulumi_policy import EnforcementLevel, Severity

from components.core.conventions import ARCHITECTURE_OVERRIDE
from components.core.engine_args import Reading
from policies.adapter import Breach, Parameters, Rule
from policies.reading.engines import Opaque, is_engine_pod
from policies.reading.objects import Resource
from policies.reading.servers import Server, servers

_SETTING = "hf_overrides"
_OTHER_CONFIG = "hf_config_path"
_WHAT_IT_IS = frozenset({"architectures", "model_type"})
"""Keys of a config.json, at any depth, by which vLLM chooses the class that serves a model."""
_POSSIBLE = "a model whose architecture the planner and the engine know is possible"
_LEAF = "architecture"


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    del parameters
    for pod in resource.pods:
        if not is_engine_pod(pod):
            continue
        of_pod = (server for server in servers(resource) if server.pod is pod)
        told = [breach for server in of_pod for breach in _line_breaches(server)]
        yield from told or _note_breaches(resource)


def _line_breaches(server: Server) -> Iterator[Breach]:
    """What the engine is told on its command line, by anybody's program."""
    if isinstance(server.launch, Opaque) or server.line is None:
        return  # one that ml-01 refuses because nobody can read it
    overrides = server.setting(_SETTING)
    node, title = server.container.node.at("args"), server.container.title
    if overrides is Reading.UNKNOWN or isinstance(overrides, str):
        asked = f"hides from the preview what --hf-overrides change in {title}"
        yield Breach(node, asked, "a JSON object is possible", _LEAF)
    elif _says_what_it_is(overrides):
        asked = f"takes the model of {title} for another architecture than its own"
        yield Breach(node, asked, _POSSIBLE, _LEAF)
    elif isinstance(server.setting(_OTHER_CONFIG), str):
        asked = f"takes the configuration of another model for that of {title}"
        yield Breach(node, asked, _POSSIBLE, _LEAF)


def _says_what_it_is(overrides: object) -> bool:
    waiting = [overrides]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            entries = cast("Mapping[str, object]", value)
            if not _WHAT_IT_IS.isdisjoint(entries):
                return True
            waiting += entries.values()
    return False


def _note_breaches(resource: Resource) -> Iterator[Breach]:
    """What the platform notes on a workload, wherever the command line went."""
    noted = (n for n in resource.root.walk() if n.steps and n.steps[-1] == ARCHITECTURE_OVERRIDE)
    for node in list(noted)[:1]:
        asked = "takes a model for another architecture than its own"
        yield Breach(node, asked, _POSSIBLE, _LEAF)


ARCHITECTURE_KNOWN = Rule(
    name="ml-11-architecture-known",
    severity=Severity.MEDIUM,
    description="Every vLLM server serves its model as the architecture that the model says it is.",
    remediation="Take a model whose architecture is known, or accept that its plan is a guess.",
    check=_check,
    level=EnforcementLevel.ADVISORY,
)
"""Advice by default: the document asked for it in so many words, and a policy that always refused
what the document allows would make the key useless. An organisation that wants none of it sets the
level to `mandatory` in the pack's configuration."""
