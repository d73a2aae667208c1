"""Cases of AX-12: no literal credentials."""

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, put, secret
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import (
    CONFIG_MAP,
    CONFIG_TEXT,
    DEPLOYMENT,
    ENGINE,
    GATEWAY_CONFIG,
    Json,
)

POLICY = "ax-12-no-literal-credentials"
CONTAINER = ("spec", "template", "spec", "containers", 0)
PATH = "spec.template.spec.containers[0]"
VALUE = f"{PATH}.env[2].value"
CANARY = "c4n4ry-0f-4-s3cr3t"
"""Stands for a secret in every case; no message may hold it."""
HUB_TOKEN = f"hf_{'C4n4ry' * 5}"
"""Built here, so that no scanner takes this file for a leak."""


def _case(group: Group, title: str, properties: Json, path: str, kind: str = DEPLOYMENT) -> Case:
    return Case(POLICY, group, title, kind, properties, "" if group == "good" else path)


def _variable(name: str, value: object) -> Json:
    return put(ENGINE, *CONTAINER, "env", 2, value={"name": name, "value": value})


def _words(*words: object) -> Json:
    """The engine with more arguments, from position 6 on."""
    changed = ENGINE
    for at, word in enumerate(words):
        changed = put(changed, *CONTAINER, "args", 8 + at, value=word)
    return changed


def _file(text: str) -> Json:
    return put(GATEWAY_CONFIG, "data", "other.yaml", value=text)


_FIRST = f"{PATH}.args[8]"
_OTHER = 'data["other.yaml"]'
_NOTE = ("metadata", "annotations", "note")
_RELEASE = "kubernetes:helm.sh/v3:Release"
_KEY_FILE = f"-----BEGIN {'RSA '}PRIVATE KEY-----\n{CANARY}\n"

GOOD = (
    _case("good", "references only", ENGINE, ""),
    _case("good", "a reference to a variable", _variable("OPENAI_API_KEY", "$(HF_TOKEN)"), ""),
    _case("good", "a number of tokens", _variable("MAX_TOKENS", "4096"), ""),
    _case("good", "a switch", _variable("REQUIRE_TOKEN", "true"), ""),
    _case("good", "a file's path", _variable("HF_TOKEN_PATH", "/var/run/secrets/hub/token"), ""),
    _case("good", "a placeholder of clients", _variable("OPENAI_API_KEY", "EMPTY"), ""),
    _case("good", "a flag with a reference", _words("--api-key", "$(VLLM_API_KEY)"), ""),
    _case("good", "a URL without a password", _variable("UPSTREAM", "http://a.b:8000/x@y"), ""),
    _case("good", "a configuration with references", GATEWAY_CONFIG, "", CONFIG_MAP),
    _case(
        "good",
        "a script that reads a variable",
        _file('token = os.environ["HF_TOKEN"]\nlogin(token=token)\n'),
        "",
        CONFIG_MAP,
    ),
    _case(
        "good",
        "a price per token",
        _file('{"input_cost_per_token": 2.0e-07, "output_cost_per_token": 8.0e-07}'),
        "",
        CONFIG_MAP,
    ),
    _case(
        "good",
        "the contents of a Secret",
        {"kind": "Secret", "stringData": {"token": HUB_TOKEN}},
        "",
        "kubernetes:core/v1:Secret",
    ),
    _case("good", "a chart's Secret name", {"values": {"existingSecret": "db"}}, "", _RELEASE),
    _case(
        "good",
        "a provider's own token",
        {"kubeconfig": HUB_TOKEN},
        "",
        "pulumi:providers:kubernetes",
    ),
)

BAD = (
    _case("bad", "a literal variable", _variable("HF_TOKEN", CANARY), VALUE),
    _case("bad", "a secret given as a value", _variable("HF_TOKEN", secret(CANARY)), VALUE),
    _case("bad", "a password", _variable("DB_PASSWORD", CANARY), VALUE),
    _case("bad", "lower case", _variable("my_api_key", CANARY), VALUE),
    _case("bad", "a flag", _words("--api-key", CANARY), _FIRST),
    _case("bad", "a flag with equals", _words(f"--api_key={CANARY}"), _FIRST),
    _case(
        "bad",
        "an annotation",
        put(ENGINE, *_NOTE, value=f"token {HUB_TOKEN}"),
        "metadata.annotations.note",
    ),
    _case(
        "bad",
        "a ConfigMap's key",
        put(GATEWAY_CONFIG, "data", "HF_TOKEN", value=CANARY),
        "data.HF_TOKEN",
        CONFIG_MAP,
    ),
    _case(
        "bad",
        "a configuration file",
        _file(f"{CONFIG_TEXT[:0]}db:\n  password: {CANARY}\n"),
        _OTHER,
        CONFIG_MAP,
    ),
    _case(
        "bad",
        "a chart's value",
        {"values": {"auth": {"adminPassword": CANARY}}},
        "values.auth.adminPassword",
        _RELEASE,
    ),
)

UNKNOWNS = (
    *(
        _case("unknown", f"a value {at}", _variable("HF_TOKEN", value), VALUE)
        for at, value in enumerate(SENTINELS)
    ),
    _case("unknown", "part of a value", _variable("HF_TOKEN", f"{CANARY}{UNKNOWN}"), VALUE),
    _case("unknown", "a chart's value", {"values": {"token": UNKNOWN}}, "values.token", _RELEASE),
)

BYPASSES = (
    _case("bypass", "a plain name", _variable("NOTE", HUB_TOKEN), VALUE),
    _case("bypass", "a URL", _variable("DATABASE_URL", f"postgres://u:{CANARY}@db/x"), VALUE),
    _case("bypass", "a URL without a user", _variable("REDIS", f"redis://:{CANARY}@r"), VALUE),
    _case("bypass", "a key file", _file(_KEY_FILE), _OTHER, CONFIG_MAP),
    _case(
        "bypass",
        "a token whose name ends as a price begins",
        _file(f"developer_token: {CANARY}\n"),
        _OTHER,
        CONFIG_MAP,
    ),
    _case("bypass", "an access key", _variable("NOTE", f"AKIA{'C4N4RY00' * 2}"), VALUE),
    _case("bypass", "quotes", _file(f'{{"api_key": "{CANARY}"}}'), _OTHER, CONFIG_MAP),
    _case(
        "bypass",
        "a script",
        put(
            ENGINE,
            *CONTAINER,
            "lifecycle",
            "postStart",
            value={"exec": {"command": ["sh", "-c", f"login {HUB_TOKEN}"]}},
        ),
        f"{PATH}.lifecycle.postStart.exec.command[2]",
    ),
    _case(
        "bypass",
        "an assignment in an argument",
        _words("--seed=1", f"HF_TOKEN={CANARY}"),
        f"{PATH}.args[9]",
    ),
    _case(
        "bypass", "a reference with more behind it", _variable("HF_TOKEN", f"$(X){CANARY}"), VALUE
    ),
    _case(
        "bypass",
        "an init container",
        put(
            ENGINE,
            *CONTAINER[:-2],
            "initContainers",
            0,
            "env",
            value=[{"name": "HF_TOKEN", "value": CANARY}],
        ),
        "spec.template.spec.initContainers[0].env[0].value",
    ),
)

WORDS = (
    Case(
        POLICY,
        "unknown",
        "the value of a flag",
        DEPLOYMENT,
        _words("--api-key", UNKNOWN),
        _FIRST,
        ("ml-01-max-model-len-set",),
    ),
    _case("good", "a flag without a value", _words("--require-api-key", "--seed=1"), ""),
)

CASES = (*WORDS, *GOOD, *BAD, *UNKNOWNS, *BYPASSES)
