"""What a stack may say about its cluster, its GPU pools, and hardware of its own."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from components.core.hardware import GPUS, INSTANCE_TYPES, Gpu, InstanceType
from components.core.settings import DnsLabel, PositiveInt, Settings
from components.document.quantities import Cidr, Zone

Capacity = Literal["reserved", "spot", "on-demand"]
MachineName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        max_length=63,
        description="Letters, digits, '.', '_' and '-', as in the label of a node.",
    ),
]
Usd = Annotated[float, Field(gt=0, le=10_000, strict=True)]
_Speed = Annotated[float, Field(gt=0, le=1_000_000, strict=True)]
_MIB_PER_GIB = 1024
_TENTHS = 10


class NodeClassSettings(Settings):
    """The node class that the cluster offers.

    `KWOKNodeClass` exists on the embedded control plane only, where nodes are simulated.
    """

    kind: Annotated[
        Literal["EC2NodeClass", "KWOKNodeClass"], Field(description="Kind of the node class.")
    ] = "EC2NodeClass"
    name: Annotated[
        DnsLabel, Field(description="Its name, lower-case letters, digits and '-'.")
    ] = "default"


class ClusterSettings(Settings):
    """The cluster that the stack belongs to."""

    context: Annotated[str, Field(min_length=1, description="Context of the kubeconfig.")]
    server: Annotated[
        str | None,
        Field(
            pattern=r"^https://",
            description="https:// address of its API server; no other one is then ever touched.",
        ),
    ] = None
    node_class: NodeClassSettings = NodeClassSettings()
    api_server_networks: Annotated[
        tuple[Cidr, ...],
        Field(
            min_length=1,
            description="Networks that the API server answers from, for the one pod that asks it.",
        ),
    ] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")


class GpuNodePoolSettings(Settings):
    """What a stack may say about one pool."""

    instance_types: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="Machines among which Karpenter chooses, of the catalogue or of "
            "hardware.instance_types.",
        ),
    ]
    capacity: Annotated[
        tuple[Capacity, ...], Field(min_length=1, description="How they may be bought.")
    ] = ("on-demand",)
    max_gpus: Annotated[
        PositiveInt, Field(le=100_000, description="Ceiling on GPUs, and so on spend.")
    ]
    zones: Annotated[
        tuple[Zone, ...], Field(description="Zones of its nodes; left out, the node class's.")
    ] = ()


class GpuSettings(Settings):
    """A GPU that the catalogue lacks; what is left out is unknown to the plan."""

    memory_gib: Annotated[
        float,
        Field(
            ge=1, le=10_000, strict=True, description="Total of one GPU as CUDA reports it, GiB."
        ),
    ]
    compute_capability: Annotated[
        float | None,
        Field(ge=3, lt=100, strict=True, description="As NVIDIA writes it, such as 8.9."),
    ] = None
    bandwidth_gb_per_s: Annotated[_Speed | None, Field(description="Of its memory, GB/s.")] = None
    tflops_16bit: Annotated[_Speed | None, Field(description="Dense TFLOPS in BF16.")] = None
    tflops_fp8: Annotated[_Speed | None, Field(description="Dense TFLOPS in FP8.")] = None
    nvlink_gb_per_s: Annotated[
        _Speed | None, Field(description="NVLink of one GPU, both directions, GB/s.")
    ] = None
    pcie_gb_per_s: Annotated[
        _Speed | None, Field(description="PCIe of one GPU, both directions, GB/s.")
    ] = None


class InstanceTypeSettings(Settings):
    """A machine that the catalogue lacks."""

    gpu: Annotated[str, Field(description="A GPU of hardware.gpus or of the catalogue.")]
    gpu_count: Annotated[PositiveInt, Field(le=64, description="GPUs in the machine.")]
    vcpu: Annotated[PositiveInt, Field(le=4096, description="CPUs.")]
    memory_gib: Annotated[PositiveInt, Field(le=2**20, description="Host memory, GiB.")]
    nvlink: Annotated[
        bool, Field(strict=True, description="Whether NVLink joins the GPUs; else PCIe does.")
    ] = False
    nvme_gb: Annotated[
        int, Field(ge=0, le=10_000_000, strict=True, description="Local NVMe, GB; 0 for none.")
    ] = 0
    usd_per_hour: Annotated[Usd | None, Field(description="Price of the machine, USD an hour.")] = (
        None
    )


class HardwareSettings(Settings):
    """Hardware and prices of one's own, which come before those of the catalogue."""

    gpus: Annotated[dict[DnsLabel, GpuSettings], Field(description="GPUs by name.")] = Field(
        default_factory=dict
    )
    instance_types: Annotated[
        dict[MachineName, InstanceTypeSettings], Field(description="Machines by name.")
    ] = Field(default_factory=dict)
    prices: Annotated[
        dict[MachineName, Usd],
        Field(description="USD an hour of a machine, instead of the catalogue's."),
    ] = Field(default_factory=dict)

    def known_gpus(self) -> Mapping[str, Gpu]:
        """The catalogue's GPUs and the stack's own, by name."""
        own = {name: _gpu(name, settings) for name, settings in self.gpus.items()}
        return MappingProxyType({**GPUS, **own})

    def machines(self) -> Mapping[str, InstanceType]:
        """The catalogue's machines and the stack's own by name, at the stack's prices.

        A machine whose GPU nobody knows is left out; `checks` refuses it.
        """
        gpus = self.known_gpus()
        own = {
            name: _machine(name, settings, gpus[settings.gpu])
            for name, settings in self.instance_types.items()
            if settings.gpu in gpus
        }
        known = {
            name: replace(machine, gpu=gpus[machine.gpu.name])
            for name, machine in INSTANCE_TYPES.items()
        }
        priced = {
            name: replace(machine, usd_per_hour=self.prices.get(name, machine.usd_per_hour))
            for name, machine in {**known, **own}.items()
        }
        return MappingProxyType(priced)


def whole_machine_gpus(replicas: Mapping[int, int], sizes: Collection[int]) -> int:
    """GPUs of the fewest machines that hold every replica; a machine is bought whole.

    Args:
        replicas: How many replicas there are by the GPUs that one takes.
        sizes: GPUs of the machines that may be bought.
    """
    free: Counter[int] = Counter()
    bought = 0
    for wanted in sorted(replicas, reverse=True):
        size = min((each for each in sizes if each >= wanted), default=wanted)
        for _ in range(replicas[wanted]):
            room = min(
                (left for left, count in free.items() if count and left >= wanted), default=0
            )
            if room:
                free[room] -= 1
            else:
                bought += size
            free[(room or size) - wanted] += 1
    return bought


def _gpu(name: str, settings: GpuSettings) -> Gpu:
    capability = settings.compute_capability
    memory = round(settings.memory_gib * _MIB_PER_GIB)
    return Gpu(
        name=name,
        memory_mib=memory,
        cuda_memory_mib=memory,
        compute_capability=None
        if capability is None
        else divmod(round(capability * _TENTHS), _TENTHS),
        bandwidth_gb_per_s=settings.bandwidth_gb_per_s,
        tflops_16bit=settings.tflops_16bit,
        tflops_fp8=settings.tflops_fp8,
        nvlink_gb_per_s=settings.nvlink_gb_per_s,
        pcie_gb_per_s=settings.pcie_gb_per_s,
    )


def _machine(name: str, settings: InstanceTypeSettings, gpu: Gpu) -> InstanceType:
    return InstanceType(
        name=name,
        gpu=gpu,
        gpu_count=settings.gpu_count,
        vcpu=settings.vcpu,
        memory_gib=settings.memory_gib,
        nvlink=settings.nvlink,
        nvme_gb=settings.nvme_gb,
        usd_per_hour=settings.usd_per_hour,
    )
