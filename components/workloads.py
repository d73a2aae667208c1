"""The objects that every server of the platform consists of, built one way for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apps.v1 import DeploymentSpecArgsDict, DeploymentStrategyArgsDict
from pulumi_kubernetes.core.v1 import PodSpecArgsDict
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

from components.core.conventions import TRAFFIC, Role, labels, selector
from components.document.vllm_features import TrafficClass
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
        traffic: What an engine serves.
    """

    app: str
    name: str
    namespace: str
    role: Role
    annotations: Mapping[str, str]
    traffic: TrafficClass | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every object."""
        traffic = {TRAFFIC: self.traffic} if self.traffic else {}
        return {**labels(self.app, self.name, self.role), **traffic}

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
    server_account(who, opts)
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


def server_account(who: Identity, opts: pulumi.ResourceOptions) -> None:
    """The account of a server's pods, which may do nothing and gets no token."""
    k8s.core.v1.ServiceAccount(
        who.name, metadata=who.metadata(), automount_service_account_token=False, opts=opts
    )


def camel(value: Any) -> Any:  # noqa: ANN401 - any part of a manifest
    """A manifest under the names of the API, for a custom resource, whose SDK does not rename.

    Names of variables, labels and resources are values there or have no lower-case word after an
    underscore, except in maps of strings, which are left as they are.
    """
    if isinstance(value, list):
        return [camel(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    return {
        name: each if name in _FREE_KEYS else camel(each)
        for name, each in ((_camel_name(k), v) for k, v in cast("dict[str, Any]", value).items())
    }


_FREE_KEYS = frozenset({"matchLabels", "nodeSelector", "limits", "requests", "labels"})


def _camel_name(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


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
