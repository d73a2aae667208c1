"""The values that a model cache is described in: where it belongs, its claims, who mounts them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulumi_kubernetes.core.v1 import (
    PersistentVolumeClaimArgsDict,
    PersistentVolumeClaimSpecArgsDict,
    PersistentVolumeSpecArgsDict,
    VolumeArgsDict,
)

VOLUME = "models"
"""Name of the weights' volume in every pod."""
SHARED = "shared"
"""Name of the volume that weights are copied from."""

_POD_INDEX = "apps.kubernetes.io/pod-index"
"""Label that the StatefulSet controller gives to each of its pods (Kubernetes 1.28)."""


@dataclass(frozen=True)
class Place:
    """Where a cache belongs.

    Attributes:
        app: What reads it: `vllm`, `ollama`.
        service: Name of the server that reads it.
        namespace: Where it lives.
        replicas: Of the server.
        zones: Of the server's nodes; empty where nobody says.
        uid: User of server and Jobs.
        gid: Their group.
    """

    app: str
    service: str
    namespace: str
    replicas: int
    zones: tuple[str, ...]
    uid: int
    gid: int

    @property
    def tainted(self) -> bool:
        """Whether the server's nodes are tainted: those with GPUs are."""
        return self.app == "vllm"


@dataclass(frozen=True)
class Claim:
    """A claim to make.

    Attributes:
        name: Of the claim.
        spec: Of the claim.
        several: Whether there are, or may come to be, others beside it.
        volume_name: Of the volume that it is bound to; empty where a class provisions one.
        volume: `spec` of that volume.
    """

    name: str
    spec: PersistentVolumeClaimSpecArgsDict
    several: bool = False
    volume_name: str = ""
    volume: PersistentVolumeSpecArgsDict | None = None


@dataclass(frozen=True)
class Writable:
    """A volume as the Job that fills it mounts it.

    Attributes:
        claim: Its claim.
        holders: Labels of the pods that hold the volume on their node; empty where many nodes can.
        index: Ordinal of the one pod that holds it; None for any.
        tainted: Whether their nodes are tainted, as GPU nodes are.
        node_labels: Labels of the nodes that can mount it.
        zones: Where the volume may come to be, for one that is made where its first pod runs.
        staged: Whether nothing can be renamed there, so that files are made whole elsewhere.
    """

    claim: str
    holders: Mapping[str, str] = field(default_factory=dict[str, str])
    index: int | None = None
    tainted: bool = False
    node_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    zones: tuple[str, ...] = ()
    staged: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """What a Job's pod carries beside its own labels, so that it matches its own affinity."""
        return {} if self.index is None else {_POD_INDEX: str(self.index)}

    @property
    def together_with(self) -> dict[str, str]:
        """Labels of the pods on whose node the Job has to run; empty for any node."""
        return {**self.holders, **self.labels} if self.holders else {}


@dataclass(frozen=True)
class ModelVolumes:
    """What one choice of storage comes to.

    Attributes:
        claims: To make before anything else.
        writable: One for each volume that has to be filled.
        served: Volumes of the server's pod.
        claim_templates: Of a server whose pods have a volume each.
        node_labels: Of the nodes that can mount what is served.
    """

    claims: tuple[Claim, ...] = ()
    writable: tuple[Writable, ...] = ()
    served: tuple[VolumeArgsDict, ...] = ()
    claim_templates: tuple[PersistentVolumeClaimArgsDict, ...] = ()
    node_labels: Mapping[str, str] = field(default_factory=dict[str, str])


def claimed(name: str, claim: str) -> VolumeArgsDict:
    """A pod's volume of a claim."""
    return {"name": name, "persistent_volume_claim": {"claim_name": claim}}
