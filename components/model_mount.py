"""How a server's pod gets at its weights: one value for every kind of storage and of workload."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    PersistentVolumeClaimArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)
from pulumi_kubernetes.networking.v1 import NetworkPolicyEgressRuleArgsDict

from components.document.cache import ModelCache, NvmeCache, S3Cache
from components.document.serve_line import MODELS, streams
from components.network import internet_egress, pod_identity_egress
from components.preload_pods import Preload, check_step, config_volumes, copy_step
from components.volumes import VOLUME, ModelVolumes


@dataclass(frozen=True)
class ModelMount:
    """What a pod spec takes from a model cache.

    Attributes:
        volumes: Volumes of the pod.
        mounts: Mounts of the engine's container; weights are read-only in all of them.
        init_containers: Run before the engine: nothing half-written is ever served.
        claim_templates: Claims of which each pod has its own, so that the workload is a StatefulSet
            (or a LeaderWorkerSet with such templates); they adopt claims that are there already.
        node_labels: Labels of the nodes that can mount the weights.
        environment: Further variables of the engine.
        account_annotations: Of the server's account.
        egress: Where the engine itself reads from outside the cluster.
    """

    volumes: tuple[VolumeArgsDict, ...]
    mounts: tuple[VolumeMountArgsDict, ...]
    init_containers: tuple[ContainerArgsDict, ...] = ()
    claim_templates: tuple[PersistentVolumeClaimArgsDict, ...] = ()
    node_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    account_annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    egress: tuple[NetworkPolicyEgressRuleArgsDict, ...] = ()


def server_mount(cache: ModelCache, preload: Preload, volumes: ModelVolumes) -> ModelMount:
    """What the servers of a cache take from it.

    Every volume is checked before the engine starts, an image's too: it is built by the same
    program (`fetch` into a folder), so it has the same folders and the marker, and one of another
    model is found before a GPU waits for it.
    """
    if isinstance(cache, S3Cache) and streams(cache):
        return _streamed(cache)
    first = copy_step(preload) if isinstance(cache, NvmeCache) else check_step(preload)
    return ModelMount(
        volumes=(*volumes.served, *config_volumes(preload, server=True)),
        mounts=({"name": VOLUME, "mount_path": MODELS, "read_only": True},),
        init_containers=(first,),
        claim_templates=volumes.claim_templates,
        node_labels=volumes.node_labels,
    )


def _streamed(cache: S3Cache) -> ModelMount:
    """No volume: the engine reads by an identity of its account, never by the node's."""
    role = {} if cache.role_arn is None else {"eks.amazonaws.com/role-arn": cache.role_arn}
    agent = () if role else (pod_identity_egress(),)
    return ModelMount(
        volumes=(),
        mounts=(),
        environment={
            "AWS_REGION": cache.region,
            "AWS_DEFAULT_REGION": cache.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        account_annotations=role,
        egress=(internet_egress(), *agent),
    )
