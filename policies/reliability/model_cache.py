"""Weights that are not fetched anew by every pod (policy RL-07)."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from components.core.engine_args import Reading
from components.core.launch import UNKNOWN
from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Resource
from policies.reading.servers import Server, readable
from policies.reading.tree import Node
from policies.reading.volumes import is_scratch, mount_of, volume_of

_LEAF = "cache"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.\-]*://")
"""A bucket, from which an engine streams into its GPU without a file."""
_VARIABLES = (
    ("HF_HUB_CACHE", ""),
    ("HUGGINGFACE_HUB_CACHE", ""),
    ("HF_HOME", "/hub"),
    ("XDG_CACHE_HOME", "/huggingface/hub"),
    ("HOME", "/.cache/huggingface/hub"),
)
"""Where huggingface_hub keeps what it loads, the first variable that is set decides."""
_HOMES = ("/root", "/home/vllm")
"""Homes of the users of vLLM's image."""
_POSSIBLE = "a volume that outlives the pod is possible, or an emptyDir with a sizeLimit"


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    del parameters
    for server in readable(resource):
        yield from _breaches(server)


def _breaches(server: Server) -> Iterator[Breach]:
    title, model = server.container.title, server.setting("model")
    folders = _folders(server, model)
    if folders is None:
        asked = f"hides from the preview where {title} keeps its weights"
        yield Breach(server.line_node, asked, _POSSIBLE, _LEAF)
        return
    mounts = [found for folder in folders if (found := mount_of(server.container, folder))]
    if folders and not mounts and server.whole and not _is_path(model):
        asked = f"lets every new pod of {title} download its model into its own file system"
        yield Breach(server.container.node.at("volumeMounts"), asked, _POSSIBLE, _LEAF)
    for mount in mounts[:1]:
        yield from _volume_breach(server, mount)


def _volume_breach(server: Server, mount: Node) -> Iterator[Breach]:
    title, volume = server.container.title, volume_of(server.pod, mount)
    if mount.unknown or mount.at("mountPath").unknown or volume.unknown:
        asked = f"decides the volume of the weights of {title} only later"
        yield Breach(mount, asked, "one that is known at preview is possible", _LEAF)
    elif not volume.absent and is_scratch(volume):
        limit = volume.at("emptyDir", "sizeLimit")
        if limit.absent or limit.unknown:
            asked = f"lets the weights of {title} fill the disk of their node"
            yield Breach(limit, asked, _POSSIBLE, _LEAF)


def _folders(server: Server, model: object) -> tuple[str, ...] | None:
    """Where the weights lie, one of them if it depends on the image; None if nobody can tell."""
    given = server.setting("download_dir")
    if not isinstance(model, str) or (isinstance(given, Reading) and not _is_path(model)):
        return None
    if _is_path(model):
        return (model,)
    if _ADDRESS.match(model):
        return ()
    return (given,) if isinstance(given, str) else _hub_cache(server)


def _hub_cache(server: Server) -> tuple[str, ...] | None:
    for name, below in _VARIABLES:
        value = server.environment.get(name, "")
        if value is UNKNOWN:
            return None
        if value:
            return (f"{str(value).rstrip('/')}{below}",)
    return tuple(f"{home}/.cache/huggingface/hub" for home in _HOMES)


def _is_path(model: object) -> bool:
    return isinstance(model, str) and model.startswith("/")


CACHE_VOLUME = Rule(
    name="rl-07-cache-volume",
    severity=Severity.MEDIUM,
    description="A vLLM server finds its weights on a volume, and none can fill its node's disk.",
    remediation="Give the model a cache; the platform fills it before the server starts.",
    check=_check,
)
"""A model by its id in the hub is loaded into the cache of huggingface_hub or --download-dir, by
which each new pod takes minutes more and depends on the hub. A path that no volume holds lies in
the image, which is as good."""
