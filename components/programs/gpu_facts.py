"""What there is of GPUs in this container, asked of the system and of torch.

Prints JSON objects, one a line, each as soon as it is known; later keys replace earlier ones.
`preflight.py` runs this as a child with a deadline, because CUDA may hang or crash on a broken
driver, and then says what `step` it was at. Nothing is judged here.
"""

import glob
import importlib
import json
import os
import re
from itertools import combinations
from pathlib import Path
from typing import Any

_SIDE = 64
"""Of the matrices whose product is the first use of a GPU; small, so that it needs no memory."""
_LONGEST = 400
"""Characters of an error that are kept; torch appends advice to programmers."""


def tell(**facts: Any) -> None:  # noqa: ANN401 - whatever JSON has
    """Print some facts at once."""
    print(json.dumps(facts), flush=True)


def system() -> None:
    """What the container shows without CUDA."""
    shm = os.statvfs("/dev/shm")
    tell(
        devices=sorted(glob.glob("/dev/nvidia[0-9]*")),  # noqa: PTH207 - one call, and strings
        driver=driver_version(Path("/proc/driver/nvidia/version")),
        nvidia_visible_devices=os.environ.get("NVIDIA_VISIBLE_DEVICES"),
        cuda_visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        shm_mib=shm.f_blocks * shm.f_frsize // 2**20,
    )


def driver_version(path: Path) -> str:
    """Version of the node's kernel module, empty where none is loaded.

    Args:
        path: The module's file under /proc, which containers without a GPU see as well.
    """
    text = path.read_text("utf-8") if path.exists() else ""
    version = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d+\.[\d.]+)", text)
    return version[1] if version else ""


def cuda() -> None:
    """What torch shows, up to the first thing that fails."""
    tell(step="import torch")
    try:
        torch = importlib.import_module("torch")
        tell(torch=torch.__version__, cuda=torch.version.cuda or "", step="start CUDA")
        torch.cuda.init()
        gpus = [_gpu(torch, index) for index in range(torch.cuda.device_count())]
        tell(gpus=gpus, step="use the GPUs")
        for index, gpu in enumerate(gpus):
            gpu.update(_first_use(torch, index))
            tell(gpus=gpus)
            if gpu["error"]:
                break  # the process cannot be trusted with the others any more
        pairs = combinations(range(len(gpus)), 2)
        reaches = torch.cuda.can_device_access_peer
        tell(no_peer=[pair for pair in pairs if not (reaches(*pair) and reaches(*pair[::-1]))])
        tell(step="")
    except Exception as error:  # whatever torch raises is a fact
        tell(error=said(error))


def said(error: Exception) -> str:
    """The first line of what an exception says."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST]


def _gpu(torch: Any, index: int) -> dict[str, Any]:  # noqa: ANN401 - torch is not installed here
    known = torch.cuda.get_device_properties(index)
    return {
        "name": known.name,
        "total_mib": known.total_memory // 2**20,
        "compute_capability": [known.major, known.minor],
    }


def _first_use(torch: Any, index: int) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Free memory, and a product of two matrices: broken GPUs are listed, but fail here."""
    free = None
    try:
        free = torch.cuda.mem_get_info(index)[0] // 2**20
        ones = torch.ones(_SIDE, _SIDE, device=f"cuda:{index}")
        total = (ones @ ones).sum().item()
    except Exception as error:
        return {"free_mib": free, "error": said(error)}
    return {"free_mib": free, "error": "" if total == _SIDE**3 else f"a wrong product: {total}"}


if __name__ == "__main__":
    system()
    cuda()
