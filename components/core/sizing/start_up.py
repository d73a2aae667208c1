"""How long a replica takes from "wanted" to its first answer, phase by phase.

Each phase is a range: the shortest and the longest that published starts show, and what to expect
between them. The sum of the longest ones inside the container is what a startup probe must allow.
A number that no published start shows is called an assumption in its source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Compile = Literal["cold", "warm", "off"]

VLLM_IMAGE_GB = 9.04
"""Compressed size of vllm/vllm-openai:v0.31.0 for amd64."""

_MIB_PER_GIB = 1024
_MB_PER_GB = 1000


@dataclass(frozen=True)
class Range:
    """A number that varies: seconds of a phase, or a rate; low and high by value, not by merit."""

    low: float
    expected: float
    high: float

    def __add__(self, other: "Range") -> "Range":
        """The sum, bound by bound."""
        return Range(self.low + other.low, self.expected + other.expected, self.high + other.high)


NOTHING = Range(0, 0, 0)


@dataclass(frozen=True)
class Phase:
    """One part of a start.

    Attributes:
        name: What happens.
        seconds: How long it takes.
        in_container: Whether the engine's container runs already, so that its probe counts.
        source: Where the numbers come from.
    """

    name: str
    seconds: Range
    in_container: bool
    source: str


@dataclass(frozen=True)
class Storage:
    """Where weights are read from, in MiB/s.

    Attributes:
        volume: What it delivers to one node.
        loader: What the engine's default loader gets out of it, however fast it is.
        source: Where the numbers come from.
    """

    volume: Range
    loader: Range
    source: str


_RUNAI = "Run:ai Model Streamer benchmark, Llama-3-8B of 15 GB on an A10G"
_EBS_LOADER = Range(298, 325, 325)
_SHARED_LOADER = Range(298, 325, 1013)

STORAGE: Mapping[str, Storage] = MappingProxyType(
    {
        "gp3": Storage(
            Range(125, 125, 1000),
            _EBS_LOADER,
            f"125 MiB/s unless the StorageClass asks for more, 1000 at most; loader: {_RUNAI}",
        ),
        "io2": Storage(Range(1000, 1907, 4000), _EBS_LOADER, f"{_RUNAI}; its low is an assumption"),
        "efs": Storage(
            Range(500, 1500, 1500),
            _SHARED_LOADER,
            "EFS performance limits per client, provisioned and elastic; loader: as EBS up to "
            "GLM-5.2's 361 GiB in 365 s on one node",
        ),
        "fsx-lustre": Storage(
            Range(150, 1000, 96256),
            _SHARED_LOADER,
            "low and expected are assumptions (1.2 TiB at 125 MB/s per TiB, 1 GB/s); high: AWS's "
            "94 GiB/s with GPUDirect on P5en; loader: as EFS",
        ),
        "s3": Storage(
            Range(1000, 2919, 2919),
            Range(1000, 2919, 2919),
            f"{_RUNAI}, 32 threads; read by the streamer only; its low is an assumption",
        ),
        "nvme": Storage(
            Range(500, 1240, 7000),
            Range(500, 1240, 1240),
            "21.8 GiB in 18 s (vLLM issue 44881); low and high are assumptions",
        ),
        "page-cache": Storage(
            Range(5207, 6560, 8926),
            Range(5207, 6560, 8926),
            "Qwen2.5-32B in 7 to 12 s when the node had read it before (Kempner Institute)",
        ),
        "unknown": Storage(
            Range(125, 325, 1240),
            Range(125, 325, 1240),
            "an assumption: between a default gp3 volume and local NVMe",
        ),
    }
)
"""Kinds of storage by their names in the stack document."""


@dataclass(frozen=True)
class StartUp:
    """What decides how long a start takes.

    Attributes:
        weight_gib: Weights that the node reads, all GPUs of the replica together, in GiB.
        layers: Layers of the model.
        storage: A key of `STORAGE`.
        throughput_mib_per_second: What the volume was bought with; None for the kind's own range.
        copied_from: Key of `STORAGE` that a new pod first copies the weights from; None where it
            reads them where they are.
        streamed: Whether the Run:ai streamer reads the weights instead of the default loader.
        tensor_parallel: GPUs that work together.
        compile: `cold`, `warm` with a cache that the replicas share, or `off` (`enforce_eager`).
        graph_sizes: Batch sizes for which CUDA graphs are captured; 0 with `enforce_eager`.
        new_node: Whether a node has to be bought first, which then has no image either.
        image_gb: Compressed size of the engine's image in GB.
    """

    weight_gib: float
    layers: int
    storage: str = "unknown"
    throughput_mib_per_second: float | None = None
    copied_from: str | None = None
    streamed: bool = False
    tensor_parallel: int = 1
    compile: Compile = "cold"
    graph_sizes: int = 51
    new_node: bool = True
    image_gb: float = VLLM_IMAGE_GB


def phases(start: StartUp) -> tuple[Phase, ...]:
    """The phases of a start in their order; one that does not happen takes no time.

    Raises:
        ValueError: The storage is unknown or a number is out of range.
    """
    return (
        _node(start),
        _image(start),
        *_copy(start),
        _engine(),
        _links(start),
        _weights(start),
        _compilation(start),
        _graphs(start),
    )


def total(parts: tuple[Phase, ...]) -> Range:
    """Seconds from "wanted" to the first answer."""
    return sum((part.seconds for part in parts), NOTHING)


def probe_seconds(parts: tuple[Phase, ...]) -> float:
    """Seconds that a startup probe must allow: the longest start inside the container."""
    return sum(part.seconds.high for part in parts if part.in_container)


def _node(start: StartUp) -> Phase:
    return Phase(
        "node",
        Range(39, 150, 410) if start.new_node else NOTHING,
        in_container=False,
        source="low: kubelet registered after 39 s without a GPU (amazon-eks-ami issue 1099, which "
        "says that GPU types boot longer); expected: an assumption; high: provisioning and "
        "preparing of an A100 node on Azure (kaito issue 2325)",
    )


def _image(start: StartUp) -> Phase:
    megabytes = start.image_gb * _MB_PER_GB
    return Phase(
        "image",
        _time(megabytes, Range(17, 37, 90)) if start.new_node else NOTHING,
        in_container=False,
        source="pull and unpack in MB/s: 17 from 10 GB in 10 min (Tensorfuse), 37 from 20.2 GB in "
        "9 min (BentoML), 90 from a vLLM image in 101 s (kaito issue 2325, its size assumed)",
    )


def _engine() -> Phase:
    return Phase(
        "engine",
        Range(13, 42, 311),
        in_container=True,
        source="processes, CUDA, profiling. Low: 18 s beside loading less 5 s of graphs (Run:ai "
        "Model Streamer benchmark, vLLM 0.5.5); expected: 59 s to the first answer less 17 s of "
        "graphs (vLLM issue 20264); high: container 150, NCCL 30, profiling 131 s "
        "(talos-argocd-proxmox pull request 1848)",
    )


def _links(start: StartUp) -> Phase:
    return Phase(
        "links",
        Range(0, 30, 60) if start.tensor_parallel > 1 else NOTHING,
        in_container=True,
        source="NCCL 30 s (talos-argocd-proxmox pull request 1848), peer-to-peer check 60 s at "
        "TP 8 (vLLM issue 19824), which is cached afterwards",
    )


def _copy(start: StartUp) -> tuple[Phase, ...]:
    """Before the engine's container runs; an emptyDir is empty in every new pod."""
    if start.copied_from is None:
        return ()
    source = _storage(start.copied_from)
    return (
        Phase(
            "copy",
            _time(start.weight_gib * _MIB_PER_GIB, source.volume),
            in_container=False,
            source=f"what the shared volume delivers to one node: {source.source}",
        ),
    )


def _storage(name: str) -> Storage:
    storage = STORAGE.get(name)
    if storage is None:
        raise ValueError(f"storage {name!r} is unknown; choose one of {', '.join(STORAGE)}")
    return storage


def _weights(start: StartUp) -> Phase:
    storage = _storage(start.storage)
    if start.weight_gib <= 0:
        raise ValueError(f"weight_gib {start.weight_gib} must be above 0")
    bought = start.throughput_mib_per_second
    if bought is not None and bought <= 0:
        raise ValueError(f"throughput_mib_per_second {bought} must be above 0")
    volume = storage.volume if bought is None else Range(bought, bought, bought)
    rate = volume if start.streamed else _slower(volume, storage.loader)
    return Phase(
        "weights",
        _time(start.weight_gib * _MIB_PER_GIB, rate),
        in_container=True,
        source=storage.source,
    )


def _compilation(start: StartUp) -> Phase:
    expected = 0.9 * start.layers
    seconds = {
        "cold": Range(min(3.5, expected), expected, max(166, expected)),
        "warm": Range(0, 7, 25),
        "off": NOTHING,
    }[start.compile]
    return Phase(
        "compile",
        seconds,
        in_container=True,
        source="cold: 59 s for 64 layers (Kempner Institute) and 70 s for 80 (vLLM issue 19824), "
        "3.5 to 166 s in published logs, 2219 s in one (vLLM issue 34399); warm: 7 s "
        "(llm-d fast-model-actuation issue 111), 25 s for 70B (vLLM issue 20402)",
    )


def _graphs(start: StartUp) -> Phase:
    if start.graph_sizes < 0:
        raise ValueError(f"graph_sizes {start.graph_sizes} must be 0 or more")
    n = start.graph_sizes
    return Phase(
        "graphs",
        Range(5 / 67 * n, 27 / 67 * n, 90 / 67 * n),
        in_container=True,
        source="5 to 90 s in published logs, 25 to 29 s for Qwen2.5-32B (Kempner Institute), per "
        "size of the 67 that were the default then (the number is an assumption)",
    )


def _slower(one: Range, other: Range) -> Range:
    return Range(
        min(one.low, other.low), min(one.expected, other.expected), min(one.high, other.high)
    )


def _time(amount: float, rate: Range) -> Range:
    """Seconds for an amount at a rate: the highest rate takes the least time."""
    return Range(amount / rate.high, amount / rate.expected, amount / rate.low)
