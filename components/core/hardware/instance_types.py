"""The AWS instance types with whole NVIDIA GPUs, read from `instance_types.csv`.

Sizes: Karpenter's AWS catalogue (`website/content/en/docs/reference/instance-types.md`). Prices:
its on-demand list (`pkg/providers/pricing/zz_generated.pricing_aws.go`). NVLink: NVSwitch joins the
GPUs of P4, P5 and P6 (aws-parallelcluster-cookbook pull request 3018), PCIe those of g families.
Fractional types (g6f, gr6f) report no GPU to Kubernetes and are left out, and so are ARM ones.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from components.core.hardware.gpus import GPUS, Gpu

CATALOGUE_DATE = date(2026, 7, 11)
"""Day on which Karpenter generated the sizes."""

PRICE_LIST_DATE = date(2026, 7, 20)
"""Day on which Karpenter generated the prices."""

PRICE_LIST_REGION = "us-east-1"
"""Where the prices hold; elsewhere and later they differ."""

_TABLE = Path(__file__).with_name("instance_types.csv")


@dataclass(frozen=True)
class InstanceType:
    """One kind of machine with GPUs.

    Attributes:
        name: EC2 name, or what its owner calls it.
        gpu: Kind of its GPUs.
        gpu_count: GPUs in the machine.
        vcpu: Virtual CPUs.
        memory_gib: Host memory in GiB, before what the system reserves.
        nvme_gb: Local NVMe in GB, 0 for none.
        usd_per_hour: On-demand price in `PRICE_LIST_REGION`; None where none is listed.
        efa: EFA network devices, 0 for none.
        nvlink: Whether NVLink joins the GPUs of the machine; else PCIe does.
    """

    name: str
    gpu: Gpu
    gpu_count: int
    vcpu: int
    memory_gib: int
    nvme_gb: int = 0
    usd_per_hour: float | None = None
    efa: int = 0
    nvlink: bool = False


def _instance_type(row: Mapping[str, str]) -> InstanceType:
    return InstanceType(
        name=row["name"],
        gpu=GPUS[row["gpu"]],
        gpu_count=int(row["gpu_count"]),
        vcpu=int(row["vcpu"]),
        memory_gib=int(row["memory_gib"]),
        nvme_gb=int(row["nvme_gb"]),
        usd_per_hour=float(row["usd_per_hour"]) if row["usd_per_hour"] else None,
        efa=int(row["efa"]),
        nvlink=row["nvlink"] == "yes",
    )


def _read() -> dict[str, InstanceType]:
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return {row["name"]: _instance_type(row) for row in csv.DictReader(lines)}


INSTANCE_TYPES: Mapping[str, InstanceType] = MappingProxyType(_read())
"""Every known instance type by its EC2 name."""
