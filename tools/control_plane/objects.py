"""The objects that a fresh cluster holds beside Kubernetes' own; plain data.

Two ordinary nodes, the storage classes of an EKS cluster and the class that Karpenter's NodePools
name. Namespaces and workloads are the stacks' business.
"""

from dataclasses import dataclass
from typing import Any

from tools.control_plane.components import FAKE_NODE_ANNOTATION

ZONES = ("us-east-1a", "us-east-1b")
"""Zones of the simulated region; prices of the catalogue are this region's."""
REGION = "us-east-1"

_NODE_TYPE = "m6i.4xlarge"  # 16 vCPU, 64 GiB: the general-purpose size that the nodes pretend to be
_NODE_RESOURCES = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}


@dataclass(frozen=True)
class BaseObject:
    """One object and its path in the API."""

    path: str
    body: dict[str, Any]
    subresource_body: dict[str, Any] | None = None
    """What to apply to `<path>/status`, for the part that the main path ignores."""


def node_names() -> tuple[str, ...]:
    """Names of the base nodes, one a zone."""
    return tuple(f"cpu-{zone}" for zone in ZONES)


def base_objects() -> tuple[BaseObject, ...]:
    """Everything but the CRDs."""
    return (
        *(_node(name, zone) for name, zone in zip(node_names(), ZONES, strict=True)),
        # kind's default class waits for a pod too.
        _storage_class("standard", "kwok.x-k8s.io/volume", "WaitForFirstConsumer", default=True),
        # Binding modes as the EKS add-ons document their drivers: a disk lives in one zone and so
        # waits for the pod's, a file system is everywhere.
        _storage_class("gp3", "ebs.csi.aws.com", "WaitForFirstConsumer"),
        _storage_class("efs", "efs.csi.aws.com", "Immediate"),
        _storage_class("fsx", "fsx.csi.aws.com", "Immediate"),
        _node_class(),
    )


def _node(name: str, zone: str) -> BaseObject:
    identity = {"apiVersion": "v1", "kind": "Node"}
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": _NODE_TYPE,
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": zone,
    }
    metadata = {"name": name, "labels": labels, "annotations": FAKE_NODE_ANNOTATION}
    resources = {"capacity": _NODE_RESOURCES, "allocatable": _NODE_RESOURCES}
    return BaseObject(
        path=f"/api/v1/nodes/{name}",
        body={**identity, "metadata": metadata},
        subresource_body={**identity, "metadata": {"name": name}, "status": resources},
    )


def _storage_class(
    name: str, provisioner: str, binding: str, *, default: bool = False
) -> BaseObject:
    annotation = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    return BaseObject(
        path=f"/apis/storage.k8s.io/v1/storageclasses/{name}",
        body={
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name, "annotations": annotation},
            "provisioner": provisioner,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": binding,
            "allowVolumeExpansion": True,
        },
    )


def _node_class() -> BaseObject:
    return BaseObject(
        path="/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses/default",
        body={
            "apiVersion": "karpenter.kwok.sh/v1alpha1",
            "kind": "KWOKNodeClass",
            "metadata": {"name": "default"},
        },
    )
