"""The GPUs of a vLLM server's pod and the processes that it starts on them (policy ML-04)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pulumi_policy import Severity

from components.core.engine_args import Reading
from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Container, Pod, Resource
from policies.reading.quantities import quantity
from policies.reading.servers import Server, readable
from policies.reading.tree import Node

_GPU = re.compile(r"nvidia\.com/(gpu(\.shared)?|mig-[\w.\-]+)|amd\.com/gpu|gpu\.intel\.com/\w+")
"""Resources of which one is one device to the engine: whole GPUs, and parts of them."""
_LEAF = "tensor_parallel"
_SIZES = {
    "tensor_parallel_size": "--tensor-parallel-size",
    "pipeline_parallel_size": "--pipeline-parallel-size",
    "prefill_context_parallel_size": "--prefill-context-parallel-size",
    "data_parallel_size": "--data-parallel-size",
    "nnodes": "--nnodes",
}


@dataclass(frozen=True)
class Spread:
    """How an engine's processes lie, one a GPU.

    Attributes:
        of_engine: Processes of one copy of the model in one pod: TP x PP, over its pods.
        of_pod: Those of all copies in one pod; None where the numbers do not divide.
        pods: Pods of the whole server.
    """

    of_engine: int
    of_pod: int | None
    pods: int


def accelerators(container: Container, part: str) -> Iterator[Node]:
    """GPUs in the `limits` or `requests` of a container."""
    for name, amount in container.node.at("resources", part).items():
        if _GPU.fullmatch(name) and amount.text != "0":
            yield amount


def claims_device(pod: Pod, container: Container) -> bool:
    """Whether it gets devices by dynamic allocation, whose number stands elsewhere."""
    claims = container.node.at("resources", "claims"), pod.node.at("resourceClaims")
    return all(claim.unknown or any(True for _ in claim.elements()) for claim in claims)


def spread(server: Server) -> Spread | str:
    """How its processes lie, or the flag of which nobody can tell the value."""
    sizes: dict[str, int] = {}
    for name, flag in _SIZES.items():
        value = server.count(name)
        if isinstance(value, Reading):
            return flag
        sizes[name] = value
    world = sizes["tensor_parallel_size"] * sizes["pipeline_parallel_size"]
    world *= sizes["prefill_context_parallel_size"]
    copies, nodes = sizes["data_parallel_size"], sizes["nnodes"]
    local = _local_copies(server, world, copies, nodes)
    if isinstance(local, str):
        return local
    groups = max(copies // local, 1)
    pods_of_copy = max(nodes // groups, 1)
    fits = world % pods_of_copy == 0 and copies % local == 0
    of_engine = max(world // pods_of_copy, 1)
    return Spread(of_engine, of_engine * local if fits else None, max(nodes, groups))


def _local_copies(server: Server, world: int, copies: int, nodes: int) -> int | str:
    """Copies of the model in one pod, by the rules of `create_engine_config` in vLLM 0.31."""
    one_each = server.setting("data_parallel_external_lb"), server.setting("data_parallel_rank")
    local = server.setting("data_parallel_size_local")
    if Reading.UNKNOWN in (*one_each, local):
        return "--data-parallel-size-local"
    if one_each[0] is True or one_each[1] is not None:
        return 1
    if isinstance(local, int):
        return local if local > 0 else 1
    return max(world * copies // nodes // world, 1) if nodes > 1 else copies


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    del parameters
    for server in readable(resource):
        if server.on_cpu or claims_device(server.pod, server.container):
            continue
        yield from _request_breaches(server)


def _request_breaches(server: Server) -> Iterator[Breach]:
    title, resources = server.container.title, server.container.node.at("resources")
    limits = list(accelerators(server.container, "limits"))
    requests = list(accelerators(server.container, "requests"))
    possible = "whole GPUs as a limit, one a process of the engine, are possible"
    if resources.unknown or resources.at("limits").unknown:
        asked = f"decides the GPUs of {title} only later, they must be known at preview"
        yield Breach(resources.at("limits"), asked, possible, _LEAF)
    elif not limits and requests:
        yield Breach(requests[0], f"asks for GPUs of {title} in requests only", possible, _LEAF)
    elif not limits and server.whole:
        yield Breach(resources.at("limits"), f"gives {title} no GPU", possible, _LEAF)
    for amount in (*limits, *requests):
        number = quantity(amount)
        if amount.unknown:
            asked = f"decides the GPUs of {title} only later, they must be known at preview"
            yield Breach(amount, asked, possible, _LEAF)
        elif number is None or number.denominator != 1 or number < 0:
            yield Breach(amount, f"gives {title} a part of a GPU", possible, _LEAF)
    if limits:
        yield from _size_breach(server, limits)


def _size_breach(server: Server, limits: list[Node]) -> Iterator[Breach]:
    title, layout = server.container.title, spread(server)
    numbers = [quantity(amount) for amount in limits]
    if isinstance(layout, str):
        asked = f"hides {layout} of {title} from the preview, or gives it no number"
        yield Breach(server.line_node, asked, "a whole number of at least 1 is possible", _LEAF)
    elif layout.of_pod is None:
        asked = f"splits {title} over pods and copies that do not divide its processes"
        yield Breach(server.line_node, asked, "sizes that divide each other are possible", _LEAF)
    elif None not in numbers and server.setting("distributed_executor_backend") != "ray":
        gpus = int(sum(cast("list[int]", numbers)))
        if gpus != layout.of_pod:
            processes = f"{layout.of_pod} process{'es' if layout.of_pod > 1 else ''}"
            asked = f"gives {title} {gpus} GPUs for {processes} of the engine"
            yield Breach(limits[0], asked, "one GPU a process is possible", _LEAF)


TP_MATCHES_GPUS = Rule(
    name="ml-04-tp-matches-gpus",
    severity=Severity.HIGH,
    description="Every vLLM server's pod has as many whole GPUs as the engine starts processes.",
    remediation="Set tensor_parallel of the model; the platform asks for as many GPUs.",
    check=_check,
)
"""One process a GPU: tensor x pipeline x prefill context x local data parallel size, over --nnodes.
An engine on Ray may have its workers in other pods, so there only the request is judged."""
