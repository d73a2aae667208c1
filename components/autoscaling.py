"""How many servers there are: KEDA's ScaledObject or a HorizontalPodAutoscaler, and VPA's advice.

Owns these objects alone. What is scaled belongs to `vllm` and `litellm`, which leave `replicas` to
it; KEDA, Prometheus and the metrics APIs belong to the cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.core.conventions import IDLE_FALLBACK, START_SECONDS
from components.document.scale_in import scale_in_seconds
from components.document.scaling import GatewayScalingSettings, ModelScalingSettings
from components.workloads import Identity

Scaling = ModelScalingSettings | GatewayScalingSettings

_POLL_SECONDS = 15
_FAILED_POLLS = 3
"""After as many errors in a row KEDA calls the load unknown: 45 s and more without Prometheus."""
_STEP_SECONDS = 60


@dataclass(frozen=True)
class Scaled:
    """What is scaled.

    Attributes:
        api_version: Of the workload.
        kind: Of the workload; its name is that of its Service.
        container: The one that serves.
        start_seconds: From "wanted" to the first answer, at most.
        asked_instead: Alias that answers while there is none; empty where there always is one.
    """

    api_version: str
    kind: str
    container: str
    start_seconds: int
    asked_instead: str = ""


class Autoscaler(pulumi.ComponentResource):
    """One autoscaler of one workload."""

    def __init__(
        self,
        name: str,
        scaling: Scaling,
        *,
        who: Identity,
        scaled: Scaled,
        signals: Sequence[Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:elasticity:Autoscaler", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        metadata = {
            **who.metadata(),
            "annotations": {**who.annotations, **_notes(scaled)},
        }
        if scaling.kind == "keda":
            CustomResource(
                f"{who.name}-scaler",
                api_version="keda.sh/v1alpha1",
                kind="ScaledObject",
                metadata=metadata,
                spec=scaled_object_spec(who.name, scaling, scaled, signals),
                opts=child,
            )
        else:
            CustomResource(
                f"{who.name}-scaler",
                api_version="autoscaling/v2",
                kind="HorizontalPodAutoscaler",
                metadata=metadata,
                spec=pod_autoscaler_spec(who.name, scaling, scaled, signals),
                opts=child,
            )
        self.register_outputs({})


class Recommender(pulumi.ComponentResource):
    """A VerticalPodAutoscaler that says what CPU and memory a server needs, and sets nothing."""

    def __init__(
        self,
        name: str,
        *,
        who: Identity,
        scaled: Scaled,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:elasticity:Recommender", name, None, opts)
        CustomResource(
            f"{who.name}-recommender",
            api_version="autoscaling.k8s.io/v1",
            kind="VerticalPodAutoscaler",
            metadata=who.metadata(),
            spec=recommender_spec(who.name, scaled),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def scaled_object_spec(
    target: str, scaling: Scaling, scaled: Scaled, triggers: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """`spec` of a keda.sh/v1alpha1 ScaledObject.

    While Prometheus does not answer there are never fewer servers than there are. The fallback is
    one server at least: KEDA takes 0 for none, and would end the last server.
    """
    window = scale_in_seconds(scaled.start_seconds)
    return {
        "scaleTargetRef": _reference(target, scaled),
        "pollingInterval": _POLL_SECONDS,
        "cooldownPeriod": window,
        "initialCooldownPeriod": window,
        "minReplicaCount": scaling.min_replicas,
        "maxReplicaCount": scaling.max_replicas,
        **({"idleReplicaCount": 0} if scaled.asked_instead else {}),
        "fallback": {
            "failureThreshold": _FAILED_POLLS,
            "replicas": scaling.blind_replicas,
            "behavior": "currentReplicasIfHigher",
        },
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(window)}},
        "triggers": [dict(trigger) for trigger in triggers],
    }


def pod_autoscaler_spec(
    target: str, scaling: Scaling, scaled: Scaled, metrics: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """`spec` of an autoscaling/v2 HorizontalPodAutoscaler; a metric that fails ends no server."""
    return {
        "scaleTargetRef": _reference(target, scaled),
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "behavior": _behavior(scale_in_seconds(scaled.start_seconds)),
        "metrics": [dict(metric) for metric in metrics],
    }


def recommender_spec(target: str, scaled: Scaled) -> dict[str, Any]:
    """`spec` of an autoscaling.k8s.io/v1 VerticalPodAutoscaler; it knows nothing of GPUs."""
    return {
        "targetRef": _reference(target, scaled),
        "updatePolicy": {"updateMode": "Off"},
        "resourcePolicy": {
            "containerPolicies": [
                {
                    "containerName": scaled.container,
                    "controlledResources": ["cpu", "memory"],
                    "controlledValues": "RequestsOnly",
                },
                {"containerName": "*", "mode": "Off"},
            ]
        },
    }


def _notes(scaled: Scaled) -> dict[str, str]:
    instead = {IDLE_FALLBACK: scaled.asked_instead} if scaled.asked_instead else {}
    return {START_SECONDS: str(scaled.start_seconds), **instead}


def _reference(target: str, scaled: Scaled) -> dict[str, Any]:
    return {"apiVersion": scaled.api_version, "kind": scaled.kind, "name": target}


def _behavior(window: int) -> dict[str, Any]:
    """Out at once, by two or to the double within a minute; in by one a minute, after a window."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 2, "periodSeconds": _STEP_SECONDS},
                {"type": "Percent", "value": 100, "periodSeconds": _STEP_SECONDS},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": window,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": _STEP_SECONDS}],
        },
    }
