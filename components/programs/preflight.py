"""GPU preflight: what is wrong with a pod's GPUs, a line a fault, before the engine starts.

    python3 preflight.py plan.json                     judges this machine
    python3 preflight.py plan.json --facts fault.json  judges a recorded one
    python3 preflight.py --record                      prints the facts of this one

Ends with 0 where the machine is as planned, 2 where the question had a mistake, else with the code
of the first fault. `gpu_facts.py` collects the facts as a child; pure functions judge them.
"""

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

_LEAST_DRIVER = {"11": 450, "12": 525, "13": 580}
"""Oldest driver of each CUDA (docs.nvidia.com/deploy/cuda-compatibility, minor versions)."""
_NODE = "look for Xid in the node's kernel log, drain it, reboot or replace it"
_LIBCUDA = "load the node's libcuda, not the image's own; reboot the node after a driver update"
_DRIVER = "update the node's driver, or take an engine image of an older CUDA"


class Fault(Enum):
    """What can be wrong: exit code, runbook, what it is, and what to do."""

    TORCH = 10, "cuda-driver-mismatch", "torch has no CUDA", "take the engine's own image unchanged"
    HANG = 11, "broken-gpu", "CUDA hangs", _NODE
    HIDDEN = 12, "gpu-not-detected", "the GPUs are hidden", "unset it, request nvidia.com/gpu"
    NO_DRIVER = 13, "gpu-not-detected", "no GPU and no driver", "choose a node with GPUs and driver"
    NO_DEVICE = 14, "gpu-not-detected", "no GPU", "request nvidia.com/gpu, see to the device plugin"
    NO_LIBRARY = 15, "gpu-not-detected", "no driver libraries", "use the runtime class nvidia"
    OLD_DRIVER = 16, "cuda-driver-mismatch", "driver older than the image's CUDA", _DRIVER
    MISMATCH = 17, "cuda-driver-mismatch", "driver and libcuda differ", _LIBCUDA
    FABRIC = 18, "peer-access", "NVLink is not up", "start the node's nvidia-fabricmanager"
    CUDA = 19, "broken-gpu", "CUDA fails", _NODE
    FEWER = 20, "gpu-not-detected", "fewer GPUs", "request as many nvidia.com/gpu"
    LOST = 21, "broken-gpu", "a GPU is lost", _NODE
    OTHER = 22, "wrong-gpu", "another GPU", "correct the pool's instance types"
    CAPABILITY = 23, "wrong-gpu", "GPU too old for the model's kernels", "take a newer GPU or dtype"
    SMALL = 24, "wrong-gpu", "less GPU memory", "give the pod whole GPUs of that size, no MIG slice"
    HELD = 25, "out-of-gpu-memory", "GPU memory is held by others", "end them, share no GPU"
    BROKEN = 26, "broken-gpu", "the GPU fails at first use", _NODE
    SHM = 27, "shared-memory", "/dev/shm is too small", "mount a memory volume of that size there"
    PEER = 28, "peer-access", "no peer access", "take a machine with NVLink, or plan for PCIe"

    def __init__(self, code: int, runbook: str, what: str, advice: str) -> None:
        self.code, self.runbook, self.what, self.advice = code, runbook, what, advice


@dataclass(frozen=True)
class Finding:
    """A fault, what was planned, and what there is."""

    fault: Fault
    planned: str
    found: str

    def line(self, runbooks: str) -> str:
        """As it is printed."""
        return (
            f"preflight: {self.fault.what}: planned {self.planned}, found {self.found}; "
            f"{self.fault.advice}; runbook {runbooks}/{self.fault.runbook}.md"
        )


@dataclass(frozen=True)
class Gpu:
    """A GPU as CUDA shows it.

    Attributes:
        free_mib: What is free with our context on it, MiB; None where it was not asked.
        error: What its first use said, empty where it went well.
    """

    name: str
    total_mib: int
    compute_capability: tuple[int, ...]
    free_mib: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Facts:
    """What there is, as `gpu_facts.py` tells it.

    Attributes:
        step: What was going on when CUDA ended early, else empty.
        error: What it said then, empty where it hung.
        no_peer: Pairs of GPUs that cannot reach each other's memory.
    """

    devices: tuple[str, ...] = ()
    driver: str = ""
    nvidia_visible_devices: str | None = None
    cuda_visible_devices: str | None = None
    shm_mib: int = 0
    torch: str = ""
    cuda: str = ""
    step: str = ""
    error: str = ""
    gpus: tuple[Gpu, ...] = ()
    no_peer: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Plan:
    """What was planned.

    Attributes:
        gpu: Their kind; each of its words stands in the device's name. None for any.
        memory_mib: Least total of one GPU as CUDA reports it, MiB.
        gpu_memory_utilization: Share of its total that the engine wants free.
        compute_capability: The least; None for any.
        peer_access: Whether NVLink was planned.
        timeout_seconds: Torch from a cold disk and eight GPUs without persistence mode take
            minutes; the figure is an assumption.
    """

    gpus: int
    gpu: str | None = None
    memory_mib: int = 0
    gpu_memory_utilization: float = 0.0
    compute_capability: tuple[int, ...] | None = None
    shm_gib: float = 0
    peer_access: bool | None = None
    runbooks: str = "runbooks"
    timeout_seconds: float = 240


_SAID = {
    "too old": Fault.OLD_DRIVER,
    "Error 802": Fault.FABRIC,
    "Error 803": Fault.MISMATCH,
    "Error 804": Fault.MISMATCH,
}
_HELD = re.compile("out of memory|busy or unavailable")
_NO_KERNEL = "no kernel image"


def judge(facts: Facts, plan: Plan) -> list[Finding]:
    """Every fault; those of CUDA first, without which nothing is known of the GPUs."""
    found = [_cuda(facts, plan)] if facts.step else [*_gpus(facts, plan)]
    if facts.shm_mib < plan.shm_gib * 1024:
        found.append(Finding(Fault.SHM, f"{plan.shm_gib:g} GiB", f"{facts.shm_mib} MiB"))
    if plan.peer_access and facts.no_peer:
        pairs = ", ".join("-".join(map(str, pair)) for pair in facts.no_peer)
        found.append(Finding(Fault.PEER, "NVLink", f"none between GPUs {pairs}"))
    return found


def _cuda(facts: Facts, plan: Plan) -> Finding:
    """Why CUDA did not get to its end."""
    said = re.split(r"\. (?=[A-Z])", facts.error.rpartition("an error? ")[2])[0]
    gpus = f"{plan.gpus} GPU" + (f" {plan.gpu}" if plan.gpu else "")
    if not facts.error:
        waited = f"no answer in {plan.timeout_seconds:g} s at: {facts.step}"
        return Finding(Fault.HANG, gpus, f"{waited}, {_driver(facts)}")
    if not facts.cuda:
        return Finding(Fault.TORCH, gpus, f'"{said}" at: {facts.step}')
    if re.search("no NVIDIA driver|No CUDA GPUs", facts.error):
        return _no_gpu(facts, gpus, said)
    fault = next((each for text, each in _SAID.items() if text in facts.error), Fault.CUDA)
    oldest = _LEAST_DRIVER.get(facts.cuda.partition(".")[0], "of that time")
    needed = f"CUDA {facts.cuda} with driver {oldest} or newer"
    planned = needed if fault is Fault.OLD_DRIVER else gpus
    return Finding(fault, planned, f'{_driver(facts)}: "{said}"')


def _no_gpu(facts: Facts, gpus: str, said: str) -> Finding:
    cuda, nvidia = facts.cuda_visible_devices, facts.nvidia_visible_devices
    if cuda in ("", "-1", "NoDevFiles"):
        return Finding(Fault.HIDDEN, gpus, f'CUDA_VISIBLE_DEVICES="{cuda}"')
    if facts.devices:
        fault = Fault.LOST if "No CUDA GPUs" in facts.error else Fault.NO_LIBRARY
        return Finding(fault, gpus, f'{" ".join(facts.devices)}, but "{said}"')
    if nvidia in ("", "none", "void"):
        return Finding(Fault.HIDDEN, gpus, f'NVIDIA_VISIBLE_DEVICES="{nvidia}"')
    fault = Fault.NO_DEVICE if facts.driver else Fault.NO_DRIVER
    return Finding(fault, gpus, f"no /dev/nvidia*, {_driver(facts)} on the node")


def _driver(facts: Facts) -> str:
    return f"driver {facts.driver}" if facts.driver else "no driver seen"


def _gpus(facts: Facts, plan: Plan) -> Iterator[Finding]:
    """Missing GPUs, then the faults of single ones, one finding for all that share it."""
    if len(facts.gpus) < plan.gpus:
        chosen, files = facts.cuda_visible_devices, len(facts.devices)
        fault = Fault.LOST if chosen is None and files >= plan.gpus else Fault.FEWER
        shown = "" if chosen is None else f", CUDA_VISIBLE_DEVICES={chosen}"
        found = f"{len(facts.gpus)} with {files} device files{shown}"
        yield Finding(fault, str(plan.gpus), found)
    found = [(index, each) for index, gpu in enumerate(facts.gpus) for each in _one_gpu(gpu, plan)]
    for fault in dict.fromkeys(each.fault for _, each in found):
        same = [(index, each) for index, each in found if each.fault is fault]
        numbers, first = ", ".join(str(index) for index, _ in same), same[0][1]
        yield Finding(fault, first.planned, f"{first.found} (GPU {numbers})")


def _one_gpu(gpu: Gpu, plan: Plan) -> Iterator[Finding]:
    said, free = f' "{gpu.error}"' if gpu.error else "", gpu.free_mib
    least, has = plan.compute_capability or (), gpu.compute_capability
    wanted, words = (set(re.findall(r"\w+", name.lower())) for name in (plan.gpu or "", gpu.name))
    if not wanted <= words:
        yield Finding(Fault.OTHER, f"{plan.gpu}", gpu.name)
    if has < least or _NO_KERNEL in gpu.error:
        needed = ".".join(map(str, least)) or "of the image"
        yield Finding(Fault.CAPABILITY, f"capability {needed}", f"{'.'.join(map(str, has))}{said}")
    elif gpu.error and not _HELD.search(gpu.error):
        yield Finding(Fault.BROKEN, "a small product", said.strip())
    if gpu.total_mib < plan.memory_mib:
        yield Finding(Fault.SMALL, f"{plan.memory_mib} MiB", f"{gpu.total_mib} of {gpu.name}")
    full = free is not None and free < gpu.total_mib * plan.gpu_memory_utilization
    if full or _HELD.search(gpu.error):
        shown = said.strip() if free is None else f"{free} of {gpu.total_mib} MiB{said}"
        yield Finding(Fault.HELD, f"{plan.gpu_memory_utilization:.0%} free", shown)


def summary(facts: Facts) -> str:
    """What was found where all is well."""
    kinds = sorted({f"{gpu.name} ({gpu.total_mib} MiB)" for gpu in facts.gpus})
    return (
        f"preflight: as planned: {len(facts.gpus)} x {', '.join(kinds)}, {_driver(facts)}, "
        f"CUDA {facts.cuda} of torch {facts.torch}, /dev/shm {facts.shm_mib} MiB"
    )


def collect(timeout_seconds: float) -> Facts:
    """The facts of this machine, as far as `gpu_facts.py` gets in that time."""
    command = [sys.executable, str(Path(__file__).with_name("gpu_facts.py"))]
    told: dict[str, Any] = {"step": "start"}
    with tempfile.TemporaryFile("w+") as answers:
        child = subprocess.Popen(command, stdout=answers, stderr=subprocess.DEVNULL)
        try:
            code = child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            code = 0
            child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)  # a child that is stuck in the driver never ends
        answers.seek(0)
        for line in answers:
            told |= json.loads(line)
    if code and told["step"]:
        told.setdefault("error", f"ended with {code}")
    return read_facts(told)


def read_facts(values: dict[str, Any]) -> Facts:
    """Facts from JSON; a TypeError where a key is not known."""
    known = _frozen(values)
    known["gpus"] = tuple(Gpu(**gpu) for gpu in known.get("gpus", ()))
    return Facts(**known)


def _frozen(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    if isinstance(value, dict):
        return {key: _frozen(each) for key, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return tuple(_frozen(each) for each in cast("list[Any]", value))
    return value


def main() -> int:
    """Judge or record, and print."""
    arguments = argparse.ArgumentParser(description="What is wrong with the GPUs of this pod?")
    arguments.add_argument("plan", type=Path, nargs="?", help="what was planned, JSON")
    arguments.add_argument("--facts", type=Path, help="judge these recorded ones, JSON")
    arguments.add_argument("--record", action="store_true", help="print the facts of this machine")
    asked = arguments.parse_args()
    if asked.record:
        print(json.dumps({"facts": asdict(collect(Plan(gpus=0).timeout_seconds))}, indent=2))
        return 0
    if asked.plan is None:
        arguments.error("say what was planned, or --record")
    try:
        plan = Plan(**_frozen(json.loads(asked.plan.read_text("utf-8"))))
        recorded = asked.facts and read_facts(json.loads(asked.facts.read_text("utf-8"))["facts"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        arguments.error(f"plan or facts cannot be read: {error}")
    facts = recorded or collect(plan.timeout_seconds)
    found = judge(facts, plan)
    print(*([each.line(plan.runbooks) for each in found] or [summary(facts)]), sep="\n", flush=True)
    return found[0].fault.code if found else 0


if __name__ == "__main__":
    sys.exit(main())
