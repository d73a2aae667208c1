"""The gateway's configuration (policy AX-02): ConfigMaps and Secrets that LiteLLM may read."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, cast

import yaml

from policies.adapter import Breach
from policies.reading.engines import NAME_LABEL, has_role
from policies.reading.objects import Object
from policies.reading.tree import Node

LEAF = "master_key"
_CONFIGURATION = re.compile(r"general_settings|litellm_settings|model_list|router_settings")
DANGEROUS_VARIABLE = re.compile(r"LITELLM_DANGEROUSLY_\w*", re.IGNORECASE)
REMOTE_VARIABLES = frozenset(
    {"LITELLM_CONFIG_BUCKET_NAME", "LITELLM_CONFIG_BUCKET_OBJECT_KEY", "STORE_MODEL_IN_DB"}
)
_ESCAPED = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\r\n\x85\u2028\u2029])")
"""What can write a key of YAML without its letters."""
_OPENINGS = {
    "custom_auth": "custom code decides who may call",
    "enable_oauth2_proxy_auth": "callers are believed on the strength of a header",
    "allow_requests_on_db_unavailable": "requests pass unchecked while the database is down",
    "store_model_in_db": "the database can change the configuration unseen",
    "public_routes": "routes are open to everyone",
    "enable_jwt_auth": "tokens of somebody else decide who may call",
    "litellm_jwtauth": "tokens of somebody else decide who may call",
    "enable_oauth2_auth": "tokens of somebody else decide who may call",
    "user_header_name": "callers are believed on the strength of a header",
    "user_header_mappings": "callers are believed on the strength of a header",
    "allow_user_auth": "users may make keys for themselves",
}
"""Settings of LiteLLM's `general_settings` that open the gateway, with what they do."""


def configuration_breaches(found: Object, variable: str) -> Iterator[Breach]:
    """Every LiteLLM configuration in the data of a ConfigMap or Secret."""
    for part in ("data", "stringData", "binaryData"):
        data = found.node.at(part)
        if data.unknown and _names_gateway(found):
            yield Breach(data, "decides the gateway's configuration only later", _AT_PREVIEW)
        for key, node in data.items():
            if node.unknown and found.kind == "ConfigMap" and _names_gateway(found):
                yield Breach(node, "decides the gateway's configuration only later", _AT_PREVIEW)
            elif DANGEROUS_VARIABLE.fullmatch(key):
                yield Breach(node, "sets an override that opens the gateway", _WITHOUT, LEAF)
            text = decoded(found, node)
            if key in REMOTE_VARIABLES and text not in {"", "false", "False"}:
                yield Breach(node, f"sets {key} for `envFrom`", _WITHOUT)
            if _CONFIGURATION.search(text) or _ESCAPED.search(text):
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


def decoded(found: Object, node: Node) -> str:
    """Text of a value in a ConfigMap or Secret; empty for one that is no text."""
    part = node.steps[len(found.node.steps)]
    text = node.text or ""
    if part != "binaryData" and (part, found.kind) != ("data", "Secret"):
        return text
    try:  # Kubernetes' decoder skips line breaks
        return base64.b64decode(re.sub(r"\s", "", text), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _settings_breaches(node: Node, text: str, variable: str) -> Iterator[Breach]:
    try:
        document = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, _MergesTooMuchError) or _CONFIGURATION.search(text):
            yield Breach(node, "holds a gateway configuration that is no YAML", "YAML is possible")
        return
    sections = _mapping(document)
    general = _mapping(sections.get("general_settings"))
    key = general.get("master_key")
    if key is not None and key != f"os.environ/{variable}":
        asked = "sets general_settings.master_key to something else than a reference"
        yield Breach(node, asked, f"os.environ/{variable} is possible", LEAF)
    for name, setting in general.items():
        yield from _setting_breaches(node, name, setting)
    overrides = {*general, *_mapping(sections.get("litellm_settings"))}
    if any(name.lower().startswith("dangerously_") for name in overrides):
        yield Breach(node, "sets an override that opens the gateway", _WITHOUT, LEAF)
    yield from _elsewhere_breaches(node, sections, variable)


def _elsewhere_breaches(node: Node, sections: dict[str, object], variable: str) -> Iterator[Breach]:
    """What a configuration takes from, or sets, outside its own settings."""
    for name in _mapping(sections.get("environment_variables")):
        if name == variable or DANGEROUS_VARIABLE.fullmatch(name) or name in REMOTE_VARIABLES:
            asked = "sets environment_variables that decide who may call the gateway"
            yield Breach(node, asked, "only the container's own environment is possible", LEAF)
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


class _MergesTooMuchError(ValueError):
    """Nested merge keys multiply; half a kilobyte of them can cost minutes."""


_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML was built with it, ten times faster; the result is the same."""
_MOST_MERGES = 20
"""Merges into one mapping; LiteLLM's own examples have none."""
_MOST_MERGED = 2000
"""Keys of a mapping after its merges, and half of what all merges of a file may bring."""


class _Loader(_PARSER):
    """The safe loader, with a bound on merge keys."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        merges = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        sources = sum(len(value.value) for value in merges if isinstance(value, yaml.SequenceNode))
        if max(len(merges), sources) > _MOST_MERGES:
            raise _MergesTooMuchError
        _PARSER.flatten_mapping(self, node)
        self.merged += len(node.value) if merges else 0
        if (merges and len(node.value) > _MOST_MERGED) or self.merged > 2 * _MOST_MERGED:
            raise _MergesTooMuchError
