"""GPUs and the AWS instance types that carry them: memory, host size, price.

Source of every row: Karpenter's AWS catalogue of 2026-07-11 (memory per GPU in MiB, as in the label
`karpenter.k8s.aws/instance-gpu-memory`) and its us-east-1 on-demand price list of 2026-07-20.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU.

    Attributes:
        name: As in the node label `karpenter.k8s.aws/instance-gpu-name`.
        memory_mib: Memory of one GPU in MiB.
        nvlink: Whether several GPUs of one instance are joined by NVLink (else PCIe).
    """

    name: str
    memory_mib: int
    nvlink: bool = False


@dataclass(frozen=True)
class InstanceType:
    """One AWS instance type with GPUs.

    Attributes:
        name: EC2 name.
        gpu: Kind of its GPUs.
        gpu_count: GPUs in the instance.
        vcpu: Virtual CPUs.
        memory_gib: Host memory in GiB, before what the system reserves.
        nvme_gb: Local NVMe in GB, 0 for none.
        usd_per_hour: On-demand price in us-east-1; None where none is listed.
    """

    name: str
    gpu: Gpu
    gpu_count: int
    vcpu: int
    memory_gib: int
    nvme_gb: int
    usd_per_hour: float | None


_T4 = Gpu("t4", 16384)
_A10G = Gpu("a10g", 22888)
_L4 = Gpu("l4", 22888)
_L40S = Gpu("l40s", 45776)
_A100_40 = Gpu("a100", 40960, nvlink=True)
_A100_80 = Gpu("a100", 81920, nvlink=True)
_H100 = Gpu("h100", 81920, nvlink=True)
_H200 = Gpu("h200", 144384, nvlink=True)

_ROWS = (
    InstanceType("g4dn.xlarge", _T4, 1, 4, 16, 125, 0.526),
    InstanceType("g4dn.2xlarge", _T4, 1, 8, 32, 225, 0.752),
    InstanceType("g4dn.4xlarge", _T4, 1, 16, 64, 225, 1.204),
    InstanceType("g4dn.8xlarge", _T4, 1, 32, 128, 900, 2.176),
    InstanceType("g4dn.12xlarge", _T4, 4, 48, 192, 900, 3.912),
    InstanceType("g5.xlarge", _A10G, 1, 4, 16, 250, 1.006),
    InstanceType("g5.2xlarge", _A10G, 1, 8, 32, 450, 1.212),
    InstanceType("g5.4xlarge", _A10G, 1, 16, 64, 600, 1.624),
    InstanceType("g5.8xlarge", _A10G, 1, 32, 128, 900, 2.448),
    InstanceType("g5.12xlarge", _A10G, 4, 48, 192, 3800, 5.672),
    InstanceType("g5.48xlarge", _A10G, 8, 192, 768, 7600, 16.288),
    InstanceType("g6.xlarge", _L4, 1, 4, 16, 250, 0.8048),
    InstanceType("g6.2xlarge", _L4, 1, 8, 32, 450, 0.9776),
    InstanceType("g6.4xlarge", _L4, 1, 16, 64, 600, 1.3232),
    InstanceType("g6.8xlarge", _L4, 1, 32, 128, 900, 2.0144),
    InstanceType("g6.12xlarge", _L4, 4, 48, 192, 3760, 4.6016),
    InstanceType("g6.48xlarge", _L4, 8, 192, 768, 7520, 13.3504),
    InstanceType("g6e.xlarge", _L40S, 1, 4, 32, 250, 1.861),
    InstanceType("g6e.2xlarge", _L40S, 1, 8, 64, 450, 2.24208),
    InstanceType("g6e.4xlarge", _L40S, 1, 16, 128, 600, 3.00424),
    InstanceType("g6e.8xlarge", _L40S, 1, 32, 256, 900, 4.52856),
    InstanceType("g6e.12xlarge", _L40S, 4, 48, 384, 3800, 10.49264),
    InstanceType("g6e.48xlarge", _L40S, 8, 192, 1536, 7600, 30.13118),
    InstanceType("p4d.24xlarge", _A100_40, 8, 96, 1152, 8000, 21.957642),
    InstanceType("p4de.24xlarge", _A100_80, 8, 96, 1152, 8000, 27.44705),
    InstanceType("p5.4xlarge", _H100, 1, 16, 256, 3800, 6.88),
    InstanceType("p5.48xlarge", _H100, 8, 192, 2048, 30400, 55.04),
    InstanceType("p5e.48xlarge", _H200, 8, 192, 2048, 30400, None),
    InstanceType("p5en.48xlarge", _H200, 8, 192, 2048, 30400, 63.296),
)

INSTANCE_TYPES: Mapping[str, InstanceType] = MappingProxyType({row.name: row for row in _ROWS})
"""Every known instance type by its EC2 name."""
