"""The gateway asks everyone for a key (policy AX-02): its container and its configuration.

Facts about LiteLLM were read from litellm 1.109.1: without a master key it refuses to start, unless
a setting or variable whose name begins with "dangerously" lets it; a configuration can also come
from a bucket, a database or an included file, none of which a preview can see.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from pulumi_policy import Severity

from components.core.launch import UNKNOWN, Launch, Word
from policies.access.gateway_config import (
    DANGEROUS_VARIABLE,
    LEAF,
    REMOTE_VARIABLES,
    configuration_breaches,
)
from policies.adapter import Breach, Parameters, Rule
from policies.reading.engines import NAME_LABEL, has_role, python_target
from policies.reading.objects import Container, Pod, Resource
from policies.reading.tree import Node

_GATEWAY_PROGRAM = re.compile(r"(^|/)litellm(\s|$)|^litellm\.|litellm/proxy/\w+\.py$")
_LAST_PROGRAM_WORD = 3
"""`python -m litellm` takes three words to name a program; later words are its arguments."""
_MIGRATION = "litellm/proxy/prisma_migration.py"
_NO_SERVER = frozenset({"--skip_server_startup", "--validate_config"})
"""Flags with which LiteLLM works and ends, without serving."""
_SERVERS = frozenset({"uvicorn", "gunicorn", "hypercorn", "granian"})
"""Programs that serve an application which their arguments name."""
_PORT = "4000"
"""Port on which LiteLLM listens by default."""


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    variable = str(parameters["master_key_variable"])
    for pod in resource.pods:
        for container in pod.containers:
            if _is_gateway(container, pod):
                yield from _container_breaches(container, variable)
            else:
                yield from _literal_breaches(container, variable)
    for found in resource.objects:
        yield from configuration_breaches(found, variable)


def _is_gateway(container: Container, pod: Pod) -> bool:
    """By image, by what it starts, or by label when the pod has no other container."""
    if not container.serves:
        return False
    if _ends_by_itself(container.launched("litellm")):
        return False
    if "litellm" in container.repository or _starts_gateway(container):
        return True
    labelled = pod.labels.get(NAME_LABEL) == "litellm" or has_role(pod.labels, "gateway")
    mains = [other for other in pod.containers if other.role == "main"]
    named = [other for other in mains if _looks_like_gateway(other)]
    return labelled and container in (named or mains)


def _looks_like_gateway(container: Container) -> bool:
    ports = container.node.at("ports").elements()
    return (
        container.node.at("name").text == "litellm"
        or "litellm" in container.repository
        or any(port.at("containerPort").text == _PORT for port in ports)
    )


def _starts_gateway(container: Container) -> bool:
    """Whether LiteLLM is the program, or a script that hides the program speaks of it."""
    started = container.launched("the image's own program")
    if started.opaque:
        raw = (word for part in ("command", "args") for word in container.node.at(part).elements())
        return any("litellm" in (word.text or "") for word in raw)
    last = None if started.program in _SERVERS else _LAST_PROGRAM_WORD
    first = [word for word in started.words[:last] if isinstance(word, str)]
    return any(_GATEWAY_PROGRAM.search(word) for word in first)


def _is_plain(started: Launch) -> bool:
    """Whether the program is LiteLLM for certain, and so reads its key as LiteLLM does."""
    words = started.words
    if started.program in _SERVERS:
        return any(isinstance(word, str) and word.startswith("litellm.") for word in words)
    if re.fullmatch(r"python[\d.]*", started.program):
        target = (*python_target(words), "")[0]
        return isinstance(target, str) and (
            re.fullmatch(r"litellm(\.\w+)*", target) is not None
            or re.search(r"/litellm/proxy/\w+\.py$", target) is not None
        )
    return started.program == "litellm"


def _ends_by_itself(started: Launch) -> bool:
    words = [word for word in started.words if isinstance(word, str)]
    script = words[1] if len(words) > 1 else ""
    migrates = started.program.startswith("python") and script.endswith(_MIGRATION)
    flagged = started.program == "litellm" and any(
        word in _NO_SERVER and not _may_take_a_value(before)
        for before, word in pairwise(started.words)
    )
    return not started.opaque and (migrates or flagged)


def _may_take_a_value(word: Word) -> bool:
    """Whether the next word may be the value of this one instead of a flag of its own."""
    return not isinstance(word, str) or (word.startswith("-") and "=" not in word)


def _literal_breaches(container: Container, variable: str) -> Iterator[Breach]:
    """Another container, or a patch of one that does not say what it is, that sets the key."""
    for name, entry in container.variables:
        if name == variable and entry.at("valueFrom").absent:
            asked = f"gives {variable} its value in {container.title}"
            yield Breach(entry, asked, "a Secret that has to exist is possible", LEAF)
        elif DANGEROUS_VARIABLE.fullmatch(name):
            asked = f"sets {name.upper()} in {container.title}"
            yield Breach(entry, asked, "the gateway starts only without it", LEAF)


def _container_breaches(container: Container, variable: str) -> Iterator[Breach]:
    if not container.variables_known:
        asked = f"decides the environment of {container.title} only later"
        yield Breach(container.node.at("env"), asked, "it must be known at preview", LEAF)
        return
    yield from _key_breach(container, variable)
    yield from _second_use_breaches(container, variable)
    others = container.node.at("envFrom")
    if others.unknown or any(True for _ in others.elements()):
        asked = f"takes variables of {container.title} from objects that a preview cannot see"
        yield Breach(others, asked, "only single variables (`env`) are possible", LEAF)
    for name, entry in container.variables:
        if DANGEROUS_VARIABLE.fullmatch(name):
            asked = f"sets {name.upper()} in {container.title}"
            yield Breach(entry, asked, "the gateway starts only without it", LEAF)
        if name in REMOTE_VARIABLES and entry.at("value").text not in {"", "false", "False"}:
            asked = f"sets {name} in {container.title}, so that a preview cannot see what it loads"
            yield Breach(entry, asked, "only a configuration from a ConfigMap is possible")
    yield from _command_breach(container, container.launched("litellm"), variable)


def _key_breach(container: Container, variable: str) -> Iterator[Breach]:
    """The last entry of that name counts, as for the kubelet."""
    possible = f"{variable} from a Secret that has to exist (secretKeyRef, not optional)"
    entries = [entry for name, entry in container.variables if name == variable]
    if not entries:
        at = container.node.at("env") if container.variables else container.node
        asked = f"runs the gateway without {variable} in {container.title}"
        yield Breach(at, asked, f"it needs {possible}", LEAF)
        return
    reference = entries[-1].at("valueFrom", "secretKeyRef")
    if not isinstance(reference.value, dict):
        asked = f"takes {variable} of {container.title} from something that is no known Secret"
        yield Breach(entries[-1], asked, f"it needs {possible}", LEAF)
    elif not reference.at("optional").absent and reference.at("optional").value is not False:
        asked = f"lets {variable} of {container.title} be missing"
        yield Breach(reference.at("optional"), asked, f"it needs {possible}", LEAF)


def _second_use_breaches(container: Container, variable: str) -> Iterator[Breach]:
    """The same key of the same Secret as another variable, which may be sent to a provider."""
    references = [
        (name, entry, _reference(entry)) for name, entry in container.variables if _reference(entry)
    ]
    keys = {reference for name, _, reference in references if name == variable}
    for name, entry, reference in references:
        if name != variable and reference in keys:
            asked = f"takes the gateway's own key for {name[:60]} in {container.title}"
            yield Breach(entry, asked, f"that key is possible as {variable} alone", LEAF)


def _reference(entry: Node) -> tuple[str, str] | None:
    secret = entry.at("valueFrom", "secretKeyRef")
    name, key = secret.at("name").text, secret.at("key").text
    return (name, key) if name and key else None


def _command_breach(container: Container, started: Launch, variable: str) -> Iterator[Breach]:
    part = "command" if container.node.at("args").absent else "args"
    node = container.node.at(part)
    possible = "a plain `litellm --config FILE`"
    if started.opaque:
        asked = f"hides the command line of {container.title} from the preview: {started.opaque}"
        yield Breach(node, asked, f"{possible} is possible")
    elif not _is_plain(started) and started.words[:1] != (UNKNOWN,):
        asked = f"starts {container.title} with a program that hides the gateway"
        yield Breach(node, asked, f"{possible} is possible")
    elif any(word is UNKNOWN for word in started.words):
        asked = f"decides the command line of {container.title} only later"
        yield Breach(node, asked, "it must be known at preview")
    elif started.environment.get(variable, "") is not UNKNOWN and variable in _names(container):
        asked = f"takes {variable} away before it starts {container.title}"
        yield Breach(node, asked, f"{possible} is possible", LEAF)


def _names(container: Container) -> frozenset[str]:
    """Variables that come from elsewhere, and so have a value that nobody sees here."""
    return frozenset(
        name for name, entry in container.variables if not entry.at("valueFrom").absent
    )


GATEWAY_AUTH_ON = Rule(
    name="ax-02-gateway-auth-on",
    severity=Severity.CRITICAL,
    description="The gateway's master key comes from a Secret and nothing lets it go without.",
    remediation="Name the Secret of the gateway's master key in the stack document.",
    check=_check,
    parameters={
        "master_key_variable": {
            "type": "string",
            "default": "LITELLM_MASTER_KEY",
            "description": "Environment variable that LiteLLM reads its master key from.",
        }
    },
)
