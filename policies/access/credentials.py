"""Credentials come from Secrets, never as literals (policy AX-12). No message repeats a value."""

import re
import shlex
from collections.abc import Iterator, Sequence

from pulumi_policy import Severity

from components.core.launch import expand
from policies.access.gateway_config import decoded
from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Container, Object, Resource
from policies.reading.tree import Node

_POSSIBLE = "a credential comes from a Secret (secretKeyRef, or a file mounted from one)"
_KEYS = (
    r"api_?key|master_?key|salt_?key|secret_?key|private_?key|access_?key|encryption_?key"
    r"|signing_?key|client_?secret|jwt_?secret|(?<![_-]per[_-])token|password|passwd|passphrase"
)
"""Names of credentials; in configuration files `secret` alone is often a Secret's name, and a cost
"per token" is a price."""
_MORE_KEYS = (
    r"authorization|(?<=_)(pass|pwd)|(openai|anthropic|azure|mistral|cohere|groq|gemini|google"
    r"|hf|hugging_?face|wandb|langfuse|datadog|stripe|auth|admin|bearer)_key"
)
"""Further names that only count as a whole: in a text they may be words."""
_VARIANT = r"(_(\d+|ro|rw|read|write|old|new|dev|test|staging|prod|primary|secondary|backup))?"
_CREDENTIAL_NAME = re.compile(
    rf"(.*_)?({_KEYS}|{_MORE_KEYS}|secret|credentials?){_VARIANT}", re.IGNORECASE
)
_CONFIGURED_NAME = re.compile(rf"(.*_)?({_KEYS}|{_MORE_KEYS}){_VARIANT}", re.IGNORECASE)
_CREDENTIAL_FLAG = re.compile(
    rf"--?([\w-]*-)?({_KEYS}|secret){_VARIANT}".replace("_?", "[-_]?").replace("(_(", "([-_]("),
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"authorization[\"']?[ \t]*[:=][ \t]*[\"']?(?:bearer|basic|token)[ \t]+"
    r"(?P<value>[^\s\"'{}<>%$][^\s\"']*)",
    re.IGNORECASE,
)
"""A header of a request with the credential written out."""
_FILE_ENDING = re.compile(r"\.(txt|key|pem|token)$", re.IGNORECASE)
_SHELL_VARIABLE = re.compile(r"\$(\{)?(?P<name>[A-Za-z_]\w*)(?(1)\})")
_ASSIGNMENT = re.compile(
    rf"(?:^|[\s\"';{{,-])[\"']?(?:[\w-]{{0,60}}[_-])?(?:{_KEYS})".replace("_?", "[-_]?")
    + r"[\"']?[ \t]*[:=](?P<gap>[ \t]*)(?P<value>\"[^\"\n]*\"|'[^'\n]*'"
    + r"|(?:\$\{[^}\n]*\}|\{\{[^}\n]*\}\})[^\s\"',;}#]*|[^\s\"',;}#]+)",
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
    r"os\.(environ|getenv)\b.*|\$\([^)]*\)|\$\{(?:(?!:-[^}])[^}])*\}|\$[A-Za-z_]\w*|\{\{.*\}\}|<.*>|%\w+%"
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
        if _names_credential(name) and _is_given(value, container):
            yield Breach(value, f"gives {name[:60]} its value in the manifest", _POSSIBLE)


def _word_breaches(container: Container) -> Iterator[Breach]:
    """`--api-key VALUE`, `--api-key=VALUE` and `NAME=VALUE` in a command line or script."""
    for part in ("command", "args"):
        words = [*container.node.at(part).elements()]
        yield from _flag_breaches(words, container)
        for word in words:
            if any(mark.isspace() for mark in word.text or ""):  # a script, or words of one
                script = [Node(inner, word.steps) for inner in _split(word.text or "")]
                yield from _flag_breaches(script, container)
            if _assigns(word.text or "", script=True):
                yield Breach(word, "sets a credential inside a command line", _POSSIBLE)


def _flag_breaches(words: Sequence[Node], container: Container) -> Iterator[Breach]:
    for position, word in enumerate(words):
        flag, equals, value = (word.text or "").partition("=")
        given = Node(value, word.steps) if equals else Node("")
        if not equals and position + 1 < len(words):
            given = words[position + 1]
        follows = equals or not (given.text or "").startswith("-")
        if follows and _is_credential_flag(flag) and _is_given(given, container):
            yield Breach(word, f"gives {flag[:60]} its value in the manifest", _POSSIBLE)


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
    entries = [*found.node.at("data").items(), *found.node.at("binaryData").items()]
    for key, node in entries:
        text = decoded(found, node)
        if _names_credential(_FILE_ENDING.sub("", key)) and _is_literal(node):
            yield Breach(node, "gives a credential its value in a ConfigMap", _POSSIBLE)
        elif _assigns(text) or (text != node.text and _shows_credential(text)):
            yield Breach(node, "holds a configuration file with a credential", _POSSIBLE)


def _value_breaches(values: Node) -> Iterator[Breach]:
    """Values of a Helm release, whose keys are in camel case."""
    for node in values.walk():
        last = node.steps[-1]
        if isinstance(last, str) and _CONFIGURED_NAME.fullmatch(_snake(last)) and _is_literal(node):
            yield Breach(node, "gives a credential its value in a chart's values", _POSSIBLE)


def _snake(name: str) -> str:
    """`hfToken`, `hf-token` and `hf.token` are all `hf_token`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"[-.]", "_", name))


def _names_credential(name: str) -> bool:
    return bool(_CREDENTIAL_NAME.fullmatch(name) or _CREDENTIAL_NAME.fullmatch(_snake(name)))


def _is_credential_flag(flag: str) -> bool:
    name = flag.lstrip("-")
    whole = flag.startswith("--") and _CONFIGURED_NAME.fullmatch(_snake(name))
    return bool(whole or _CREDENTIAL_FLAG.fullmatch(flag))


def _split(script: str) -> list[str]:
    """Words of a script as a shell splits them, more or less: an unclosed quote is left open."""
    try:
        words = shlex.split(script)
    except ValueError:
        words = script.split()
    return [word.rstrip(";&|") for word in words]


def _is_given(node: Node, container: Container) -> bool:
    """A literal, also one that only another variable of the container holds."""
    text = node.text or ""
    if (text.startswith("$(") and ")" not in text) or text.startswith("`"):
        return False  # the first word of a command whose output is the value
    if shell := _SHELL_VARIABLE.fullmatch(text):
        text = f"$({shell['name']})"
    expanded = expand(text, container.environment, complete=False)
    indirect = isinstance(expanded, str) and expanded != text and _is_literal_text(expanded)
    return indirect or _is_literal(node)


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
    header = _HEADER.search(text) if "authorization" in lower else None
    if header and _is_literal_text(header["value"]):
        return True
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
