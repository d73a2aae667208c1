"""Cases of ML-02 and ML-06: what lifts the length cap, and the share of a GPU."""

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.cases_length import UNSEEN_FILE
from tests.unit.policies.manifests import (
    CONTAINER,
    CONTAINER_PATH,
    DEPLOYMENT,
    DIGEST,
    ENGINE,
    Json,
    engine,
)

ESCAPE = "ml-02-no-cap-escape"
RANGES = "ml-06-engine-ranges"
ARGS = f"{CONTAINER_PATH}.args"
_SWITCH = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
_ROPE = '{"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}'
_REF = {"secretKeyRef": {"name": "n", "key": "k"}}
_OTHERS = ("m", "--gpu-memory-utilization=0.9", "--shutdown-timeout=60", "--max-model-len=4096")
_PATCH = "kubernetes:apps/v1:DeploymentPatch"


def _escape(
    group: Group, title: str, properties: Json, path: str = ARGS, also: tuple[str, ...] = ()
) -> Case:
    return Case(ESCAPE, group, title, DEPLOYMENT, properties, "" if group == "good" else path, also)


def _env(name: str, value: object = "1", **entry: object) -> Json:
    given = {"name": name, "value": value} if not entry else {"name": name, **entry}
    return engine(env=[given])


def _line(*command: object) -> Json:
    return engine(command=list(command), args=None)


ENTRY = f"{CONTAINER_PATH}.env[0]"
ESCAPES = (
    _escape("good", "as rendered", ENGINE),
    _escape("good", "the switch off", _env(_SWITCH, "0")),
    _escape("good", "an override of something else", engine('--hf-overrides={"vocab_size":1}')),
    _escape("good", "its own value beside objects", put(
        _env(_SWITCH, "0"), *CONTAINER, "envFrom", value=[{"configMapRef": {"name": "c"}}])),
    _escape("bad", "the switch", _env(_SWITCH), ENTRY),
    _escape("bad", "a word for on", _env(_SWITCH, "True"), ENTRY),
    _escape("bad", "stretched rope", engine(f"--hf-overrides={_ROPE}")),
    _escape("bad", "a longer context", engine('--hf-overrides={"max_position_embeddings":131072}')),
    _escape("bad", "its variables from objects", engine(
        envFrom=[{"secretRef": {"name": "s"}}]), f"{CONTAINER_PATH}.envFrom"),
    *(
        _escape("unknown", f"the switch {at}", _env(_SWITCH, value), ENTRY)
        for at, value in enumerate(SENTINELS)
    ),
    _escape("unknown", "a switch from a Secret", _env(_SWITCH, valueFrom=_REF), ENTRY),
    _escape("unknown", "a variable's name", _env(UNKNOWN), f"{CONTAINER_PATH}.env",
            ("ax-12-no-literal-credentials",)),
    _escape("unknown", "a file", engine("--config", "f.yaml"), also=tuple(
        policy for policy in UNSEEN_FILE if policy != ESCAPE)),
    _escape("bypass", "a wrapper sets it", _line(
        "env", f"{_SWITCH}=1", "vllm", "serve", *_OTHERS, "--download-dir=/models"),
        CONTAINER_PATH),
    _escape("bypass", "a shell sets it", _line(
        "sh", "-c", f"{_SWITCH}=true exec vllm serve {' '.join(_OTHERS)} --download-dir=/models"),
        CONTAINER_PATH),
    _escape("bypass", "a variable sets it", engine(
        env=[{"name": "X", "value": "1"}, {"name": _SWITCH, "value": "$(X)"}]),
        f"{CONTAINER_PATH}.env[1]"),
    _escape("bypass", "the last duplicate counts", engine(
        env=[{"name": _SWITCH, "value": "0"}, {"name": _SWITCH, "value": "1"}]),
        f"{CONTAINER_PATH}.env[1]"),
    _escape("bypass", "rope by its path", engine("--hf-overrides.rope_parameters.factor=4")),
    _escape("bypass", "an abbreviation", engine("--hf-over", _ROPE)),
    _escape("bypass", "nested rope", engine(f'--hf_overrides={{"text_config":{_ROPE}}}')),
    Case(ESCAPE, "bypass", "a patch", _PATCH, _env(_SWITCH), ENTRY),
    Case(ESCAPE, "bypass", "a list", "kubernetes:core/v1:List", {"items": [_env(_SWITCH)]},
         f"items[0].{ENTRY}"),
)  # fmt: skip

_REST = ("/models/m", "--max-model-len=4096", "--shutdown-timeout=60")


def _share(group: Group, title: str, *words: object, also: tuple[str, ...] = ()) -> Case:
    path = "" if group == "good" else ARGS
    return Case(RANGES, group, title, DEPLOYMENT, engine(args=[*_REST, *words]), path, also)


_CPU: Json = {"image": f"a/vllm-cpu@sha256:{DIGEST}", "args": list(_REST), "resources": {}}
SHARES = (
    _share("good", "the least", "--gpu-memory-utilization=0.5"),
    _share("good", "the largest", "--gpu-memory-utilization", ".95"),
    _share("good", "bytes instead", "--kv-cache-memory-bytes=4G"),
    Case(RANGES, "good", "an engine without GPU", DEPLOYMENT, engine(
        pod={"tolerations": []}, **_CPU)),
    _share("bad", "nothing said"),
    _share("bad", "all of it", "--gpu-memory-utilization=1"),
    _share("bad", "a bit of it", "--gpu-memory-utilization=0.49"),
    _share("bad", "no number", "--gpu-memory-utilization=high"),
    _share("bad", "nan", "--gpu-memory-utilization=nan"),
    _share("unknown", "a file", "--config", "f.yaml", also=UNSEEN_FILE),
    _share("bypass", "an abbreviation", "--gpu-mem=0.97"),
    _share("bypass", "underscores", "--gpu_memory_utilization=0.97"),
    _share("bypass", "a later word wins", "--gpu-memory-utilization=.9", "--gpu-mem", "0.99"),
)  # fmt: skip

CASES = (*ESCAPES, *SHARES)
