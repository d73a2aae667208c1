"""Cases of AX-02: the gateway asks for a key."""

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import (
    DEPLOYMENT,
    DIGEST,
    GATEWAY,
    Json,
)

POLICY = "ax-02-gateway-auth-on"
CREDENTIALS = ("ax-12-no-literal-credentials",)
CONTAINER = ("spec", "template", "spec", "containers", 0)
ENV = (*CONTAINER, "env")
ENTRY = (*ENV, 0)
REFERENCE = (*ENTRY, "valueFrom", "secretKeyRef")
PATH = "spec.template.spec.containers[0]"
KEY_PATH = f"{PATH}.env[0]"
MASTER = "LITELLM_MASTER_KEY"


def _case(
    group: Group, title: str, properties: Json, path: str, also: tuple[str, ...] = ()
) -> Case:
    return Case(POLICY, group, title, DEPLOYMENT, properties, path, also)


def _variable(name: str, value: object) -> Json:
    return put(GATEWAY, *ENV, 1, value={"name": name, "value": value})


def _command(*words: object) -> Json:
    return put(drop(GATEWAY, *CONTAINER, "args"), *CONTAINER, "command", value=list(words))


def _second(key: str) -> Json:
    reference = {"secretKeyRef": {"name": "akko-gateway", "key": key}}
    return put(GATEWAY, *ENV, 1, value={"name": "PROVIDER_KEY_X", "valueFrom": reference})


_LITERAL = {"name": MASTER, "value": "akko-dev-litellm-key"}

CONTAINER_CASES = (
    _case("good", "as rendered", GATEWAY, ""),
    _case("good", "explicitly required", put(GATEWAY, *REFERENCE, "optional", value=False), ""),
    _case(
        "good",
        "a Secret's name is known later",
        put(GATEWAY, *REFERENCE, "name", value=UNKNOWN),
        "",
    ),
    _case("good", "a plain command", _command("litellm", "--config", "/etc/config.yaml"), ""),
    _case(
        "good",
        "a migration serves nobody",
        drop(_command("python", "litellm/proxy/prisma_migration.py"), *ENV),
        "",
    ),
    _case("bad", "its key sent to a provider", _second("master-key"), f"{PATH}.env[1]"),
    _case("good", "another key of the same Secret", _second("salt-key"), ""),
    _case("bad", "no environment", drop(GATEWAY, *ENV), PATH),
    _case("bad", "another key only", put(GATEWAY, *ENTRY, "name", value="OTHER"), f"{PATH}.env"),
    _case("bad", "a literal key", put(GATEWAY, *ENTRY, value=_LITERAL), KEY_PATH, CREDENTIALS),
    _case("bad", "an empty key", put(GATEWAY, *ENTRY, value={**_LITERAL, "value": ""}), KEY_PATH),
    *(
        _case(
            "unknown",
            f"where the key is from {at}",
            put(GATEWAY, *ENTRY, "valueFrom", value=value),
            KEY_PATH,
        )
        for at, value in enumerate(SENTINELS)
    ),
    _case(
        "unknown",
        "optional",
        put(GATEWAY, *REFERENCE, "optional", value=SENTINELS[0]),
        f"{KEY_PATH}.valueFrom.secretKeyRef.optional",
    ),
    _case(
        "unknown",
        "the environment",
        put(GATEWAY, *ENV, value=SENTINELS[3]),
        f"{PATH}.env",
        CREDENTIALS,
    ),
    _case(
        "unknown",
        "one more variable",
        put(GATEWAY, *ENV, 1, value=UNKNOWN),
        f"{PATH}.env",
        CREDENTIALS,
    ),
    _case(
        "unknown", "arguments", put(GATEWAY, *CONTAINER, "args", value=SENTINELS[3]), f"{PATH}.args"
    ),
    _case(
        "bypass",
        "optional",
        put(GATEWAY, *REFERENCE, "optional", value=True),
        f"{KEY_PATH}.valueFrom.secretKeyRef.optional",
    ),
    _case(
        "bypass",
        "optional as text",
        put(GATEWAY, *REFERENCE, "optional", value="true"),
        f"{KEY_PATH}.valueFrom.secretKeyRef.optional",
    ),
    _case(
        "bypass",
        "a key from a ConfigMap",
        put(GATEWAY, *ENTRY, "valueFrom", value={"configMapKeyRef": {"name": "c", "key": "k"}}),
        KEY_PATH,
    ),
    _case("bypass", "the last duplicate is empty", _variable(MASTER, ""), f"{PATH}.env[1]"),
    _case(
        "bypass",
        "an override",
        _variable("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "false"),
        f"{PATH}.env[1]",
    ),
    _case(
        "bypass",
        "an older override",
        _variable("LITELLM_DANGEROUSLY_ALLOW_UNSAFE_PROXY", "true"),
        f"{PATH}.env[1]",
    ),
    _case(
        "bypass", "a bucket", _variable("LITELLM_CONFIG_BUCKET_NAME", "configs"), f"{PATH}.env[1]"
    ),
    _case("bypass", "a database", _variable("STORE_MODEL_IN_DB", "True"), f"{PATH}.env[1]"),
    _case(
        "bypass",
        "a script unsets it",
        _command("sh", "-c", f"unset {MASTER}; litellm"),
        f"{PATH}.command",
    ),
    _case(
        "bypass",
        "a script empties it",
        _command("sh", "-c", f"{MASTER}= litellm"),
        f"{PATH}.command",
    ),
    _case("bypass", "env removes it", _command("env", "-u", MASTER, "litellm"), f"{PATH}.command"),
    _case(
        "bypass",
        "env removes it in one word",
        _command("env", f"-u{MASTER}", "litellm"),
        f"{PATH}.command",
    ),
    _case("bypass", "env removes all", _command("env", "-i", "litellm"), f"{PATH}.command"),
    _case(
        "bypass",
        "a renamed image",
        drop(put(GATEWAY, *CONTAINER, "image", value=f"a.b/proxy@sha256:{DIGEST}"), *ENV),
        PATH,
    ),
    _case(
        "bypass",
        "the key is on a neighbour",
        put(
            drop(GATEWAY, *ENV),
            *CONTAINER[:-1],
            1,
            value={
                "name": "sidecar",
                "image": f"a/b@sha256:{DIGEST}",
                "env": [{"name": MASTER, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            },
        ),
        PATH,
    ),
)

_FOREIGN = {"spec": {"containers": [{"name": "x", "image": f"a/nginx@sha256:{DIGEST}"}]}}
_LOKI = put(_FOREIGN, "metadata", "labels", "app.kubernetes.io/component", value="gateway")


def _foreign(**container: object) -> Json:
    """A pod that nothing but its command line gives away."""
    changed: Json = _FOREIGN
    for key, value in container.items():
        changed = put(changed, "spec", "containers", 0, key, value=value)
    return changed


def _pod(group: Group, title: str, properties: Json, path: str = "spec.containers[0]") -> Case:
    path = "" if group == "good" else path
    return Case(POLICY, group, title, "kubernetes:core/v1:Pod", properties, path)


PROGRAM_CASES = (
    _pod("good", "the gateway of another chart", _LOKI),
    _pod("good", "a word among arguments", _foreign(args=["--for", "litellm-x", "/etc/litellm/c"])),
    _pod("bypass", "a known program", _foreign(command=["/usr/bin/litellm"])),
    _pod("bypass", "a module", _foreign(command=["python3", "-m", "litellm.proxy.proxy_cli"])),
    _pod("bypass", "a file", _foreign(command=["python", "/app/litellm/proxy/proxy_cli.py"])),
    _pod("bypass", "a script", _foreign(command=["sh", "-c", "sleep 1; litellm"])),
    _case("good", "a check of the file", drop(_command("litellm", "--validate_config"), *ENV), ""),
    _case(
        "bypass",
        "a migration in name only",
        drop(_command("litellm", "--config", "litellm/proxy/prisma_migration.py"), *ENV),
        PATH,
    ),
    _case(
        "bypass",
        "a script that mentions a migration",
        _command("sh", "-c", "python litellm/proxy/prisma_migration.py; litellm"),
        f"{PATH}.command",
    ),
)

CASES = (*CONTAINER_CASES, *PROGRAM_CASES)
