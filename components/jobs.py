"""Jobs as the platform makes them: named after what they do, so that a change makes another one."""

from collections.abc import Mapping
from types import MappingProxyType

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import PodSpecArgsDict

from components.workloads import Identity


def job(
    resource: str,
    name: pulumi.Input[str],
    who: Identity,
    pod: PodSpecArgsDict,
    opts: pulumi.ResourceOptions,
    *,
    attempts: int,
    deadline_seconds: int,
    pod_labels: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """A Job that the deployment waits for; one that has failed is made anew by the next.

    Args:
        resource: Its name in the stack.
        name: Its name in the cluster, which has to follow its content.
        who: Names and labels.
        pod: Its pod; a step that failed is followed by a new one.
        opts: Parent and dependencies.
        attempts: Further pods after the first that failed.
        deadline_seconds: From start to end, at most.
        pod_labels: Further labels of the pods.
    """
    patience = pulumi.CustomTimeouts(create=f"{deadline_seconds}s")
    k8s.batch.v1.Job(
        resource,
        metadata={
            **who.metadata(name),
            "annotations": {**who.annotations, "pulumi.com/replaceUnready": "true"},
        },
        spec={
            "backoff_limit": attempts,
            "active_deadline_seconds": deadline_seconds,
            "template": {
                "metadata": {
                    "labels": {**who.labels, **pod_labels},
                    "annotations": dict(who.annotations),
                },
                "spec": {**pod, "restart_policy": "Never"},
            },
        },
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(custom_timeouts=patience)),
    )
