"""The platform's own GPU catalogue in the form that Karpenter's kwok provider reads.

Every requirement stands in the offerings: there the provider registers its key as well known,
matches it and copies it to the node, so a NodePool written for AWS runs unchanged but for its
`nodeClassRef` (`kwok/cloudprovider/helpers.go` of Karpenter 1.14).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.core.conventions import GPU_RESOURCE
from components.core.hardware import InstanceType
from tools.control_plane.objects import ZONES

SPOT_PRICE_RATIO = 0.7
"""Spot price over on-demand price: an assumption, the ratio of Karpenter's own generated kwok
catalogue. Real spot prices move; nothing but the order "spot is cheaper" rests on it."""
_CAPACITY_PRICES = {"spot": SPOT_PRICE_RATIO, "on-demand": 1.0}

_NAME = re.compile(
    r"(?P<family>(?P<category>[a-z]+)(?P<generation>\d+)[a-z]*(?:-[a-z0-9]+)?)\.(?P<size>\w+)"
)

# How much memory a pod really gets is Karpenter's AWS provider's arithmetic
# (`pkg/providers/instancetype/types.go`): 7.5 % for the hypervisor, then kubelet's reserve of
# 255 MiB and 11 MiB a pod, then 100 MiB of eviction threshold. Checked against its published
# tables: g5.xlarge 14162 MiB, g6e.2xlarge 59627 MiB.
_HYPERVISOR_SHARE = 0.075
_RESERVED_MIB = 255 + 100
_RESERVED_MIB_PER_POD = 11
_MIB_PER_GIB = 1024
_SMALL_VCPU = 8
_SMALL_PODS = 58  # network interfaces of 4 and 8 vCPU g types carry 58 pods
_PODS = 110  # Kubernetes' own ceiling per node; an assumption for the larger types


def instance_types(catalogue: Mapping[str, InstanceType]) -> list[dict[str, Any]]:
    """The content of `INSTANCE_TYPES_FILE_PATH`.

    Args:
        catalogue: Instance types by name. One without a price in the region cannot be bought
            there and is left out.
    """
    return [_entry(kind) for kind in catalogue.values() if kind.usd_per_hour is not None]


def allocatable_mib(kind: InstanceType) -> int:
    """Memory in MiB that pods can ask for on a node of this type."""
    total = kind.memory_gib * _MIB_PER_GIB
    reserved = _RESERVED_MIB + _RESERVED_MIB_PER_POD * _pods(kind)
    return int(total * (1 - _HYPERVISOR_SHARE)) - reserved


def _entry(kind: InstanceType) -> dict[str, Any]:
    return {
        "name": kind.name,
        "architecture": "amd64",
        "operatingSystems": ["linux"],
        "resources": {
            "cpu": str(kind.vcpu),
            "memory": f"{allocatable_mib(kind)}Mi",
            "pods": str(_pods(kind)),
            "ephemeral-storage": f"{kind.nvme_gb}G",
            GPU_RESOURCE: str(kind.gpu_count),
        },
        "offerings": list(_offerings(kind)),
    }


def _offerings(kind: InstanceType) -> Iterator[dict[str, Any]]:
    price = kind.usd_per_hour or 0.0
    for capacity, ratio in _CAPACITY_PRICES.items():
        for zone in ZONES:
            labels = {
                "karpenter.sh/capacity-type": capacity,
                "topology.kubernetes.io/zone": zone,
                **_labels(kind),
            }
            yield {
                "Price": round(price * ratio, 6),
                "Available": True,
                "Requirements": [
                    {"key": key, "operator": "In", "values": [value]}
                    for key, value in labels.items()
                ],
            }


def _labels(kind: InstanceType) -> dict[str, str]:
    """The labels that Karpenter's AWS provider would put on a node of this type.

    Raises:
        ValueError: The name is none of EC2's.
    """
    match = _NAME.fullmatch(kind.name)
    if match is None:
        raise ValueError(f"{kind.name} is not an EC2 instance type name, such as g6.xlarge")
    return {
        "node.kubernetes.io/instance-type": kind.name,
        "karpenter.k8s.aws/instance-category": match["category"],
        "karpenter.k8s.aws/instance-family": match["family"],
        "karpenter.k8s.aws/instance-generation": match["generation"],
        "karpenter.k8s.aws/instance-size": match["size"],
        "karpenter.k8s.aws/instance-cpu": str(kind.vcpu),
        "karpenter.k8s.aws/instance-memory": str(kind.memory_gib * _MIB_PER_GIB),
        "karpenter.k8s.aws/instance-local-nvme": str(kind.nvme_gb),
        "karpenter.k8s.aws/instance-gpu-name": kind.gpu.label or kind.gpu.name,
        "karpenter.k8s.aws/instance-gpu-manufacturer": "nvidia",
        "karpenter.k8s.aws/instance-gpu-count": str(kind.gpu_count),
        "karpenter.k8s.aws/instance-gpu-memory": str(kind.gpu.memory_mib),
    }


def _pods(kind: InstanceType) -> int:
    return _SMALL_PODS if kind.vcpu <= _SMALL_VCPU else _PODS
