"""The gateway asks everyone for a key (policy AX-02): its container and its configuration.

Facts about LiteLLM were read from litellm 1.109.1: without a master key it refuses to start, unless
a setting or variable whose name begins with "dangerously" lets it; a configuration can also come
from a bucket, a database or an included file, none of which a preview can see.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import cast

import yaml
from pulumi_policy import Severity

from components.core.launch import UNKNOWN, Launch
from policies.adapter import Breach, Parameters, Rule
from policies.engines import NAME_LABEL, has_role
from policies.objects import Container, Object, Pod, Resource
from policies.tree import Node

_LEAF = "master_key"
_CONFIGURATION = re.compile(r"general_settings|litellm_settings|model_list|router_settings")
_DANGEROUS_VARIABLE = re.compile(r"LITELLM_DANGEROUSLY_\w*", re.IGNORECASE)
_REMOTE_VARIABLES = frozenset(
    {"LITELLM_CONFIG_BUCKET_NAME", "LITELLM_CONFIG_BUCKET_OBJECT_KEY", "STORE_MODEL_IN_DB"}
)
_OPENINGS = {
    "custom_auth": "custom code decides who may call",
    "enable_oauth2_proxy_auth": "callers are believed on the strength of a header",
    "allow_requests_on_db_unavailable": "requests pass unchecked while the database is down",
    "store_model_in_db": "the database can change the configuration unseen",
    "public_routes": "routes are open to everyone",
}
"""Settings of LiteLLM's `general_settings` that open the gateway, with what they do."""
_GATEWAY_PROGRAM = re.compile(r"(^|/)litellm(\s|$)|^litellm\.|litellm/proxy/\w+\.py$")
_LAST_PROGRAM_WORD = 3
"""`python -m litellm` takes three words to name a program; later words are its arguments."""
_MIGRATION = "litellm/proxy/prisma_migration.py"
_NO_SERVER = frozenset({"--skip_server_startup", "--validate_config"})
"""Flags with which LiteLLM works and ends, without serving."""


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    variable = str(parameters["master_key_variable"])
    for pod in resource.pods:
        for container in pod.containers:
            if _is_gateway(container, pod):
                yield from _container_breaches(container, variable)
    for found in resource.objects:
        yield from _configuration_breaches(found, variable)


def _is_gateway(container: Container, pod: Pod) -> bool:
    """By image, by what it starts, or by label when the pod has no other container."""
    if not container.serves:
        return False
    if _ends_by_itself(container.launched("litellm")):
        return False
    labelled = pod.labels.get(NAME_LABEL) == "litellm" or has_role(pod.labels, "gateway")
    alone = sum(other.role == "main" for other in pod.containers) == 1
    return (
        "litellm" in container.repository
        or _starts_gateway(container)
        or (labelled and alone and container.role == "main")
    )


def _starts_gateway(container: Container) -> bool:
    """Whether LiteLLM is the program, or a script that hides the program speaks of it."""
    started = container.launched("the image's own program")
    if started.opaque:
        raw = (word for part in ("command", "args") for word in container.node.at(part).elements())
        return any("litellm" in (word.text or "") for word in raw)
    first = [word for word in started.words[:_LAST_PROGRAM_WORD] if isinstance(word, str)]
    return any(_GATEWAY_PROGRAM.search(word) for word in first)


def _ends_by_itself(started: Launch) -> bool:
    words = [word for word in started.words if isinstance(word, str)]
    script = words[1] if len(words) > 1 else ""
    migrates = started.program.startswith("python") and script.endswith(_MIGRATION)
    flagged = started.program == "litellm" and not _NO_SERVER.isdisjoint(words)
    return not started.opaque and (migrates or flagged)


def _container_breaches(container: Container, variable: str) -> Iterator[Breach]:
    if not container.variables_known:
        asked = f"decides the environment of {container.title} only later"
        yield Breach(container.node.at("env"), asked, "it must be known at preview", _LEAF)
        return
    yield from _key_breach(container, variable)
    for name, entry in container.variables:
        if _DANGEROUS_VARIABLE.fullmatch(name):
            asked = f"sets {name.upper()} in {container.title}"
            yield Breach(entry, asked, "the gateway starts only without it", _LEAF)
        if name in _REMOTE_VARIABLES and entry.at("value").text not in {"", "false", "False"}:
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
        yield Breach(at, asked, f"it needs {possible}", _LEAF)
        return
    reference = entries[-1].at("valueFrom", "secretKeyRef")
    if not isinstance(reference.value, dict):
        asked = f"takes {variable} of {container.title} from something that is no known Secret"
        yield Breach(entries[-1], asked, f"it needs {possible}", _LEAF)
    elif not reference.at("optional").absent and reference.at("optional").value is not False:
        asked = f"lets {variable} of {container.title} be missing"
        yield Breach(reference.at("optional"), asked, f"it needs {possible}", _LEAF)


def _command_breach(container: Container, started: Launch, variable: str) -> Iterator[Breach]:
    part = "command" if container.node.at("args").absent else "args"
    node = container.node.at(part)
    possible = "a plain `litellm --config FILE`"
    if started.opaque:
        asked = f"hides the command line of {container.title} from the preview: {started.opaque}"
        yield Breach(node, asked, f"{possible} is possible")
    elif any(word is UNKNOWN for word in started.words):
        asked = f"decides the command line of {container.title} only later"
        yield Breach(node, asked, "it must be known at preview")
    elif started.environment.get(variable, "") is not UNKNOWN and variable in _names(container):
        asked = f"takes {variable} away before it starts {container.title}"
        yield Breach(node, asked, f"{possible} is possible", _LEAF)


def _names(container: Container) -> frozenset[str]:
    """Variables that come from elsewhere, and so have a value that nobody sees here."""
    return frozenset(
        name for name, entry in container.variables if not entry.at("valueFrom").absent
    )


def _configuration_breaches(found: Object, variable: str) -> Iterator[Breach]:
    """Every LiteLLM configuration in the data of a ConfigMap or Secret."""
    for part in ("data", "stringData"):
        data = found.node.at(part)
        if data.unknown and _names_gateway(found):
            yield Breach(data, "decides the gateway's configuration only later", _AT_PREVIEW)
        for key, node in data.items():
            if node.unknown and found.kind == "ConfigMap" and _names_gateway(found):
                yield Breach(node, "decides the gateway's configuration only later", _AT_PREVIEW)
            elif _DANGEROUS_VARIABLE.fullmatch(key):
                yield Breach(node, "sets an override that opens the gateway", _WITHOUT, _LEAF)
            encoded = found.kind == "Secret" and part == "data"
            text = _decoded(node.text or "") if encoded else node.text or ""
            if _CONFIGURATION.search(text):
                yield from _settings_breaches(node, text, variable)


_AT_PREVIEW = "it must be known at preview"
_WITHOUT = "the gateway starts only without it"


def _names_gateway(found: Object) -> bool:
    labels = found.labels
    return (
        "litellm" in found.name
        or labels.get(NAME_LABEL) == "litellm"
        or has_role(labels, "gateway")
    )


def _decoded(text: str) -> str:
    """Base64 of a Secret's `data`; empty for anything else."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _settings_breaches(node: Node, text: str, variable: str) -> Iterator[Breach]:
    try:
        document = yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError):
        yield Breach(node, "holds a gateway configuration that is no YAML", "YAML is possible")
        return
    sections = _mapping(document)
    general = _mapping(sections.get("general_settings"))
    key = general.get("master_key")
    if key is not None and key != f"os.environ/{variable}":
        asked = "sets general_settings.master_key to something else than a reference"
        yield Breach(node, asked, f"os.environ/{variable} is possible", _LEAF)
    for name, setting in general.items():
        yield from _setting_breaches(node, name, setting)
    overrides = {*general, *_mapping(sections.get("litellm_settings"))}
    if any(name.lower().startswith("dangerously_") for name in overrides):
        yield Breach(node, "sets an override that opens the gateway", _WITHOUT, _LEAF)
    yield from _elsewhere_breaches(node, sections, variable)


def _elsewhere_breaches(node: Node, sections: dict[str, object], variable: str) -> Iterator[Breach]:
    """What a configuration takes from, or sets, outside its own settings."""
    for name in _mapping(sections.get("environment_variables")):
        if name == variable or _DANGEROUS_VARIABLE.fullmatch(name) or name in _REMOTE_VARIABLES:
            asked = "sets environment_variables that decide who may call the gateway"
            yield Breach(node, asked, "only the container's own environment is possible", _LEAF)
    if "include" in sections:
        yield Breach(node, "includes further configuration files", "one file is possible")


def _setting_breaches(node: Node, name: str, setting: object) -> Iterator[Breach]:
    opening = next((why for prefix, why in _OPENINGS.items() if name.startswith(prefix)), None)
    if opening and setting not in (None, False, "false", "False", ""):
        asked = f"sets general_settings.{name[:60]}, with which {opening}"
        yield Breach(node, asked, _WITHOUT)
    if name == "pass_through_endpoints" and isinstance(setting, list):
        for position, endpoint in enumerate(cast("list[object]", setting)):
            if _mapping(endpoint).get("auth") is not True:
                asked = f"opens general_settings.pass_through_endpoints[{position}] without a key"
                yield Breach(node, asked, "`auth: true` is possible")


def _mapping(value: object) -> dict[str, object]:
    """One level of a YAML mapping; deeper levels stay as they are, as aliases may multiply."""
    if not isinstance(value, dict):
        return {}
    return {str(key): child for key, child in cast("dict[object, object]", value).items()}


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML was built with it, ten times faster; the result is the same."""

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
