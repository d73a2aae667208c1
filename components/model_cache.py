"""The volume that holds a model's weights, and the Job that fills it before a server starts.

Owns the claim, the Job and the only way out to the internet, which is the Job's. What is downloaded
and how is the engine's to say: it hands over the Job's pod.
"""

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import PodSpecArgsDict

from components.document.cache import ModelCacheSettings
from components.network import internet_egress, network_policy, policy_spec
from components.workloads import Identity

_ATTEMPTS = 6
_DEADLINE_SECONDS = 4 * 3600
"""15 GB at 2 MB/s take two hours; twice that is a fault, not a slow line."""


class ModelCache(pulumi.ComponentResource):
    """Weights on a volume, there before any server looks for them."""

    claim_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: ModelCacheSettings,
        *,
        who: Identity,
        claim_name: str,
        preload_name: str,
        preload_pod: PodSpecArgsDict,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:storage:ModelCache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        claim = k8s.core.v1.PersistentVolumeClaim(
            name,
            metadata={
                **who.metadata(claim_name),
                # A volume that waits for its first consumer is bound by the Job below.
                "annotations": {**who.annotations, "pulumi.com/skipAwait": "true"},
            },
            spec={
                "storage_class_name": settings.storage_class,
                "access_modes": [settings.access_mode],
                "resources": {"requests": {"storage": f"{settings.size_gib}Gi"}},
            },
            opts=child,
        )
        opened = network_policy(
            f"{who.name}-preload",
            who.namespace,
            policy_spec(who.selector, egress_rules=[internet_egress()]),
            child,
        )
        k8s.batch.v1.Job(
            preload_name,
            metadata=who.metadata(preload_name),
            spec={
                "backoff_limit": _ATTEMPTS,
                "active_deadline_seconds": _DEADLINE_SECONDS,
                "template": {
                    "metadata": {"labels": who.labels, "annotations": dict(who.annotations)},
                    # A failed step is followed by a new pod, which begins with the first step.
                    "spec": {**preload_pod, "restart_policy": "Never"},
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[claim, opened],
                custom_timeouts=pulumi.CustomTimeouts(create=f"{_DEADLINE_SECONDS}s"),
            ),
        )
        self.claim_name = claim.metadata.name
        self.register_outputs({"claim_name": self.claim_name})
