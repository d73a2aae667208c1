"""Settings of the engine that work in a range only (policy ML-06)."""

from collections.abc import Iterator

from pulumi_policy import EnforcementLevel, Severity

from components.core.engine_args import Reading
from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Resource
from policies.reading.servers import Server, readable

_SETTING = "gpu_memory_utilization"
_BYTES = "kv_cache_memory_bytes"
"""Its size given outright, with which vLLM ignores the share."""


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    least, most = float(parameters["least"]), float(parameters["most"])
    for server in readable(resource):
        if not server.on_cpu and server.setting(_BYTES) in (None, Reading.UNKNOWN):
            yield from _utilization_breach(server, least, most)


def _utilization_breach(server: Server, least: float, most: float) -> Iterator[Breach]:
    node, title = server.line_node, server.container.title
    value = server.setting(_SETTING)
    possible = f"{least:g} to {most:g} are possible (parameters least and most)"
    if isinstance(value, Reading):
        asked = f"hides --gpu-memory-utilization of {title} from the preview, or gives no number"
        yield Breach(node, asked, possible, _SETTING)
    elif _SETTING not in server.full_line.given:
        asked = f"leaves --gpu-memory-utilization of {title} to the engine, whose default moves"
        yield Breach(node, asked, possible, _SETTING)
    elif not (isinstance(value, float | int) and least <= value <= most):
        yield Breach(node, f"gives {title} {value} of a GPU's memory", possible, _SETTING)


def _share(name: str, default: float) -> dict[str, object]:
    text = f"{name} share of a GPU's memory that a server may take."
    return {"type": "number", "minimum": 0, "maximum": 1, "default": default, "description": text}


ENGINE_RANGES = Rule(
    name="ml-06-engine-ranges",
    severity=Severity.MEDIUM,
    description="Every vLLM server says which share of its GPU it takes, and leaves some of it.",
    remediation="Set gpu_memory_utilization of the model; its plan says which values start.",
    check=_check,
    parameters={"least": _share("Least", 0.5), "most": _share("Largest", 0.95)},
    level=EnforcementLevel.ADVISORY,
)
"""vLLM's default moved from 0.90 to 0.92; above 0.95 what CUDA itself takes no longer fits beside
it, and below 0.5 most of a GPU that is paid for idles."""
