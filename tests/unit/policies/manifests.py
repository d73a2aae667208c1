"""Known-good objects in the platform's own shape; every test changes one thing in one of them."""

import copy
from typing import Any

from components.core.conventions import document_key, labels, selector
from components.core.engine_args import ServeArguments

Json = dict[str, Any]

DIGEST = "c1c9f6fd5c109ba7f0546a59f5b2f15fb87f64c77782e90a27b648b42a8e67c3"
ENGINE_IMAGE = f"docker.io/vllm/vllm-openai:v0.31.0@sha256:{DIGEST}"
GATEWAY_IMAGE = f"ghcr.io/berriai/litellm:v1.103.2@sha256:{DIGEST}"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SERVICE = "kubernetes:core/v1:Service"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
MODEL_KEY = "inference:platform.models.akko-coder"
GATEWAY_KEY = "inference:platform.gateway"

ARGUMENTS = ServeArguments(
    model="/models/Qwen/Qwen2.5-7B-Instruct",
    settings={
        "served_model_name": ("akko-coder", "Qwen/Qwen2.5-7B-Instruct"),
        "max_model_len": 4096,
        "gpu_memory_utilization": 0.9,
        "port": 8000,
        "shutdown_timeout": 60,
    },
)

HEALTH: Json = {
    "httpGet": {"path": "/health", "port": "http"},
    "periodSeconds": 10,
    "timeoutSeconds": 5,
    "failureThreshold": 3,
}
ENGINE_POD: Json = {
    "initContainers": [
        {"name": "verify", "image": ENGINE_IMAGE, "command": ["python3", "-c", "print('cache')"]}
    ],
    "containers": [
        {
            "name": "vllm",
            "image": ENGINE_IMAGE,
            "args": list(ARGUMENTS.render()),
            "env": [
                {"name": "HF_HUB_OFFLINE", "value": "1"},
                {
                    "name": "HF_TOKEN",
                    "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}},
                },
            ],
            "ports": [{"name": "http", "containerPort": 8000}],
            "resources": {
                "limits": {"nvidia.com/gpu": "1", "memory": "24Gi"},
                "requests": {"nvidia.com/gpu": "1", "memory": "24Gi"},
            },
            "startupProbe": {**HEALTH, "failureThreshold": 90},
            "readinessProbe": HEALTH,
            "livenessProbe": {**HEALTH, "failureThreshold": 6},
            "lifecycle": {"preStop": {"sleep": {"seconds": 15}}},
            "volumeMounts": [
                {"name": "models", "mountPath": "/models", "readOnly": True},
                {"name": "shm", "mountPath": "/dev/shm"},
            ],
        }
    ],
    "terminationGracePeriodSeconds": 105,
    "nodeSelector": {"karpenter.sh/nodepool": "l4"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "volumes": [
        {"name": "models", "persistentVolumeClaim": {"claimName": "akko-models"}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    ],
}
ENGINE_LABELS = labels("vllm", "akko-coder", "engine")
GATEWAY_LABELS = labels("litellm", "gateway", "gateway")


def deployment(pod: Json, pod_labels: dict[str, str], key: dict[str, str]) -> Json:
    """A Deployment around a pod."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "subject", "labels": pod_labels},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "template": {"metadata": {"labels": pod_labels, "annotations": key}, "spec": pod},
        },
    }


ENGINE = deployment(ENGINE_POD, ENGINE_LABELS, document_key("models", "akko-coder"))

POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
POD_PATH = "spec.template.spec"
CONTAINER_PATH = f"{POD_PATH}.containers[0]"


def engine(*words: object, pod: Json | None = None, **container: object) -> Json:
    """The engine with further words on its line, and other keys of its container and its pod."""
    changed = copy.deepcopy(ENGINE)
    spec = changed["spec"]["template"]["spec"]
    spec["containers"][0]["args"] += words
    spec["containers"][0].update(container)
    spec.update(pod or {})
    return changed


ENGINE_SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "akko-akko-vllm",
        "labels": ENGINE_LABELS,
        "annotations": document_key("models", "akko-coder"),
    },
    "spec": {
        "type": "ClusterIP",
        "selector": selector("vllm", "akko-coder", "engine"),
        "ports": [{"name": "http", "port": 8000, "targetPort": "http"}],
    },
}

GATEWAY_SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "akko-akko-litellm", "labels": GATEWAY_LABELS},
    "spec": {
        "type": "LoadBalancer",
        "selector": selector("litellm", "gateway", "gateway"),
        "ports": [{"name": "http", "port": 4000, "targetPort": "http"}],
    },
}

GATEWAY_POD: Json = {
    "containers": [
        {
            "name": "litellm",
            "image": GATEWAY_IMAGE,
            "args": ["--config", "/etc/litellm/config.yaml", "--port", "4000"],
            "env": [
                {
                    "name": "LITELLM_MASTER_KEY",
                    "valueFrom": {"secretKeyRef": {"name": "akko-gateway", "key": "master-key"}},
                }
            ],
        }
    ]
}
GATEWAY = deployment(GATEWAY_POD, GATEWAY_LABELS, document_key("gateway"))

CONFIG_TEXT = """\
model_list:
  - model_name: akko-coder
    litellm_params:
      model: hosted_vllm/akko-coder
      api_base: http://akko-akko-vllm:8000/v1
      max_tokens: 1024
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
"""
GATEWAY_CONFIG: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "akko-litellm",
        "labels": GATEWAY_LABELS,
        "annotations": document_key("gateway"),
    },
    "data": {"config.yaml": CONFIG_TEXT},
}

INGRESS: Json = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "gateway"},
    "spec": {
        "tls": [{"hosts": ["llm.akko.local"], "secretName": "llm-tls"}],
        "rules": [
            {
                "host": "llm.akko.local",
                "http": {
                    "paths": [
                        {
                            "path": "/v1/chat/completions",
                            "pathType": "Exact",
                            "backend": {
                                "service": {"name": "akko-akko-litellm", "port": {"number": 4000}}
                            },
                        }
                    ]
                },
            }
        ],
    },
}
