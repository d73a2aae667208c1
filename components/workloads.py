"""The objects that every server of the platform consists of, built one way for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apps.v1 import (
    DeploymentSpecArgsDict,
    StatefulSetSpecArgsDict,
)
from pulumi_kubernetes.core.v1 import (
    PersistentVolumeClaimArgsDict,
    PodSpecArgsDict,
    PodTemplateSpecArgsDict,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

from components.core.conventions import (
    ENVIRONMENT,
    TRAFFIC,
    WEIGHTS,
    Environment,
    Role,
    labels,
    selector,
)
from components.document.vllm_features import TrafficClass
from components.pods import rollout, spread

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
        traffic: What an engine serves; a label too.
        weights: Which revisions an engine reads, as digits that stand for them; a label too.
    """

    app: str
    name: str
    namespace: str
    role: Role
    annotations: Mapping[str, pulumi.Input[str]]
    environment: Environment
    traffic: TrafficClass | None = None
    weights: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every object."""
        traffic = {TRAFFIC: self.traffic} if self.traffic else {}
        own = labels(self.app, self.name, self.role)
        weights = {WEIGHTS: self.weights} if self.weights else {}
        return {**own, ENVIRONMENT: self.environment, **traffic, **weights}

    @property
    def selector(self) -> dict[str, str]:
        """Labels that find the pods."""
        return selector(self.app, self.name, self.role)

    def metadata(self, name: pulumi.Input[str] | None = None) -> ObjectMetaArgsDict:
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
        count: Pods wanted; of an autoscaler's workload those that the first roll-out makes.
        surge: Whether a new pod may start before an old one ends.
        grace_seconds: From the decision to end a pod to its end, at most.
        start_seconds: From creation to readiness of one pod, at most, its node included.
        most: Pods that an autoscaler may ask for; None where there is none, and `count` holds.
    """

    count: int
    surge: bool
    grace_seconds: int
    start_seconds: int
    most: int | None = None


def server(
    who: Identity,
    replicas: Replicas,
    pod: PodSpecArgsDict,
    port: int,
    opts: pulumi.ResourceOptions,
    *,
    claim_templates: Sequence[PersistentVolumeClaimArgsDict] = (),
    account_annotations: Mapping[str, str] | None = None,
    port_name: str = HTTP,
) -> k8s.core.v1.Service:
    """Account, workload, Service and, for several replicas, disruption budget of a server.

    Args:
        who: Names and labels.
        replicas: Count and replacement.
        pod: Its pod, with a container port called `port_name`.
        port: TCP port of the Service.
        opts: Parent and dependencies of the objects.
        claim_templates: Volumes that each pod has for itself; the workload is then a StatefulSet,
            else a Deployment.
        account_annotations: Further annotations of the account, such as its role in a cloud.
        port_name: Name of the port, where it speaks another protocol.

    Returns:
        The Service, through which clients reach it inside the cluster only.
    """
    server_account(who, opts, account_annotations)
    if claim_templates:
        _stateful_set(who, replicas, pod, opts, port=port, claim_templates=claim_templates)
    else:
        _deployment(who, replicas, pod, opts)
    disruption_budget(who, replicas, opts)
    return k8s.core.v1.Service(
        who.name,
        metadata=who.metadata(),
        spec={
            "type": "ClusterIP",
            "selector": who.selector,
            "ports": [
                {"name": port_name, "port": port, "target_port": port_name, "protocol": "TCP"}
            ],
        },
        opts=opts,
    )


def disruption_budget(who: Identity, replicas: Replicas, opts: pulumi.ResourceOptions) -> None:
    """One pod at a time may be evicted; a budget over a single replica would block every drain."""
    if (replicas.most or replicas.count) > 1:
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


def server_account(
    who: Identity, opts: pulumi.ResourceOptions, annotations: Mapping[str, str] | None = None
) -> None:
    """The account of a server's pods, which may do nothing and gets no token."""
    k8s.core.v1.ServiceAccount(
        who.name,
        metadata={**who.metadata(), "annotations": {**who.annotations, **(annotations or {})}},
        automount_service_account_token=False,
        opts=opts,
    )


def _deployment(
    who: Identity, replicas: Replicas, pod: PodSpecArgsDict, opts: pulumi.ResourceOptions
) -> None:
    k8s.apps.v1.Deployment(
        who.name,
        metadata=who.metadata(),
        spec=deployment_spec(who, replicas, pod),
        opts=unscaled(patient(opts, replicas.start_seconds), replicas),
    )


def _stateful_set(
    who: Identity,
    replicas: Replicas,
    pod: PodSpecArgsDict,
    opts: pulumi.ResourceOptions,
    *,
    port: int,
    claim_templates: Sequence[PersistentVolumeClaimArgsDict],
) -> None:
    """The workload, and the headless Service that gives each pod a name of its own."""
    headless = k8s.core.v1.Service(
        f"{who.name}-pods",
        metadata=who.metadata(f"{who.name}-pods"),
        spec={
            "type": "ClusterIP",
            "cluster_ip": "None",
            "selector": who.selector,
            "ports": [{"name": HTTP, "port": port, "target_port": HTTP, "protocol": "TCP"}],
        },
        opts=opts,
    )
    one_by_one = replicas.count * (replicas.start_seconds + replicas.grace_seconds)
    k8s.apps.v1.StatefulSet(
        who.name,
        metadata=who.metadata(),
        spec=stateful_set_spec(who, replicas, pod, claim_templates),
        opts=pulumi.ResourceOptions.merge(
            unscaled(patient(opts, one_by_one), replicas),
            pulumi.ResourceOptions(
                depends_on=[headless],
                # The claims are there already, and grow by themselves; a template cannot change.
                ignore_changes=["spec.volumeClaimTemplates"],
            ),
        ),
    )


def patient(opts: pulumi.ResourceOptions, seconds: int) -> pulumi.ResourceOptions:
    """Options with so much time for a workload to get ready."""
    patience = pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{seconds}s")
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(custom_timeouts=patience))


def unscaled(opts: pulumi.ResourceOptions, replicas: Replicas) -> pulumi.ResourceOptions:
    """Options that leave the number of pods to an autoscaler, where there is one.

    The first roll-out says it, so that it waits for a pod that serves; after that the provider
    neither compares nor sends a number that another field manager owns.
    """
    ignored = ["spec.replicas"] if replicas.most is not None else []
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=ignored))


def deployment_spec(
    who: Identity, replicas: Replicas, pod: PodSpecArgsDict
) -> DeploymentSpecArgsDict:
    """`spec` of the Deployment; Kubernetes reports it stuck once a pod is later than agreed."""
    return {
        "replicas": replicas.count,
        "selector": {"match_labels": who.selector},
        "strategy": rollout(surge=replicas.surge),
        "progress_deadline_seconds": replicas.start_seconds,
        "revision_history_limit": 3,
        "template": _template(who, replicas, pod, "pod-template-hash"),
    }


def stateful_set_spec(
    who: Identity,
    replicas: Replicas,
    pod: PodSpecArgsDict,
    claim_templates: Sequence[PersistentVolumeClaimArgsDict],
) -> StatefulSetSpecArgsDict:
    """`spec` of the StatefulSet: pods start together and are replaced one after the other.

    Claims stay when it goes: they are the stack's, which made and filled them before it.
    """
    return {
        "service_name": f"{who.name}-pods",
        "replicas": replicas.count,
        "selector": {"match_labels": who.selector},
        "pod_management_policy": "Parallel",
        "update_strategy": {"type": "RollingUpdate"},
        "persistent_volume_claim_retention_policy": {
            "when_deleted": "Retain",
            "when_scaled": "Retain",
        },
        "revision_history_limit": 3,
        "template": _template(who, replicas, pod, "controller-revision-hash"),
        "volume_claim_templates": list(claim_templates),
    }


def _template(
    who: Identity, replicas: Replicas, pod: PodSpecArgsDict, revision_label: str
) -> PodTemplateSpecArgsDict:
    return {
        "metadata": {"labels": who.labels, "annotations": dict(who.annotations)},
        "spec": {
            **pod,
            "service_account_name": who.name,
            "termination_grace_period_seconds": replicas.grace_seconds,
            "topology_spread_constraints": spread(who.selector, revision_label),
        },
    }
