"""Cases of RL-05 and RL-07: somebody who serves, and weights that are there (rows B5, D6, D8)."""

from tests.unit.policies.analyzer import UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import (
    CONTAINER,
    CONTAINER_PATH,
    DEPLOYMENT,
    ENGINE,
    ENGINE_LABELS,
    ENGINE_POD,
    GATEWAY,
    POD,
    POD_PATH,
    Json,
    engine,
)

GAP = "rl-05-no-rollout-gap"
CACHE = "rl-07-cache-volume"
REPLICAS = "spec.replicas"
STATEFUL = "kubernetes:apps/v1:StatefulSet"
GROUPS = "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet"
_LIST = "kubernetes:core/v1:List"
_PATCH = "kubernetes:apps/v1:DeploymentPatch"


def _gap(group: Group, title: str, properties: Json, path: str = "", kind: str = "") -> Case:
    return Case(GAP, group, title, kind or DEPLOYMENT, properties, path)


def _rolled(replicas: object, strategy: object = None, part: str = "strategy") -> Json:
    changed = put(ENGINE, "spec", "replicas", value=replicas)
    return put(changed, "spec", part, value=strategy)


def _missing(replicas: object, missing: object, part: str = "strategy") -> Json:
    return _rolled(replicas, {"rollingUpdate": {"maxUnavailable": missing}}, part)


_SET = {"template": {"metadata": {"labels": ENGINE_LABELS}, "spec": ENGINE_POD}}
_GROUP = {"leaderWorkerTemplate": {"workerTemplate": _SET["template"]}}
GAPS = (
    _gap("good", "one that is replaced by surge", ENGINE),
    _gap("good", "one by default", _rolled(1)),
    _gap("good", "two", _missing(2, 1)),
    _gap("good", "a share that rounds to none", _missing(3, "25%")),
    _gap("good", "none at all", _rolled(0)),
    _gap("good", "another kind of server", put(
        GATEWAY, "spec", "strategy", value={"type": "Recreate"})),
    _gap("good", "two of a StatefulSet", _rolled(2), kind=STATEFUL),
    _gap("good", "a patch", _missing(1, 1), kind=_PATCH),
    _gap("bad", "one that ends first", _missing(1, 1), REPLICAS),
    _gap("bad", "all at once", _rolled(3, {"type": "Recreate"}), "spec.strategy.type"),
    _gap("bad", "as many as there are", _missing(2, 2), REPLICAS),
    _gap("bad", "all of them", _missing(4, "100%"), REPLICAS),
    _gap("bad", "one of a StatefulSet", _rolled(1), REPLICAS, STATEFUL),
    _gap("bad", "no number of a StatefulSet", {"spec": _SET}, REPLICAS, STATEFUL),
    _gap("bad", "one group", {"spec": {**_GROUP, "replicas": 1}}, REPLICAS, GROUPS),
    _gap("unknown", "replicas", _rolled(UNKNOWN), REPLICAS),
    _gap("unknown", "how many may be missing", _missing(2, UNKNOWN),
         "spec.strategy.rollingUpdate.maxUnavailable"),
    _gap("bypass", "a share of a StatefulSet", _missing(2, "51%", "updateStrategy"), REPLICAS,
         STATEFUL),
    _gap("bypass", "a list", {"items": [{**_missing(1, 1), "kind": "Deployment"}]},
         f"items[0].{REPLICAS}", _LIST),
    _gap("bypass", "more than all", _missing(1, "200%"), REPLICAS),
)  # fmt: skip

ARGS = f"{CONTAINER_PATH}.args"
MOUNTS = f"{CONTAINER_PATH}.volumeMounts"
LIMIT = f"{POD_PATH}.volumes[0].emptyDir.sizeLimit"
_LINE = ("--max-model-len=4096", "--gpu-memory-utilization=0.9", "--shutdown-timeout=60")
_HUB = ["Qwen/Qwen3-8B", *_LINE]


def _cache(group: Group, title: str, properties: Json, path: str = "", kind: str = "") -> Case:
    return Case(CACHE, group, title, kind or DEPLOYMENT, properties, path)


def _hub(at: str, *words: object, **env: object) -> Json:
    """A model of the hub with a volume mounted somewhere."""
    variables = [{"name": name, "value": value} for name, value in env.items()]
    mounts = [{"name": "models", "mountPath": at}]
    return engine(args=[*_HUB, *words], env=variables, volumeMounts=mounts)


def _scratch(base: Json, source: object) -> Json:
    return put(base, *POD, "volumes", 0, value={"name": "models", "emptyDir": source})


_DEEP = [
    {"name": "models", "mountPath": "/root"},
    {"name": "deep", "mountPath": "/root/.cache"},
]
_REFERENCE = {"configMapKeyRef": {"name": "c", "key": "k"}}
CACHES = (
    _cache("good", "a path on a volume", ENGINE),
    _cache("good", "a path in the image", drop(ENGINE, *CONTAINER, "volumeMounts", 0)),
    _cache("good", "the hub's home", _hub("/cache", HF_HOME="/cache/hf")),
    _cache("good", "the hub's cache", _hub("/cache", HF_HUB_CACHE="/cache")),
    _cache("good", "the download folder", _hub("/cache", "--download-dir=/cache")),
    _cache("good", "the home", _hub("/data/.cache", HOME="/data")),
    _cache("good", "the home of the image", _hub("/root/.cache/huggingface")),
    _cache("good", "an emptyDir with an end", _scratch(
        _hub("/root/.cache"), {"sizeLimit": "50Gi"})),
    _cache("good", "a bucket", engine(args=["s3://models/m", *_LINE])),
    _cache("good", "a claim of a StatefulSet", put(
        put(_hub("/root/.cache"), *POD, "volumes", value=[]), "spec", "replicas", value=2),
        kind=STATEFUL),
    _cache("good", "a patch without mounts", engine(args=_HUB, volumeMounts=None), kind=_PATCH),
    _cache("bad", "none", engine(args=_HUB, volumeMounts=[]), MOUNTS),
    _cache("bad", "one elsewhere", _hub("/cache"), MOUNTS),
    _cache("bad", "an emptyDir without an end", _scratch(_hub("/root/.cache"), {}), LIMIT),
    _cache("bad", "a path on one", _scratch(ENGINE, {"medium": "Memory"}), LIMIT),
    _cache("bad", "no model named", engine(args=[*_LINE], volumeMounts=[]), MOUNTS),
    _cache("unknown", "the mounts", engine(args=_HUB, volumeMounts=UNKNOWN), MOUNTS),
    _cache("unknown", "a mount", engine(args=_HUB, volumeMounts=[UNKNOWN]), f"{MOUNTS}[0]"),
    _cache("unknown", "a size", _scratch(_hub("/root"), {"sizeLimit": UNKNOWN}), LIMIT),
    _cache("unknown", "a home from elsewhere", put(_hub("/root"), *CONTAINER, "env",
           value=[{"name": "HF_HOME", "valueFrom": _REFERENCE}]), ARGS),
    _cache("unknown", "a home", _hub("/root", HF_HOME=UNKNOWN), ARGS),
    _cache("bypass", "a folder of nearly the name", _hub("/cache", HF_HOME="/cache2"), MOUNTS),
    _cache("bypass", "a folder beside it", _hub("/cache", HF_HOME="/cache/../tmp"), MOUNTS),
    _cache("bypass", "a flag over the variable", _hub("/cache", "--download=/tmp",
           HF_HOME="/cache"), MOUNTS),
    _cache("bypass", "a home that a wrapper moves", put(_hub("/cache", HF_HOME="/cache"),
           *CONTAINER, "command", value=["env", "HF_HOME=/tmp", "vllm", "serve"]), MOUNTS),
    _cache("bypass", "a volume without a source", put(
        _hub("/root"), *POD, "volumes", 0, value={"name": "models"}), LIMIT),
    _cache("bypass", "a deeper scratch folder", engine(args=_HUB, volumeMounts=_DEEP, pod={
        "volumes": [ENGINE_POD["volumes"][0], {"name": "deep", "emptyDir": {}}]}),
        f"{POD_PATH}.volumes[1].emptyDir.sizeLimit"),
    _cache("bypass", "a list", {"items": [engine(args=_HUB, volumeMounts=[])]},
           f"items[0].{MOUNTS}", _LIST),
)  # fmt: skip

CASES = (*GAPS, *CACHES)
