"""Which volume of its pod a path in a container lies on."""

import posixpath

from policies.reading.objects import Container, Pod
from policies.reading.tree import ABSENT, Node


def mount_of(container: Container, path: str) -> Node | None:
    """The deepest mount that holds a path; None where the path lies in the image.

    A mount of which not even the path is known is returned where no known one holds the path.
    """
    mounts, path = container.node.at("volumeMounts"), posixpath.normpath(path)
    if mounts.unknown:
        return mounts
    held: list[tuple[int, Node]] = []
    for mount in mounts.elements():
        at = mount.at("mountPath")
        folder = posixpath.normpath(at.text) if at.text else ""
        if at.unknown:
            held.append((-1, mount))
        elif folder and (path == folder or path.startswith(folder.rstrip("/") + "/")):
            held.append((len(folder), mount))
    return max(held, key=lambda found: found[0])[1] if held else None


def volume_of(pod: Pod, mount: Node) -> Node:
    """The volume that a mount shows; ABSENT where the pod has none of that name.

    Then it is a StatefulSet's claim, or the API server refuses the pod.
    """
    volumes, name = pod.node.at("volumes"), mount.at("name")
    if volumes.unknown or name.unknown:
        return volumes if volumes.unknown else name
    listed = list(volumes.elements())
    named = [one for one in listed if one.at("name").text == name.text]
    maybe = [one.at("name") for one in listed if one.at("name").unknown]
    return (*named, *maybe, Node(ABSENT, mount.steps))[0]


def is_scratch(volume: Node) -> bool:
    """Whether it is an emptyDir, which is also what a volume without a source becomes."""
    sources = {key for key, value in volume.items() if key != "name" and not value.absent}
    return not sources or "emptyDir" in sources
