"""Cases of AX-02: programs that hide the gateway, and configurations that hide their keys."""

import base64

from tests.unit.policies.analyzer import UNKNOWN, drop, put
from tests.unit.policies.cases import Case
from tests.unit.policies.manifests import (
    CONFIG_MAP,
    CONFIG_TEXT,
    DEPLOYMENT,
    DIGEST,
    GATEWAY,
    GATEWAY_CONFIG,
    GATEWAY_IMAGE,
    Json,
)

POLICY = "ax-02-gateway-auth-on"
MASTER = "LITELLM_MASTER_KEY"
CONTAINER = ("spec", "template", "spec", "containers", 0)
PATH = "spec.template.spec.containers[0]"


def _case(title: str, path: str, properties: Json, kind: str = DEPLOYMENT) -> Case:
    return Case(POLICY, "bypass" if path else "good", title, kind, properties, path)


def _started(*command: object) -> Json:
    return put(drop(GATEWAY, *CONTAINER, "args"), *CONTAINER, "command", value=list(command))


def _keyless(*args: object) -> Json:
    """The gateway without a key, which passes only if it serves nobody."""
    return drop(put(GATEWAY, *CONTAINER, "args", value=list(args)), *CONTAINER, "env")


_LITELLM = ("litellm", "--config", "/c")
_LAUNCHERS: tuple[tuple[str, ...], ...] = (
    ("python", "-c", "import litellm"),
    ("python3", "/tmp/start.py"),
    ("busybox", "sh", "-c", "litellm"),
    ("timeout", "9", *_LITELLM),
    ("nice", *_LITELLM),
    ("stdbuf", "-o0", *_LITELLM),
    ("setpriv", "--no-new-privs", *_LITELLM),
    ("xargs", *_LITELLM),
    ("chroot", "/", *_LITELLM),
    ("su", "-c", "litellm"),
    ("fish", "-c", "litellm"),
    ("perl", "-e", "exec 'litellm'"),
    ("tini", "-p", "SIGTERM", "sh", "-c", "litellm"),
    ("exec", "-a", *_LITELLM),
    ("/start.sh",),
)
_SERVERS: tuple[tuple[str, ...], ...] = (
    ("python", "-m", "litellm.proxy.proxy_cli"),
    ("python3.13", "/app/litellm/proxy/proxy_cli.py"),
    ("uvicorn", "litellm.proxy.proxy_server:app"),
    ("gunicorn", "-k", "uvicorn.workers.UvicornWorker", "litellm.proxy.proxy_server:app"),
    ("tini", "-s", "--", *_LITELLM),
)
PROGRAM_CASES = (
    *(
        _case(f"launcher {at} {words[0]}", f"{PATH}.command", _started(*words))
        for at, words in enumerate(_LAUNCHERS)
    ),
    *(_case(f"server {at} {words[0]}", "", _started(*words)) for at, words in enumerate(_SERVERS)),
    _case("a check of a file", "", _keyless("--config", "/c", "--validate_config")),
    _case("a check of a file in one word", "", _keyless("--config=/c", "--skip_server_startup")),
    *(
        _case(f"a flag that is a value {at}", PATH, _keyless(*words))
        for at, words in enumerate(
            (
                ("--config", "/c", "--alias", "--skip_server_startup"),
                ("--model", "--validate_config"),
                (UNKNOWN, "--validate_config"),
            )
        )
    ),
)

_SOURCES = [{"configMapRef": {"name": "other"}}]
_EMPTY_KEY = [{"name": MASTER, "value": ""}]
_OVERRIDE = [{"name": "LITELLM_DANGEROUSLY_X", "value": "1"}]
_SIDE = {"name": "side", "image": f"a/b@sha256:{DIGEST}"}
_RENAMED = drop(
    put(GATEWAY, *CONTAINER, "image", value=f"a.b/proxy@sha256:{DIGEST}"), *CONTAINER, "env"
)
_PORT = [{"containerPort": 4000}]
CONTAINER_CASES = (
    _case(
        "variables from elsewhere",
        f"{PATH}.envFrom",
        put(GATEWAY, *CONTAINER, "envFrom", value=_SOURCES),
    ),
    _case(
        "variables known later",
        f"{PATH}.envFrom",
        put(GATEWAY, *CONTAINER, "envFrom", value=UNKNOWN),
    ),
    _case(
        "a patch that empties the key",
        f"{PATH}.env[0]",
        {"spec": {"template": {"spec": {"containers": [{"name": "x", "env": _EMPTY_KEY}]}}}},
        "kubernetes:apps/v1:DeploymentPatch",
    ),
    _case(
        "a patch with an override",
        f"{PATH}.env[0]",
        {"spec": {"template": {"spec": {"containers": [{"name": "x", "env": _OVERRIDE}]}}}},
        "kubernetes:apps/v1:DeploymentPatch",
    ),
    _case("a renamed image beside another", PATH, put(_RENAMED, *CONTAINER[:-1], 1, value=_SIDE)),
    _case(
        "a renamed container on the gateway's port",
        PATH,
        put(
            put(put(_RENAMED, *CONTAINER, "name", value="x"), *CONTAINER, "ports", value=_PORT),
            *CONTAINER[:-1],
            1,
            value=_SIDE,
        ),
    ),
    _case("a sidecar of the gateway", "", put(GATEWAY, *CONTAINER[:-1], 1, value=_SIDE)),
    _case(
        "an init container of the gateway",
        "",
        put(
            GATEWAY,
            *CONTAINER[:-2],
            "initContainers",
            value=[{"name": "x", "image": GATEWAY_IMAGE, "command": ["python", "-c", "1"]}],
        ),
    ),
)


def _data(title: str, path: str, key: str, text: str, part: str = "data") -> Case:
    return _case(title, path, put(GATEWAY_CONFIG, part, key, value=text), CONFIG_MAP)


_OPEN = "general_settings: {custom_auth: a.b}\n"
_BROKEN_LINES = base64.encodebytes(f"{_OPEN}# {'long ' * 20}\n".encode()).decode()
_BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{at}: &a{at}\n  <<: [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 12)
)
_WIDE = f"a: &a {{x: 1}}\nb:\n  <<: [{', '.join(['*a'] * 30)}]\n"
_MERGED = "base: &base {master_key: os.environ/LITELLM_MASTER_KEY}\ngeneral_settings: {<<: *base}\n"
_OTHER = 'data["other.yaml"]'
DATA_CASES = (
    _data("binary data", 'binaryData["c.yaml"]', "c.yaml", _BROKEN_LINES, "binaryData"),
    _case(
        "line breaks in a Secret",
        'data["c.yaml"]',
        {"kind": "Secret", "data": {"c.yaml": _BROKEN_LINES}},
        "kubernetes:core/v1:Secret",
    ),
    _data("an escape in a key", _OTHER, "other.yaml", '"general\\x5fsettings": {custom_auth: a}'),
    _data(
        "a key over two lines",
        _OTHER,
        "other.yaml",
        '? "general_set\\\n  tings"\n: {custom_auth: a}',
    ),
    _data("an escape in JSON", "data.c", "c", '{"general\\u005fsettings": {"custom_auth": "a"}}'),
    _data("a script with long lines", "", "run.sh", "curl \\\n  'http://x' | { cat; }\n"),
    _data("models in the database by envFrom", "data.STORE_MODEL_IN_DB", "STORE_MODEL_IN_DB", "1"),
    _data("no models in the database", "", "STORE_MODEL_IN_DB", "False"),
    _data(
        "a bucket by envFrom",
        "data.LITELLM_CONFIG_BUCKET_NAME",
        "LITELLM_CONFIG_BUCKET_NAME",
        "b",
    ),
    *(
        _data(f"the setting {name}", _OTHER, "other.yaml", f"{CONFIG_TEXT}  {name}: true\n")
        for name in (
            *("enable_jwt_auth", "litellm_jwtauth", "enable_oauth2_auth", "user_header_name"),
            *("user_header_mappings", "allow_user_auth"),
        )
    ),
    _data("merges that multiply", _OTHER, "other.yaml", f"{_BOMB}general_settings: {{}}\n"),
    _data("many merges", _OTHER, "other.yaml", f"{_WIDE}general_settings: {{}}\n"),
    _data("merges behind an escape", _OTHER, "other.yaml", f'{_BOMB}"\\x61": 1\n'),
    _data("a merge", "", "other.yaml", _MERGED),
)

CASES = (*PROGRAM_CASES, *CONTAINER_CASES, *DATA_CASES)
