"""Cases of AX-02: the gateway's configuration."""

import base64

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import CONFIG_MAP, CONFIG_TEXT, GATEWAY_CONFIG, GATEWAY_LABELS

POLICY = "ax-02-gateway-auth-on"
CREDENTIALS = ("ax-12-no-literal-credentials",)
CONFIG_PATH = 'data["config.yaml"]'
MASTER = "LITELLM_MASTER_KEY"


def _config(group: Group, title: str, text: object, also: tuple[str, ...] = ()) -> Case:
    path = "" if group == "good" else CONFIG_PATH
    properties = put(GATEWAY_CONFIG, "data", "config.yaml", value=text)
    return Case(POLICY, group, title, CONFIG_MAP, properties, path, also)


def _setting(group: Group, title: str, line: str) -> Case:
    return _config(group, title, f"{CONFIG_TEXT}  {line}\n")


_ENCODED = base64.b64encode(b"general_settings: {master_key: sk-1234}").decode()
_PASS = "pass_through_endpoints: [{path: /v2, target: http://akko-akko-vllm:8000"
_NAME = "app.kubernetes.io/name"
_UNKNOWN_DATA = {"kind": "ConfigMap", "data": UNKNOWN}

CASES = (
    Case(POLICY, "good", "unknown data of somebody else", CONFIG_MAP, _UNKNOWN_DATA),
    Case(
        POLICY,
        "unknown",
        "data of a gateway by name",
        CONFIG_MAP,
        put(_UNKNOWN_DATA, "metadata", "name", value="my-litellm"),
        "data",
    ),
    Case(
        POLICY,
        "unknown",
        "data of a gateway by label",
        CONFIG_MAP,
        put(_UNKNOWN_DATA, "metadata", "labels", value={"app.kubernetes.io/name": "litellm"}),
        "data",
    ),
    Case(
        POLICY,
        "unknown",
        "data of a gateway by role",
        CONFIG_MAP,
        put(_UNKNOWN_DATA, "metadata", "labels", value={**GATEWAY_LABELS, _NAME: "proxy"}),
        "data",
    ),
    _config("good", "a configuration", CONFIG_TEXT),
    _config("good", "a key from the environment alone", "model_list: []\ngeneral_settings: {}\n"),
    _setting("good", "an endpoint with a key", f"{_PASS}, auth: true}}]"),
    _setting("good", "a switch that is off", "store_model_in_db: false"),
    _config(
        "bad", "a literal key in the file", "general_settings: {master_key: sk-1234}", CREDENTIALS
    ),
    _config("bad", "another variable", "general_settings: {master_key: os.environ/UNSET}"),
    _setting("bad", "an open endpoint", f"{_PASS}, auth: false}}]"),
    _setting("bad", "an endpoint that says nothing", f"{_PASS}}}]"),
    _config("bad", "no YAML", "general_settings: {master_key: ["),
    _config("unknown", "the text", UNKNOWN),
    _config("unknown", "part of the text", f"{CONFIG_TEXT}# {UNKNOWN}"),
    Case(
        POLICY,
        "unknown",
        "all data",
        CONFIG_MAP,
        put(GATEWAY_CONFIG, "data", value=SENTINELS[6]),
        "data",
    ),
    _setting("bypass", "a setting", "dangerously_permit_weak_or_unset_master_key: true"),
    _setting("bypass", "a setting as text", 'dangerously_allow_unsafe_proxy: "true"'),
    _setting("bypass", "custom code", "custom_auth: my_auth.everyone"),
    _setting("bypass", "trust in a header", "enable_oauth2_proxy_auth: true"),
    _setting("bypass", "an outage of the database", "allow_requests_on_db_unavailable: True"),
    _setting("bypass", "models in the database", "store_model_in_db: true"),
    _setting("bypass", "public routes", "public_routes: [/v1/chat/completions]"),
    _config(
        "bypass", "a setting elsewhere", f"{CONFIG_TEXT}litellm_settings:\n  dangerously_x: true"
    ),
    _config("bypass", "a further file", f"{CONFIG_TEXT}include: [more.yaml]"),
    _config(
        "bypass", "a variable in the file", f"{CONFIG_TEXT}environment_variables:\n  {MASTER}: ''"
    ),
    _config(
        "bypass",
        "a bucket in the file",
        f"{CONFIG_TEXT}environment_variables:\n  LITELLM_CONFIG_BUCKET_NAME: b",
    ),
    _config("bypass", "the last duplicate", f"{CONFIG_TEXT}  master_key: os.environ/OTHER"),
    Case(
        POLICY,
        "bypass",
        "variables for envFrom",
        CONFIG_MAP,
        put(GATEWAY_CONFIG, "data", "LITELLM_DANGEROUSLY_X", value="1"),
        "data.LITELLM_DANGEROUSLY_X",
    ),
    Case(
        POLICY,
        "bypass",
        "a patch of the ConfigMap",
        "kubernetes:core/v1:ConfigMapPatch",
        {"metadata": {"name": "c"}, "data": {"c": "general_settings: {custom_auth: a.b}"}},
        "data.c",
    ),
    Case(
        POLICY,
        "bypass",
        "a configuration in a Secret",
        "kubernetes:core/v1:Secret",
        {"kind": "Secret", "data": {"config.yaml": _ENCODED}},
        'data["config.yaml"]',
    ),
)
