"""A rendered vLLM pod on a machine without a GPU: the ONE PLACE where something is replaced.

Everything else is as rendered: model path, ports, user, read-only root, volumes, probes, hooks.
"""

import copy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.serving.sandbox import Image

_VARIABLES = {
    # The CPU platform takes its KV cache from here, not from --gpu-memory-utilization. In GiB.
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # Its threads would be pinned to cores by NUMA node, which two cores are not enough for.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # A tiny model gains nothing from threads; on a busy machine they wait for each other.
    "OMP_NUM_THREADS": "1",
}
_ARGUMENTS = (
    # torch.compile takes 25 s on two cores, and no rendered setting changes what it does.
    "--enforce-eager",
)
_LEFT_OUT = frozenset(
    {
        # It would say, rightly, that there is no GPU; test_preflight.py runs it.
        "preflight",
    }
)


def on_cpu(pod: Mapping[str, Any]) -> dict[str, Any]:
    """A rendered pod whose engine runs on a CPU.

    Args:
        pod: `template.spec` of its workload; its engine is the container `vllm`.
    """
    changed = copy.deepcopy(dict(pod))
    first = changed.get("initContainers", [])
    changed["initContainers"] = [item for item in first if item["name"] not in _LEFT_OUT]
    for container in changed["containers"]:
        if container["name"] == "vllm":
            container["args"] += _ARGUMENTS
            container["env"] += [
                {"name": name, "value": value} for name, value in _VARIABLES.items()
            ]
    return changed


def vllm_image(python: Path) -> Image:
    """What stands in for the image of vLLM: the same engine, built for CPUs.

    Args:
        python: Interpreter of its environment.
    """
    venv = python.parent.parent
    interpreter = Path(sys.base_prefix)  # environments are made from the one that runs the tests
    return Image(python.parent, (venv, interpreter), ("vllm", "serve"), user_name="vllm")
