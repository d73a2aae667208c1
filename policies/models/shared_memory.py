"""Room in /dev/shm for engines of several processes (policy ML-08)."""

from collections.abc import Iterator
from fractions import Fraction

from pulumi_policy import Severity

from policies.adapter import Breach, Parameters, Rule
from policies.models.gpus import spread
from policies.reading.objects import Resource
from policies.reading.quantities import quantity
from policies.reading.servers import Server, readable
from policies.reading.tree import Node
from policies.reading.volumes import mount_of, volume_of

_PATH = "/dev/shm"
_MIB = 2**20


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    least = int(parameters["min_mib"])
    for server in readable(resource):
        layout = spread(server)
        if not isinstance(layout, str) and layout.of_engine > 1:  # else ml-04 refuses it
            yield from _breaches(server, least)


def _breaches(server: Server, least: int) -> Iterator[Breach]:
    title = server.container.title
    possible = (
        f"an emptyDir on {_PATH} with `medium: Memory` and a sizeLimit from {least}Mi to below the "
        "container's memory limit is possible"
    )
    mount = mount_of(server.container, _PATH)
    if mount is None or (mount.at("mountPath").text or _PATH).rstrip("/") != _PATH:
        if server.whole:
            node = server.container.node.at("volumeMounts")
            asked = f"leaves the processes of {title} the 64 MiB of {_PATH} that every pod has"
            yield Breach(node, asked, possible)
        return
    volume = volume_of(server.pod, mount)
    if volume.unknown or mount.unknown or mount.at("mountPath").unknown:
        asked = f"decides {_PATH} of {title} only later, it must be known at preview"
        yield Breach(mount, asked, possible)
    elif volume.absent:
        if server.whole:
            yield Breach(mount, f"puts no known volume on {_PATH} of {title}", possible)
    elif volume.at("emptyDir", "medium").text != "Memory":
        node = volume.at("emptyDir", "medium")
        yield Breach(node, f"puts {_PATH} of {title} on something else than memory", possible)
    elif not mount.at("readOnly").absent and mount.at("readOnly").value is not False:
        yield Breach(mount.at("readOnly"), f"makes {_PATH} of {title} read-only", possible)
    else:
        yield from _size_breach(server, volume.at("emptyDir", "sizeLimit"), least, possible)


def _size_breach(server: Server, limit: Node, least: int, possible: str) -> Iterator[Breach]:
    title, size, memory = server.container.title, quantity(limit), _memory(server)
    if limit.absent:
        asked = f"lets {_PATH} of {title} grow until the container is killed"
        yield Breach(limit, asked, possible)
    elif size is None:
        asked = f"gives {_PATH} of {title} a size that is no known number"
        yield Breach(limit, asked, possible)
    elif size < least * _MIB:
        asked = f"gives {_PATH} of {title} {float(size / _MIB):g} MiB"
        yield Breach(limit, asked, possible)
    elif memory.unknown or (not memory.absent and size >= (quantity(memory) or Fraction(0))):
        asked = f"gives {_PATH} of {title} as much memory as the whole container may take, or more"
        yield Breach(limit, asked, possible)


def _memory(server: Server) -> Node:
    """The container's limit, or its pod's: what lies in /dev/shm counts against it."""
    own = server.container.node.at("resources", "limits", "memory")
    return server.pod.node.at("resources", "limits", "memory") if own.absent else own


SHARED_MEMORY = Rule(
    name="ml-08-shm",
    severity=Severity.HIGH,
    description="A vLLM server of several processes has a bounded /dev/shm of its own in memory.",
    remediation="Mount an emptyDir with medium Memory and a sizeLimit on /dev/shm.",
    check=_check,
    parameters={
        "min_mib": {
            "type": "integer",
            "minimum": 1,
            "default": 256,
            "description": "Least size of /dev/shm in MiB.",
        }
    },
)
"""A container has 64 MiB by itself, with which NCCL ends on its first collective; four times as
much is the least that counts as having thought of it."""
