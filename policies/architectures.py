"""Which models are served as something else than they are (policy ML-11)."""

from collections.abc import Iterator, Mapping
from typing import cast

from pulumi_policy import EnforcementLevel, Severity

from components.core.conventions import ARCHITECTURE_OVERRIDE
from components.core.engine_args import Reading, effective, max_model_len
from policies.adapter import Breach, Parameters, Rule
from policies.engines import is_engine_pod, vllm_server
from policies.objects import Container, Pod, Resource

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
        told = [breach for container in pod.containers for breach in _line_breaches(container, pod)]
        yield from told or _note_breaches(resource)


def _line_breaches(container: Container, pod: Pod) -> Iterator[Breach]:
    """What the engine is told on its command line, by anybody's program."""
    words = vllm_server(container, pod)
    if not isinstance(words, tuple):
        return  # another program, or one that ml-01 refuses because nobody can read it
    line = effective(words)
    overrides = line.settings[_SETTING]
    if overrides is max_model_len(line) is Reading.UNKNOWN:
        return  # nothing of the line is known, which ml-01 refuses
    node = container.node.at("args")
    if overrides is Reading.UNKNOWN or isinstance(overrides, str):
        asked = f"hides from the preview what --hf-overrides change in {container.title}"
        yield Breach(node, asked, "a JSON object is possible", _LEAF)
    elif _says_what_it_is(overrides):
        asked = f"takes the model of {container.title} for another architecture than its own"
        yield Breach(node, asked, _POSSIBLE, _LEAF)
    elif isinstance(line.settings[_OTHER_CONFIG], str):
        asked = f"takes the configuration of another model for that of {container.title}"
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
