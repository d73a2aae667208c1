"""The whole answer for one model on one machine: verdict, users, memory, start, speed, price."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.core.hardware import InstanceType
from components.core.sizing.devices import device_of
from components.core.sizing.fixes import Fix, nearest_fixes
from components.core.sizing.request import Load, Model, SizingError, Traffic
from components.core.sizing.speed import replica_bounds
from components.core.sizing.start_up import Phase, Range, StartUp, phases, total
from components.core.sizing.throughput import Bounds, usd_per_million_tokens
from components.core.sizing.verdict import GIB, Fit, fit
from components.core.sizing.weights import checkpoint_bytes

_PROCESS_GIB = 4.0
"""Host memory of the API server and the engine's core: 3 GB were measured on the CPU build."""
_RANK_GIB = 2.0
"""Host memory of one GPU's worker, an assumption: CUDA libraries and pinned buffers."""
_SHM_GIB = 1.0
"""/dev/shm of a replica on one GPU, and again for each further GPU: NCCL and the engine's message
queues fail at the runtime's 64 MiB (vLLM issue 1710); the size is an assumption with margin."""
HOURS_PER_MONTH = 730


@dataclass(frozen=True)
class Start:
    """From where weights are read, and what is warm.

    Attributes:
        storage: A key of `start_up.STORAGE`.
        throughput_mib_per_second: What the volume was bought with; None for the kind's own range.
        copied_from: Key of the storage that a new pod first copies the weights from, if it does.
        compile_cache: Whether compiled code is shared by the replicas.
        new_node: Whether a node has to be bought first.
    """

    storage: str = "unknown"
    throughput_mib_per_second: float | None = None
    copied_from: str | None = None
    compile_cache: bool = False
    new_node: bool = True


@dataclass(frozen=True)
class Plan:
    """What one replica of a model on one machine comes to.

    Attributes:
        model: Its name.
        machine: Name of the instance type.
        load: The engine's settings.
        fit: How a GPU's memory is shared out, and the verdict.
        fixes: What would help, nearest first; empty where it starts.
        concurrency: Requests of the typical length at once, at most `max_num_seqs`.
        shm_gib: /dev/shm to give each pod, GiB; counts against its memory.
        host_memory_gib: Memory to request for each pod, GiB, shm included.
        phases: Of a start.
        bounds: The roofline; None where the GPU's speed is not known.
        usd_per_hour: Share of the machine's price by GPUs; None where no price is known.
        usd_per_million_tokens: The least a million output tokens can cost, at the traffic's
            utilisation; None without speed or price.
        notes: What else a reader should know, a sentence each.
    """

    model: str
    machine: str
    load: Load
    fit: Fit
    fixes: tuple[Fix, ...]
    concurrency: int
    shm_gib: float
    host_memory_gib: float
    phases: tuple[Phase, ...]
    bounds: Bounds | None
    usd_per_hour: float | None
    usd_per_million_tokens: float | None
    notes: tuple[str, ...]

    @property
    def start_seconds(self) -> Range:
        """Seconds from "wanted" to the first answer."""
        return total(self.phases)

    @property
    def usd_per_month(self) -> float | None:
        """Price of a replica for 730 hours."""
        return None if self.usd_per_hour is None else self.usd_per_hour * HOURS_PER_MONTH


def plan(
    model: Model,
    machine: InstanceType,
    load: Load,
    traffic: Traffic | None = None,
    start: Start | None = None,
) -> Plan:
    """Plan one replica.

    Args:
        model: What is served.
        machine: On what; the GPUs of one pipeline stage are on one machine.
        load: The engine's settings.
        traffic: Lengths and utilisation for speed and price; 1024 in, 256 out, 30 per cent.
        start: Storage and caches for the start.

    Raises:
        SizingError: The machine has fewer GPUs than tensor parallelism asks for.
    """
    traffic, start = traffic or Traffic(), start or Start()
    _check_machine(machine, load)
    device = device_of(machine)
    found = fit(model.architecture, device, load, model.weight_bytes)
    users = _users(found, traffic)
    limits = replica_bounds(model, machine, load, found, users=users, traffic=traffic)
    share_lost = None
    if limits and _over_pcie(machine, load):
        unlinked = replica_bounds(
            model, machine, load, found, users=users, traffic=traffic, linked=False
        )
        if unlinked:
            share_lost = 1 - limits.tokens_per_second / unlinked.tokens_per_second
    hourly = _hourly(machine, load)
    tokens = 0 if limits is None else limits.tokens_per_second * load.data_parallel_size
    # The engine keeps KV entries that left the GPUs in a file below /dev/shm.
    shm = _SHM_GIB * load.gpus_per_node + load.kv_offloading_size
    return Plan(
        model=model.name,
        machine=machine.name,
        load=load,
        fit=found,
        fixes=nearest_fixes(model.architecture, model.weight_bytes, machine, load, found),
        concurrency=users,
        shm_gib=shm,
        host_memory_gib=_PROCESS_GIB + _RANK_GIB * load.gpus_per_node + shm,
        phases=phases(_start_up(model, load, found, start)),
        bounds=limits,
        usd_per_hour=hourly,
        usd_per_million_tokens=None
        if hourly is None or tokens <= 0
        else usd_per_million_tokens(hourly, tokens, utilisation=traffic.utilization),
        notes=tuple(_notes(machine, load, share_lost)),
    )


def _check_machine(machine: InstanceType, load: Load) -> None:
    if load.gpus_per_node > machine.gpu_count and load.nnodes > 1:
        raise SizingError(
            f"{load.gpus} GPUs on {load.nnodes} machines are {load.gpus_per_node} each, but "
            f"{machine.name} has {machine.gpu_count}; choose a larger machine, or more of them"
        )
    if load.tensor_parallel_size > machine.gpu_count:
        raise SizingError(
            f"tensor_parallel_size is {load.tensor_parallel_size}, but {machine.name} has "
            f"{machine.gpu_count} GPU{'s' if machine.gpu_count > 1 else ''}; choose a larger "
            "machine, or pipeline_parallel_size for several"
        )


def _users(found: Fit, traffic: Traffic) -> int:
    length = min(traffic.prompt_tokens + traffic.output_tokens, found.settings.max_model_len)
    room = found.cache.concurrency(max(0.0, found.available), length)
    return min(int(room), found.settings.max_num_seqs)


def _hourly(machine: InstanceType, load: Load) -> float | None:
    if machine.usd_per_hour is None:
        return None
    return machine.usd_per_hour * load.gpus / machine.gpu_count


def _start_up(model: Model, load: Load, found: Fit, start: Start) -> StartUp:
    stored = model.weight_bytes or checkpoint_bytes(model.architecture)
    eager = load.enforce_eager
    sizes = 0 if eager else min(51, 3 + found.settings.max_num_seqs // 8)
    return StartUp(
        weight_gib=stored / GIB,
        layers=len(model.architecture.layers),
        storage=start.storage,
        throughput_mib_per_second=start.throughput_mib_per_second,
        copied_from=start.copied_from,
        tensor_parallel=load.tensor_parallel_size,
        compile="off" if eager else "warm" if start.compile_cache else "cold",
        graph_sizes=sizes,
        new_node=start.new_node,
    )


def _over_pcie(machine: InstanceType, load: Load) -> bool:
    """Whether the replica's exchanges go without NVLink."""
    return load.tensor_parallel_size > 1 and not machine.nvlink


def _notes(machine: InstanceType, load: Load, share_lost: float | None) -> Sequence[str]:
    notes: list[str] = []
    if _over_pcie(machine, load):
        lost = ""
        if share_lost is not None:
            lost = f": their exchanges take at least {share_lost:.0%} of a step"
        notes.append(
            f"{load.tensor_parallel_size} GPUs of {machine.name} talk over PCIe, not NVLink{lost}"
        )
    if machine.usd_per_hour is None:
        notes.append(f"no on-demand price is known for {machine.name}")
    return notes
