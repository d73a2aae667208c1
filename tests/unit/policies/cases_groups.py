"""Cases of ML-10: engines of several pods and the NetworkPolicies beside them (row B18)."""

from collections.abc import Mapping
from typing import Any

from tests.unit.policies.analyzer import UNKNOWN, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import (
    CONTAINER,
    CONTAINER_PATH,
    DEPLOYMENT,
    ENGINE,
    ENGINE_LABELS,
    ENGINE_POD,
    POD_PATH,
    Json,
    engine,
)

POLICY = "ml-10-multinode-isolated"
GROUPS = "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet"
WORKER = "spec.leaderWorkerTemplate.workerTemplate.spec"
ARGS = f"{CONTAINER_PATH}.args"
_NETWORK = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_NAME = "leaderworkerset.sigs.k8s.io/name"
_MINE = {"app.kubernetes.io/instance": "akko-coder"}
_OWN = {"podSelector": {"matchLabels": _MINE}}
_ANYBODY: Json = {"podSelector": {}}
_GATEWAY = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "litellm"}}}
_SERVING = {"ports": [{"port": 8000}], "from": [_GATEWAY]}
_WITHIN = {"from": [_OWN]}


def _policy(*rules: object, selector: object = None, **more: object) -> tuple[str, Json]:
    spec = {"podSelector": selector or _OWN["podSelector"], "ingress": list(rules), **more}
    return _NETWORK, {"kind": "NetworkPolicy", "metadata": {"name": "own"}, "spec": spec}


ISOLATED = _policy(_SERVING, _WITHIN)
_ELSEWHERE = (_NETWORK, put(ISOLATED[1], "metadata", "namespace", value="other"))


def _case(
    group: Group,
    title: str,
    properties: Json,
    path: str,
    *beside: tuple[str, Mapping[str, Any]],
    kind: str = DEPLOYMENT,
) -> Case:
    return Case(POLICY, group, title, kind, properties, path, beside=beside)


def _group(**template: object) -> Json:
    worker = {"metadata": {"labels": ENGINE_LABELS}, "spec": ENGINE_POD}
    parts = {"size": 2, "workerTemplate": worker, **template}
    return {"metadata": {"name": "big"}, "spec": {"replicas": 2, "leaderWorkerTemplate": parts}}


def _transfer(connector: str) -> Json:
    return engine(f'--kv-transfer-config={{"kv_connector":"{connector}","kv_role":"kv_both"}}')


_RAY = engine("--distributed-executor-backend=ray")
_HOST = put(_RAY, *CONTAINER, "env", value=[{"name": "VLLM_HOST_IP", "value": "0.0.0.0"}])
_IN = {"matchExpressions": [{"key": _NAME, "operator": "In", "values": ["big", "small"]}]}
_BY_NAME = {"matchLabels": {_NAME: "big"}}
_OTHERS = {"matchLabels": {_NAME: "small"}}
_INGRESS = "spec.ingress[0].from"
CASES = (
    _case("good", "one pod", ENGINE, ""),
    _case("good", "a group of one", _group(size=1), "", kind=GROUPS),
    _case("good", "an isolated group", _group(), "", ISOLATED, kind=GROUPS),
    _case("good", "a group by its label", _group(), "", _policy(
        {"from": [{"podSelector": _BY_NAME}]}, selector=_BY_NAME), kind=GROUPS),
    _case("good", "a group by an expression", _group(), "", _policy(
        {"from": [{"podSelector": _IN}]}, selector=_IN), kind=GROUPS),
    _case("good", "closed to all", _group(), "", _policy(), kind=GROUPS),
    _case("good", "the serving port by its name", _RAY, "", _policy(
        {"ports": [{"port": "http"}]}, _WITHIN)),
    _case("good", "a cache that stays in the pod", _transfer("OffloadingConnector"), ""),
    _case("good", "another policy beside it", _RAY, "", ISOLATED, _policy(
        {"from": []}, selector={"matchLabels": {"app": "shop"}})),
    _case("bad", "a group without a policy", _group(), WORKER, kind=GROUPS),
    _case("bad", "a group with another's", _group(), WORKER, _policy(
        _WITHIN, selector=_OTHERS), kind=GROUPS),
    _case("bad", "Ray", _RAY, POD_PATH),
    _case("bad", "transfers of the cache", _transfer("NixlConnector"), POD_PATH),
    _case("bad", "copies elsewhere", engine("-dp=2", "--data-parallel-size-local=1"), POD_PATH),
    _case("bad", "a policy in another namespace", _RAY, POD_PATH, _ELSEWHERE),
    _case("bad", "a policy for what goes out", _RAY, POD_PATH, _policy(
        _WITHIN, policyTypes=["Egress"])),
    _case("bad", "open to all", _RAY, _INGRESS, _policy({})),
    _case("bad", "open to the namespace", _RAY, f"{_INGRESS}[0]", _policy({"from": [_ANYBODY]})),
    _case("bad", "open to the gateway", _RAY, f"{_INGRESS}[1]", _policy(
        {"from": [_OWN, _GATEWAY]})),
    _case("bad", "every address", _HOST, f"{CONTAINER_PATH}.env[0]", ISOLATED),
    _case("unknown", "the size of a group", _group(size=UNKNOWN), WORKER, kind=GROUPS),
    _case("unknown", "a selector", _RAY, POD_PATH, _policy(_WITHIN, selector=UNKNOWN)),
    _case("unknown", "a rule", _RAY, _INGRESS, _policy(UNKNOWN)),
    _case("unknown", "all rules", _RAY, "spec.ingress.from", _policy(ingress=UNKNOWN)),
    _case("unknown", "a peer", _RAY, f"{_INGRESS}[0]", _policy({"from": [UNKNOWN]})),
    _case("bypass", "a second policy that opens", _RAY, _INGRESS, ISOLATED, _policy({})),
    _case("bypass", "a range of ports", _RAY, f"{_INGRESS}[0]", _policy(
        {"ports": [{"port": 8000, "endPort": 65535}], "from": [_GATEWAY]})),
    _case("bypass", "its labels in all namespaces", _RAY, f"{_INGRESS}[0]", _policy(
        {"from": [{**_OWN, "namespaceSelector": {}}]})),
    _case("bypass", "addresses", _RAY, f"{_INGRESS}[0]", _policy(
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})),
    _case("bypass", "an abbreviation", engine("--distributed-exec", "ray"), POD_PATH),
    _case("bypass", "a wrapper", engine(args=None, command=[
        "sh", "-c", "exec vllm serve /models/m --max-model-len=4096 --gpu-mem=0.9 "
        "--shutdown-timeout=60 --distributed-executor-backend ray"]), POD_PATH),
    _case("bypass", "a list of policies", _RAY, "items[0].spec.ingress[0].from", (
        "kubernetes:networking.k8s.io/v1:NetworkPolicyList", {"items": [_policy({})[1]]})),
    _case("bypass", "an address on the line", engine(
        "--distributed-executor-backend=ray", "--master-addr=0.0.0.0"), ARGS, ISOLATED),
)  # fmt: skip
