"""Cases of ML-04, ML-08, PH-07 and PH-11: GPUs, /dev/shm and the nodes for them (rows D6, D8)."""

from typing import Literal

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import (
    CONTAINER,
    CONTAINER_PATH,
    DEPLOYMENT,
    DIGEST,
    ENGINE,
    ENGINE_POD,
    GATEWAY,
    POD,
    POD_PATH,
    Json,
    engine,
)

MATCHES = "ml-04-tp-matches-gpus"
SHM = "ml-08-shm"
TAINT = "ph-07-gpu-taint-paired"
PROFILE = "ph-11-node-profile-set"
MULTI = "ml-10-multinode-isolated"
GPU = "nvidia.com/gpu"
ARGS = f"{CONTAINER_PATH}.args"
LIMITS = f"{CONTAINER_PATH}.resources.limits"
COUNT = f'{LIMITS}["{GPU}"]'
_PATCH = "kubernetes:apps/v1:DeploymentPatch"
_LIST = "kubernetes:core/v1:List"


def _gpus(count: object, *words: object, requests: object = None) -> Json:
    asked = {"limits": {GPU: count, "memory": "24Gi"}, "requests": {GPU: requests or count}}
    return engine(*words, resources=asked)


def _matches(
    group: Group, title: str, properties: Json, path: str = COUNT, also: tuple[str, ...] = ()
) -> Case:
    at = "" if group == "good" else path
    return Case(MATCHES, group, title, DEPLOYMENT, properties, at, also)


def _without(part: Literal["limits", "requests"]) -> Json:
    return drop(ENGINE, *CONTAINER, "resources", part)


_LINE = "/models/m --max-model-len=4096 --gpu-memory-utilization=0.9 --shutdown-timeout=60"
GPUS = (
    _matches("good", "one of one", ENGINE),
    _matches("good", "tensors", _gpus("4", "--tensor-parallel-size=4")),
    _matches("good", "a number", _gpus(2, "-tp", "2")),
    _matches("good", "stages and tensors", _gpus("4", "-tp=2", "-pp=2")),
    _matches("good", "copies", _gpus("4", "-dp=4")),
    _matches("good", "local copies", _gpus("2", "-dp=8", "--data-parallel-size-local=2"),
             also=(MULTI,)),
    _matches("good", "two nodes", _gpus("8", "-tp=8", "-pp=2", "--nnodes=2"), also=(MULTI,)),
    _matches("good", "a slice", engine(resources={"limits": {"nvidia.com/mig-1g.10gb": 1}})),
    _matches("good", "another vendor", engine(resources={"limits": {"amd.com/gpu": 1}})),
    _matches("good", "by allocation", engine(
        resources={"claims": [{"name": "g"}]}, pod={"resourceClaims": [{"name": "g"}]})),
    Case(MATCHES, "good", "a patch that leaves them to others", _PATCH, engine(resources=None,
         pod={"tolerations": []})),
    _matches("bad", "too few", _gpus("1", "--tensor-parallel-size=2")),
    _matches("bad", "too many", _gpus("2")),
    _matches("bad", "stages forgotten", _gpus("2", "-tp=2", "-pp=2")),
    _matches("bad", "none", engine(resources={"limits": {"memory": "24Gi"}}), LIMITS, (TAINT,)),
    _matches("bad", "in requests only", _without("limits"),
             f'{CONTAINER_PATH}.resources.requests["{GPU}"]', (TAINT,)),
    _matches("bad", "a part", _gpus("0.5")),
    _matches("bad", "thousandths", _gpus("1500m")),
    _matches("bad", "a size of nothing", _gpus("1", "-tp=0"), ARGS),
    _matches("bad", "sizes that do not divide", _gpus("1", "-tp=3", "--nnodes=2"), ARGS, (MULTI,)),
    *(
        _matches("unknown", f"a number {at}", put(ENGINE, *CONTAINER, "resources", "limits", GPU,
                 value=value))
        for at, value in enumerate(SENTINELS)
    ),
    _matches("unknown", "all resources", engine(resources=UNKNOWN), LIMITS, (TAINT,)),
    _matches("unknown", "the requests", _gpus("1", requests=UNKNOWN),
             f'{CONTAINER_PATH}.resources.requests["{GPU}"]'),
    _matches("bypass", "a later word wins", _gpus("1", "-tp=1", "--tensor-parallel-size=4")),
    _matches("bypass", "an abbreviation", _gpus("1", "--tensor-par=4")),
    _matches("bypass", "a wrapper", engine(
        command=["tini", "--", "sh", "-c", f"exec vllm serve {_LINE} -tp 2"], args=None)),
    _matches("bypass", "a variable", put(_gpus("1", "-tp=$(N)"), *CONTAINER, "env",
             value=[{"name": "N", "value": "2"}])),
    _matches("bypass", "zero", _gpus("0"), LIMITS, (TAINT,)),
    Case(MATCHES, "bypass", "a patch", _PATCH, _gpus("2"), COUNT),
    Case(MATCHES, "bypass", "a list", _LIST, {"items": [_gpus("2")]}, f"items[0].{COUNT}"),
)  # fmt: skip

_TWO = _gpus("2", "-tp=2")
_VOLUME = (*POD, "volumes", 1, "emptyDir")
EMPTY_DIR = f"{POD_PATH}.volumes[1].emptyDir"
MOUNT = f"{CONTAINER_PATH}.volumeMounts[1]"


def _shm(
    group: Group, title: str, properties: Json, path: str = "", also: tuple[str, ...] = ()
) -> Case:
    return Case(SHM, group, title, DEPLOYMENT, properties, path, also)


def _mounts(*mounts: object) -> Json:
    models = {"name": "models", "mountPath": "/models"}
    return put(_TWO, *CONTAINER, "volumeMounts", value=[models, *mounts])


SHARED = (
    _shm("good", "in memory", _TWO),
    _shm("good", "one process needs none", drop(ENGINE, *CONTAINER, "volumeMounts", 1)),
    _shm("good", "a slash at the end", put(
        _TWO, *CONTAINER, "volumeMounts", 1, "mountPath", value="/dev/shm/")),
    _shm("good", "no limit of memory", drop(_TWO, *CONTAINER, "resources", "limits", "memory")),
    Case(SHM, "good", "a patch without mounts", _PATCH,
         drop(_TWO, *CONTAINER, "volumeMounts")),
    _shm("bad", "none", _mounts(), f"{CONTAINER_PATH}.volumeMounts"),
    _shm("bad", "on a disk", put(_TWO, *_VOLUME, value={"sizeLimit": "1Gi"}),
         f"{EMPTY_DIR}.medium"),
    _shm("bad", "without an end", put(_TWO, *_VOLUME, value={"medium": "Memory"}),
         f"{EMPTY_DIR}.sizeLimit"),
    _shm("bad", "as large as the limit", put(_TWO, *_VOLUME, "sizeLimit", value="24Gi"),
         f"{EMPTY_DIR}.sizeLimit"),
    _shm("bad", "as small as without", put(_TWO, *_VOLUME, "sizeLimit", value="64Mi"),
         f"{EMPTY_DIR}.sizeLimit"),
    _shm("bad", "no size", put(_TWO, *_VOLUME, "sizeLimit", value="big"), f"{EMPTY_DIR}.sizeLimit"),
    _shm("bad", "read only", put(_TWO, *CONTAINER, "volumeMounts", 1, "readOnly", value=True),
         f"{MOUNT}.readOnly"),
    _shm("unknown", "its size", put(_TWO, *_VOLUME, "sizeLimit", value=UNKNOWN),
         f"{EMPTY_DIR}.sizeLimit"),
    _shm("unknown", "its medium", put(_TWO, *_VOLUME, "medium", value=UNKNOWN),
         f"{EMPTY_DIR}.medium"),
    _shm("unknown", "its volume", put(_TWO, *POD, "volumes", 1, value=UNKNOWN), MOUNT,
         ("sc-01-image-pinned",)),
    _shm("unknown", "the limit", put(_TWO, *CONTAINER, "resources", "limits", "memory",
         value=UNKNOWN), f"{EMPTY_DIR}.sizeLimit"),
    _shm("bypass", "beside it", _mounts({"name": "shm", "mountPath": "/dev/shm2"}),
         f"{CONTAINER_PATH}.volumeMounts"),
    _shm("bypass", "below it", _mounts({"name": "shm", "mountPath": "/dev/shm/x"}),
         f"{CONTAINER_PATH}.volumeMounts"),
    _shm("bypass", "above it", _mounts({"name": "shm", "mountPath": "/dev"}),
         f"{CONTAINER_PATH}.volumeMounts"),
    _shm("bypass", "stages", drop(_gpus("2", "-pp=2"), *CONTAINER, "volumeMounts", 1),
         f"{CONTAINER_PATH}.volumeMounts"),
)  # fmt: skip

TOLERATIONS = f"{POD_PATH}.tolerations"
_TOLERATION = ENGINE_POD["tolerations"][0]
_TOLERANT = put(GATEWAY, *POD, "tolerations", value=[_TOLERATION])
_EXPORTER = {"name": "e", "image": f"a/b@sha256:{DIGEST}"}


def _taint(group: Group, title: str, properties: Json, path: str = "", kind: str = "") -> Case:
    return Case(TAINT, group, title, kind or DEPLOYMENT, properties, path)


TAINTS = (
    _taint("good", "with a GPU", ENGINE),
    _taint("good", "another taint", put(GATEWAY, *POD, "tolerations", value=[{"key": "spot"}])),
    _taint("good", "of a cluster agent", put(
        GATEWAY, *POD, "tolerations", value=[{"operator": "Exists"}])),
    _taint("good", "on every node", _TOLERANT, kind="kubernetes:apps/v1:DaemonSet"),
    _taint("good", "beside a container with one", put(
        ENGINE, *POD, "containers", 1, value=_EXPORTER)),
    _taint("bad", "a gateway", _TOLERANT, f"{TOLERATIONS}[0]"),
    _taint("bad", "a Job", _TOLERANT, f"{TOLERATIONS}[0]", "kubernetes:batch/v1:Job"),
    _taint("bad", "a value of it", put(GATEWAY, *POD, "tolerations", value=[
        {"key": "spot"}, {"key": GPU, "value": "present"}]), f"{TOLERATIONS}[1]"),
    _taint("unknown", "its tolerations", put(GATEWAY, *POD, "tolerations", value=UNKNOWN),
           TOLERATIONS),
    _taint("unknown", "a key", put(_TOLERANT, *POD, "tolerations", 0, "key", value=UNKNOWN),
           f"{TOLERATIONS}[0]"),
    _taint("bypass", "none of them", put(
        _TOLERANT, *CONTAINER, "resources", value={"limits": {GPU: "0"}}), f"{TOLERATIONS}[0]"),
    _taint("bypass", "a Deployment in a list of DaemonSets", {
        "items": [{"kind": "DaemonSet", "spec": {"containers": [_EXPORTER]}}, _TOLERANT]},
        f"items[1].{TOLERATIONS}[0]", _LIST),
    _taint("bypass", "a patch", _TOLERANT, f"{TOLERATIONS}[0]", _PATCH),
)  # fmt: skip

SELECTOR = f"{POD_PATH}.nodeSelector"
_AFFINITY = ("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")


def _profile(group: Group, title: str, pod: Json, path: str = SELECTOR, *words: object) -> Case:
    at = "" if group == "good" else path
    return Case(PROFILE, group, title, DEPLOYMENT, engine(*words, pod=pod), at)


def _requires(*keys: str) -> Json:
    terms = [{"matchExpressions": [{"key": key, "operator": "Exists"}]} for key in keys]
    return {"affinity": put({}, *_AFFINITY, value=terms), "nodeSelector": None}


PROFILES = (
    _profile("good", "a pool", {}),
    _profile("good", "a kind of GPU", {"nodeSelector": {"nvidia.com/gpu.product": "L4"}}),
    _profile("good", "affinity", _requires("karpenter.sh/nodepool")),
    Case(PROFILE, "good", "no GPU", DEPLOYMENT, GATEWAY),
    _profile("bad", "none", {"nodeSelector": None}),
    _profile("bad", "an empty one", {"nodeSelector": {}}),
    _profile("bad", "affinity that any node meets", _requires("kubernetes.io/os")),
    _profile("unknown", "a selector", {"nodeSelector": UNKNOWN}),
    _profile("bypass", "what all nodes have", {"nodeSelector": {"kubernetes.io/os": "linux"}}),
    _profile("bypass", "one of two terms", _requires("pool", "kubernetes.io/arch")),
)  # fmt: skip

CASES = (*GPUS, *SHARED, *TAINTS, *PROFILES)
