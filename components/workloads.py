"""The objects that every server of the platform consists of, built one way for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apps.v1 import DeploymentSpecArgsDict, DeploymentStrategyArgsDict
from pulumi_kubernetes.core.v1 import PodSpecArgsDict
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

from components.core.conventions import ENVIRONMENT, Environment, Role, labels, selector
from components.pods import spread

HTTP = "http"
"""Name of the one port that a server offers."""


@dataclass(frozen=True)
class Identity:
    """Who a workload is: what its objects are called and how its pods are found.

    Attributes:
        app: What runs in it: `vllm`, `ollama`, `litellm`.
        name: Its Service, and so its host name for clients.
        namespace: Where it lives.
        role: Its part in the platform.
        annotations: Of its pods; the key of the stack document that it came from.
        environment: Which tier it belongs to; a label, so that policies and selectors see it.
    """

    app: str
    name: str
    namespace: str
    role: Role
    annotations: Mapping[str, str]
    environment: Environment

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every object."""
        return {**labels(self.app, self.name, self.role), ENVIRONMENT: self.environment}

    @property
    def selector(self) -> dict[str, str]:
        """Labels that find the pods."""
        return selector(self.app, self.name, self.role)

    def metadata(self, name: str | None = None) -> ObjectMetaArgsDict:
        """`metadata` of an object of this workload, by default one that carries its name."""
        return {
            "name": name or self.name,
            "namespace": self.namespace,
            "labels": self.labels,
            "annotations": dict(self.annotations),
        }


@dataclass(frozen=True)
class Replicas:
    """How many pods serve, and how they are replaced.

    Attributes:
        count: Pods wanted.
        strategy: How a new version takes over.
        grace_seconds: From the decision to end a pod to its end, at most.
        start_seconds: From creation to readiness of one pod, at most, its node included.
    """

    count: int
    strategy: DeploymentStrategyArgsDict
    grace_seconds: int
    start_seconds: int


def server(
    who: Identity,
    replicas: Replicas,
    pod: PodSpecArgsDict,
    port: int,
    opts: pulumi.ResourceOptions,
) -> k8s.core.v1.Service:
    """Account, Deployment, Service and, for several replicas, disruption budget of a server.

    Args:
        who: Names and labels.
        replicas: Count and replacement.
        pod: Its pod, with one container port called `http`.
        port: TCP port of the Service.
        opts: Parent and dependencies of the objects.

    Returns:
        The Service, through which clients reach it inside the cluster only.
    """
    k8s.core.v1.ServiceAccount(
        who.name, metadata=who.metadata(), automount_service_account_token=False, opts=opts
    )
    patience = pulumi.CustomTimeouts(
        create=f"{replicas.start_seconds}s", update=f"{replicas.start_seconds}s"
    )
    k8s.apps.v1.Deployment(
        who.name,
        metadata=who.metadata(),
        spec=deployment_spec(who, replicas, pod),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(custom_timeouts=patience)),
    )
    if replicas.count > 1:
        k8s.policy.v1.PodDisruptionBudget(
            who.name,
            metadata=who.metadata(),
            spec={
                "selector": {"match_labels": who.selector},
                "max_unavailable": 1,
                "unhealthy_pod_eviction_policy": "IfHealthyBudget",
            },
            opts=opts,
        )
    return k8s.core.v1.Service(
        who.name,
        metadata=who.metadata(),
        spec={
            "type": "ClusterIP",
            "selector": who.selector,
            "ports": [{"name": HTTP, "port": port, "target_port": HTTP, "protocol": "TCP"}],
        },
        opts=opts,
    )


def deployment_spec(
    who: Identity, replicas: Replicas, pod: PodSpecArgsDict
) -> DeploymentSpecArgsDict:
    """`spec` of the Deployment; Kubernetes reports it stuck once a pod is later than agreed."""
    return {
        "replicas": replicas.count,
        "selector": {"match_labels": who.selector},
        "strategy": replicas.strategy,
        "progress_deadline_seconds": replicas.start_seconds,
        "revision_history_limit": 3,
        "template": {
            "metadata": {"labels": who.labels, "annotations": dict(who.annotations)},
            "spec": {
                **pod,
                "service_account_name": who.name,
                "termination_grace_period_seconds": replicas.grace_seconds,
                "topology_spread_constraints": spread(who.selector),
            },
        },
    }
