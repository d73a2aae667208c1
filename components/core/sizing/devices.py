"""One GPU as the planner sees it: of a machine, or by the name people give it."""

from components.core.hardware import Gpu, InstanceType, find_gpu
from components.core.sizing.request import Device, SizingError


def device_of(machine: InstanceType) -> Device:
    """One GPU of a machine, with the memory that CUDA reports."""
    return _device(machine.gpu, machine.gpu.name, machine.gpu.cuda_gib, nvlink=machine.nvlink)


def device_named(name: str, memory_gib: float | None = None) -> Device:
    """A GPU by its name, in the form that it is sold with NVLink where there is one.

    Args:
        name: As people write it; kept as it is.
        memory_gib: Total that CUDA reports, GiB; None takes the catalogue's.

    Raises:
        SizingError: The catalogue does not have it, and its memory is not given.
    """
    known = find_gpu(name)
    if known is not None:
        linked = known.nvlink_gb_per_s is not None
        return _device(known, name, memory_gib or known.cuda_gib, nvlink=linked)
    if memory_gib is None:
        raise SizingError(
            f"gpu {name!r} is not in the catalogue: give gpu_memory_gib, the total memory of one "
            "GPU in GiB"
        )
    return Device(name, memory_gib)


def _device(gpu: Gpu, name: str, memory_gib: float, *, nvlink: bool) -> Device:
    return Device(name, memory_gib, gpu.compute_capability, gpu.unified_memory, nvlink)
