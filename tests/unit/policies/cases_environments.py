"""Cases of AX-03 and AX-13: Ollama in development only, and tiers that share no node."""

from components.core.conventions import ENVIRONMENT, labels
from tests.unit.policies.analyzer import UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import DEPLOYMENT, DIGEST, ENGINE, Json, deployment

OLLAMA_ONLY = "ax-03-ollama-dev-only"
TIERS = "ax-13-tiers-apart"
RELEASE = "kubernetes:helm.sh/v3:Release"
POD = ("spec", "template", "spec")
LABELS = ("spec", "template", "metadata", "labels")
FIRST = "spec.template.spec.containers[0]"
POOL = "spec.template.spec.nodeSelector"

_OWN = labels("ollama", "akko-akko-ollama", "engine")
_DEVELOPMENT = {**_OWN, ENVIRONMENT: "development"}
_POD: Json = {
    "containers": [
        {
            "name": "ollama",
            "image": f"docker.io/ollama/ollama:0.40.2@sha256:{DIGEST}",
            "env": [{"name": "OLLAMA_NUM_PARALLEL", "value": "1"}],
            "resources": {"limits": {"memory": "8Gi"}},
        }
    ]
}
OLLAMA = deployment(_POD, _DEVELOPMENT, {})
FOREIGN = deployment(_POD, {"app": "llm"}, {})
_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
_BASE = f"registry.local/base@sha256:{DIGEST}"
_BARE = drop(
    put(FOREIGN, *POD, "containers", 0, "image", value=_BASE), *POD, "containers", 0, "env"
)


def _ollama(
    group: Group, title: str, properties: Json, path: str = FIRST, kind: str = DEPLOYMENT
) -> Case:
    return Case(OLLAMA_ONLY, group, title, kind, properties, "" if group == "good" else path)


def _tiers(group: Group, title: str, properties: Json, path: str = "") -> Case:
    return Case(TIERS, group, title, DEPLOYMENT, properties, path)


def _started(**parts: object) -> Json:
    changed = _BARE
    for key, value in parts.items():
        changed = put(changed, *POD, "containers", 0, key, value=value)
    return changed


def _tolerating(toleration: object) -> Json:
    return put(OLLAMA, *POD, "tolerations", value=[toleration])


def _named(**variable: object) -> Json:
    return _started(env=[variable])


_VLLM_IN_DEVELOPMENT = put(ENGINE, *LABELS, ENVIRONMENT, value="development")
_GPUS = f'{FIRST}.resources.limits["nvidia.com/gpu"]'

CASES = (
    _ollama("good", "labelled development", OLLAMA),
    _ollama("good", "a client", _named(name="OLLAMA_HOST", value="http://akko-akko-ollama:11434")),
    _ollama("good", "another chart", {"chart": "litellm"}, kind=RELEASE),
    _ollama(
        "good",
        "a step that pulls and ends",
        put(
            put(
                _BARE,
                *POD,
                "initContainers",
                value=[
                    {
                        "name": "pull",
                        "image": f"ollama/ollama@sha256:{DIGEST}",
                        "command": ["ollama", "pull", "x"],
                    }
                ],
            ),
            *LABELS,
            "app",
            value="puller",
        ),
    ),
    _ollama("bad", "labelled production", put(OLLAMA, *LABELS, ENVIRONMENT, value="production")),
    _ollama("bad", "without a label", FOREIGN),
    _ollama(
        "bad",
        "by its own label alone",
        deployment({"containers": [{"name": "x", "image": _BASE}]}, _OWN, {}),
        "spec.template.spec",
    ),
    _ollama("bad", "a chart", {"chart": "ollama"}, "chart", RELEASE),
    _ollama("unknown", "a label", put(OLLAMA, *LABELS, ENVIRONMENT, value=UNKNOWN)),
    _ollama(
        "bypass",
        "another image that starts it",
        _started(command=["/usr/bin/ollama"], args=["serve"]),
    ),
    _ollama("bypass", "in a shell", _started(command=["sh", "-c", "sleep 1; exec ollama serve"])),
    _ollama("bypass", "by its variables", _named(name="OLLAMA_MODELS", value="/models")),
    _ollama(
        "bypass",
        "inside another program's image",
        put(
            FOREIGN,
            *POD,
            "containers",
            0,
            "image",
            value=f"ghcr.io/open-webui/open-webui:ollama@sha256:{DIGEST}",
        ),
    ),
    _ollama(
        "bypass",
        "as a sidecar",
        put(
            _BARE,
            *POD,
            "initContainers",
            value=[
                {"name": "o", "image": f"ollama/ollama@sha256:{DIGEST}", "restartPolicy": "Always"}
            ],
        ),
        "spec.template.spec.initContainers[0]",
    ),
    _ollama(
        "bypass",
        "a label on the workload alone",
        put(FOREIGN, "metadata", "labels", value={ENVIRONMENT: "development"}),
    ),
    _tiers("good", "Ollama on any node", OLLAMA),
    _tiers("good", "vLLM of production on GPUs", put(ENGINE, *POD, "tolerations", value=[_TAINT])),
    _tiers("good", "another taint", _tolerating({"key": "arch", "operator": "Exists"})),
    _tiers("good", "a taint that evicts", _tolerating({**_TAINT, "effect": "NoExecute"})),
    _tiers(
        "bad", "the taint of GPU nodes", _tolerating(_TAINT), "spec.template.spec.tolerations[0]"
    ),
    _tiers(
        "bad",
        "a pool",
        put(OLLAMA, *POD, "nodeSelector", value={"karpenter.sh/nodepool": "l4"}),
        f'{POOL}["karpenter.sh/nodepool"]',
    ),
    _tiers("bad", "vLLM of development", _VLLM_IN_DEVELOPMENT, _GPUS),
    _tiers(
        "unknown",
        "tolerations",
        put(OLLAMA, *POD, "tolerations", value=UNKNOWN),
        "spec.template.spec.tolerations",
    ),
    _tiers("unknown", "a selector", put(OLLAMA, *POD, "nodeSelector", value=UNKNOWN), POOL),
    _tiers(
        "bypass",
        "every taint",
        _tolerating({"operator": "Exists"}),
        "spec.template.spec.tolerations[0]",
    ),
    _tiers(
        "bypass",
        "every effect",
        _tolerating({"key": "nvidia.com/gpu", "operator": "Exists"}),
        "spec.template.spec.tolerations[0]",
    ),
    _tiers(
        "bypass",
        "a node's name",
        put(OLLAMA, *POD, "nodeName", value="gpu-1"),
        "spec.template.spec.nodeName",
    ),
)
