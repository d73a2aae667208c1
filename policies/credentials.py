"""Credentials come from Secrets, never as literals (policy AX-12). No message repeats a value."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from policies.adapter import Breach, Parameters, Rule
from policies.objects import Container, Object, Resource
from policies.tree import Node

_POSSIBLE = "a credential comes from a Secret (secretKeyRef, or a file mounted from one)"
_KEYS = (
    r"api_?key|master_?key|salt_?key|secret_?key|private_?key|access_?key|encryption_?key"
    r"|signing_?key|client_?secret|jwt_?secret|token|password|passwd|passphrase"
)
"""Names of credentials; in configuration files `secret` alone is often a Secret's name."""
_CREDENTIAL_NAME = re.compile(rf"(.*_)?({_KEYS}|secret|credentials?)", re.IGNORECASE)
_CONFIGURED_NAME = re.compile(rf"(.*_)?({_KEYS})", re.IGNORECASE)
_CREDENTIAL_FLAG = re.compile(
    rf"--?([\w-]*-)?({_KEYS}|secret)".replace("_?", "[-_]?"), re.IGNORECASE
)
_ASSIGNMENT = re.compile(
    rf"(?:^|[\s\"';{{,-])[\"']?(?:[\w-]{{0,60}}[_-])?(?:{_KEYS})".replace("_?", "[-_]?")
    + r"[\"']?[ \t]*[:=](?P<gap>[ \t]*)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;}#]+)",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"\bsk-[A-Za-z0-9_-]{16,}"
    r"|\bhf_[A-Za-z0-9]{20,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[opsur]_[A-Za-z0-9]{30,}"
    r"|\bgithub_pat_\w{20,}"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|\bAIza[0-9A-Za-z_-]{35}"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
)
"""Tokens that show what they are: OpenAI-style, hub, AWS, GitHub, Slack, Google, JWT, PEM."""
_TOKEN_STEMS = (
    *("sk-", "hf_", "AKIA", "ASIA", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_"),
    *("xox", "AIza", "eyJ", "PRIVATE KEY"),
)
_NAME_STEMS = ("key", "token", "passw", "passphrase", "secret")
"""What a text must hold for the expression to be worth running: dashboards are long."""
_USER_INFO = re.compile(r"://[^\s/:@$<{%\"']*:[^\s/@$<{%\"']+@")
"""User and password inside a URL."""
_REFERENCE = re.compile(
    r"os\.(environ|getenv)\b.*|\$\([^)]*\)|\$\{[^}]*\}|\$[A-Za-z_]\w*|\{\{.*\}\}|<.*>|%\w+%"
)
"""What stands for a value from elsewhere, in LiteLLM, Kubernetes, shells and templates."""
_CODE = re.compile(r"[\w.]+[(\[].*")
"""A call or a subscript in a script."""
_NO_CREDENTIAL = frozenset(
    {"", "true", "false", "yes", "no", "none", "null", "empty", "dummy", "unused", "not-needed"}
    | {"{}", "[]", "|", ">", "|-", ">-", "~"}
    | {"api_key", "token", "password", "secret"}  # a variable of that name, handed on
)
_NO_MANIFESTS = frozenset({"CustomResourceDefinition"})
"""Kinds whose text is documentation."""


def _check(resource: Resource, _parameters: Parameters) -> Iterator[Breach]:
    if not resource.type.startswith("kubernetes:"):
        return
    for container in resource.containers:
        yield from _variable_breaches(container)
        yield from _word_breaches(container)
    for found in resource.objects:
        if found.kind not in _NO_MANIFESTS:
            yield from _text_breaches(found)
            yield from _data_breaches(found)
    if resource.kind in {"Release", "Chart"}:
        yield from _value_breaches(resource.root.at("values"))


def _variable_breaches(container: Container) -> Iterator[Breach]:
    if not container.variables_known:
        asked = f"decides the environment of {container.title} only later"
        yield Breach(container.node.at("env"), asked, "it must be known at preview")
    for name, entry in container.variables:
        value = entry.at("value")
        if _CREDENTIAL_NAME.fullmatch(name) and _is_literal(value):
            yield Breach(value, f"gives {name[:60]} its value in the manifest", _POSSIBLE)


def _word_breaches(container: Container) -> Iterator[Breach]:
    """`--api-key VALUE`, `--api-key=VALUE` and `NAME=VALUE` in a command line or script."""
    for part in ("command", "args"):
        words = list(container.node.at(part).elements())
        for position, word in enumerate(words):
            flag, equals, value = (word.text or "").partition("=")
            given = Node(value, word.steps) if equals else Node("")
            if not equals and position + 1 < len(words):
                given = words[position + 1]
            if _CREDENTIAL_FLAG.fullmatch(flag):
                follows = equals or not (given.text or "").startswith("-")
                if follows and _is_literal(given):
                    yield Breach(word, f"gives {flag[:60]} its value in the manifest", _POSSIBLE)
            elif _assigns(word.text or "", script=True):
                yield Breach(word, "sets a credential inside a command line", _POSSIBLE)


def _text_breaches(found: Object) -> Iterator[Breach]:
    """Tokens that show what they are, in any text but the contents of a Secret."""
    for node in found.node.walk():
        if isinstance(node.value, str) and _shows_credential(node.value):
            below = node.steps[len(found.node.steps) :]
            if found.kind != "Secret" or below[:1] not in (("data",), ("stringData",)):
                yield Breach(node, "holds a key or password", _POSSIBLE)


def _data_breaches(found: Object) -> Iterator[Breach]:
    """A ConfigMap's keys that are credentials, and configuration files that hold one."""
    if found.kind != "ConfigMap":
        return
    for key, node in found.node.at("data").items():
        if _CREDENTIAL_NAME.fullmatch(key) and _is_literal(node):
            yield Breach(node, "gives a credential its value in a ConfigMap", _POSSIBLE)
        elif _assigns(node.text or ""):
            yield Breach(node, "holds a configuration file with a credential", _POSSIBLE)


def _value_breaches(values: Node) -> Iterator[Breach]:
    """Values of a Helm release, whose keys are in camel case."""
    for node in values.walk():
        last = node.steps[-1]
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last) if isinstance(last, str) else ""
        if _CONFIGURED_NAME.fullmatch(snake) and _is_literal(node):
            yield Breach(node, "gives a credential its value in a chart's values", _POSSIBLE)


def _shows_credential(text: str) -> bool:
    token = any(stem in text for stem in _TOKEN_STEMS) and _TOKEN.search(text)
    return bool(token) or ("://" in text and _USER_INFO.search(text) is not None)


def _is_literal(node: Node) -> bool:
    """A value that is, or will be, written out; a reference, a switch or a number is none."""
    if node.unknown:
        return True
    return isinstance(node.value, str) and _is_literal_text(node.value)


def _is_literal_text(text: str) -> bool:
    bare = text.strip().strip("\"'").strip()
    return bare.lower() not in _NO_CREDENTIAL and not _REFERENCE.fullmatch(bare)


def _assigns(text: str, *, script: bool = False) -> bool:
    """Whether a text sets a credential; in a shell, `NAME= word` sets it to nothing."""
    lower = text.lower()
    return any(stem in lower for stem in _NAME_STEMS) and any(
        _is_assigned(match["value"])
        for match in _ASSIGNMENT.finditer(text)
        if not (script and match["gap"]) or match["value"][0] in "\"'"
    )


def _is_assigned(value: str) -> bool:
    """Whether the right side is a literal: not a number, a lone bracket or a piece of code."""
    plain = value.isdigit() or not re.search(r"\w", value) or _CODE.fullmatch(value)
    return not plain and _is_literal_text(value)


NO_LITERAL_CREDENTIALS = Rule(
    name="ax-12-no-literal-credentials",
    severity=Severity.CRITICAL,
    description="No manifest holds a key, token or password; they come from Secrets.",
    remediation="Put the value into a Secret and refer to it with secretKeyRef.",
    check=_check,
)
