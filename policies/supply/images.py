"""Which images may run (policy SC-01)."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Resource
from policies.reading.tree import Node

_PINNED = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_POSSIBLE = "only an image with its digest, name:tag@sha256:<64 hexadecimal digits>, is possible"


def _check_pinned(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    exempt = tuple(parameters["exempt_image_prefixes"])
    for node in _images(resource):
        if node.unknown:
            asked = "decides an image only later, it must be known at preview"
            yield Breach(node, asked, _POSSIBLE, "image")
        elif node.absent:
            continue  # a patch or a custom resource that leaves the image to others
        elif not _PINNED.fullmatch(node.text or "") and not (node.text or "").startswith(exempt):
            yield Breach(node, _asked(node.text or ""), _POSSIBLE, "image")


def _asked(image: str) -> str:
    """What is wrong with a reference, without repeating one that may hold credentials."""
    name, at, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if at:
        return f"names an image by something that is no SHA-256 digest ({len(digest)} characters)"
    if tag == "latest":
        return "asks for an image by the tag `latest`, which moves"
    return f"asks for an image by {'a tag' if tag else 'its name alone (`latest`)'}, which can move"


def _images(resource: Resource) -> Iterator[Node]:
    """Images of all containers, and of volumes that are images."""
    for container in resource.containers:
        yield container.node if container.node.unknown else container.node.at("image")
    for pod in resource.pods:
        for volume in pod.node.at("volumes").elements():
            yield volume.at("image", "reference")


IMAGE_PINNED = Rule(
    name="sc-01-image-pinned",
    severity=Severity.HIGH,
    description="Every container runs an image that is named by its digest.",
    remediation="Name the image with its digest; the lock of the platform's images has it.",
    check=_check_pinned,
    parameters={
        "exempt_image_prefixes": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Beginnings of image names that may run without a digest.",
        }
    },
)
