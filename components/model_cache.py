"""The volumes that hold a server's weights, and the Jobs that fill and clear them.

Owns claims, the Jobs and the only way out to the internet, which is theirs. What is downloaded, and
how, is handed over as pods. An old revision stays until the servers that need it are gone: the
collecting Jobs come after the roll-out, and a roll-out that fails never gets to them.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.jobs import job
from components.network import internet_egress, network_policy, policy_spec, private_egress
from components.preload_pods import VolumeJob, short_hash
from components.volumes import Claim
from components.workloads import Identity

_ATTEMPTS = 6
_DEADLINE_SECONDS = 4 * 3600
"""15 GB at 2 MB/s take two hours; twice that is a fault, not a slow line."""
_COLLECT_DEADLINE_SECONDS = 3600
"""Removing files takes seconds; an hour is for a node to join."""


class ModelCache(pulumi.ComponentResource):
    """Weights on volumes, there before any server looks for them."""

    claim_names: tuple[str, ...]

    def __init__(
        self,
        name: str,
        *,
        who: Identity,
        claims: Sequence[Claim],
        jobs: Sequence[VolumeJob],
        config_name: str = "",
        config: Mapping[str, str] | None = None,
        private_networks: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:storage:ModelCache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        needed: list[pulumi.Resource] = [
            _claim(claim.name if claim.several else name, claim, who, self) for claim in claims
        ]
        if config:
            needed.append(
                k8s.core.v1.ConfigMap(
                    config_name,
                    metadata=who.metadata(config_name),
                    immutable=True,
                    data=dict(config),
                    opts=child,
                )
            )
        if jobs:
            rules = [internet_egress(), *(private_egress(each) for each in private_networks)]
            needed.append(
                network_policy(
                    f"{who.name}-preload",
                    who.namespace,
                    policy_spec(who.selector, egress_rules=rules),
                    child,
                )
            )
        for each in jobs:
            classes = [[claim.name, str(claim.spec.get("storage_class_name"))] for claim in claims]
            _job(who, each, _DEADLINE_SECONDS, _after(self, needed), made_for=classes)
        self.claim_names = tuple(claim.name for claim in claims)
        self.register_outputs({"claim_names": list(self.claim_names)})


class OldRevisions(pulumi.ComponentResource):
    """What no server needs any more is removed; made after the servers, it waits for them."""

    def __init__(
        self,
        name: str,
        *,
        who: Identity,
        jobs: Sequence[VolumeJob],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:storage:OldRevisions", name, None, opts)
        for each in jobs:
            _job(who, each, _COLLECT_DEADLINE_SECONDS, _after(self, []))
        self.register_outputs({})


def _claim(
    name: str, claim: Claim, who: Identity, parent: pulumi.Resource
) -> k8s.core.v1.PersistentVolumeClaim:
    """A claim, with its volume where nothing provisions one."""
    needed: list[pulumi.Resource] = []
    if claim.volume is not None:
        metadata = who.metadata(claim.volume_name)
        needed.append(
            k8s.core.v1.PersistentVolume(
                name,
                metadata={key: value for key, value in metadata.items() if key != "namespace"},  # pyright: ignore[reportArgumentType] - a part of the same dict
                spec=claim.volume,
                opts=pulumi.ResourceOptions(parent=parent),
            )
        )
    return k8s.core.v1.PersistentVolumeClaim(
        name,
        metadata={
            **who.metadata(claim.name),
            # A volume that waits for its first consumer is bound by the Job.
            "annotations": {**who.annotations, "pulumi.com/skipAwait": "true"},
        },
        spec=claim.spec,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=needed),
    )


def _after(parent: pulumi.Resource, needed: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent, depends_on=list(needed))


def _job(
    who: Identity,
    found: VolumeJob,
    deadline_seconds: int,
    opts: pulumi.ResourceOptions,
    *,
    made_for: object = None,
) -> None:
    """A Job that is named after its pod and what this is for: a change makes another one."""
    name = f"{who.name}-{who.role}-{short_hash([found.pod, found.labels, made_for])}"
    job(
        name,
        name,
        who,
        found.pod,
        opts,
        attempts=_ATTEMPTS,
        deadline_seconds=deadline_seconds,
        pod_labels=found.labels,
    )
