"""Documents whose model is kept in each kind of storage, and how its pods are found."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.rendering import Rendered, document, of_kind, render
from tests.unit.components.manifests import Json, Pod, pods

DIGEST = "sha256:" + "0123456789abcdef" * 4
S3 = {"kind": "s3", "bucket": "models", "prefix": "llm/v1", "region": "us-east-1"}
EFS = {"kind": "efs", "storage_class": "efs", "size_gib": 50}

CACHES: Mapping[str, dict[str, Any]] = {
    "ebs": {"kind": "ebs", "storage_class": "gp3", "size_gib": 50},
    "efs": EFS,
    "fsx": {"kind": "fsx", "storage_class": "fsx", "size_gib": 1200, "zone": "us-east-1a"},
    "claim": {"kind": "claim", "storage_class": "standard", "size_gib": 50},
    "claim of many": {
        "kind": "claim",
        "storage_class": "nfs",
        "access_mode": "ReadWriteMany",
        "size_gib": 50,
    },
    "mountpoint": {**S3, "reader": "mountpoint"},
    "streamer": {**S3, "reader": "streamer"},
    "nvme": {"kind": "nvme", "shared": EFS},
    "image": {"kind": "image", "reference": f"registry.akko.local/models/qwen@{DIGEST}"},
    "snapshot": {
        "kind": "snapshot",
        "snapshot": "qwen",
        "storage_class": "gp3",
        "size_gib": 50,
    },
}
"""Every kind of storage, as the production stack may choose it."""

FILLED = ("ebs", "efs", "fsx", "claim", "claim of many", "mountpoint", "streamer", "nvme")
"""Those that a Job fills."""
MOUNTED = tuple(name for name in CACHES if name != "streamer")
"""Those that a server mounts."""
ONE_NODE = ("ebs", "claim")
"""Those whose volume one node mounts at a time."""


def with_cache(cache: Mapping[str, Any], **model: object) -> dict[str, Any]:
    """The production document with its model kept elsewhere."""
    changed = document("production")
    changed["models"]["akko-coder"] |= {"cache": dict(cache), **model}
    return changed


def rendered(name: str, **model: object) -> tuple[Rendered, ...]:
    """The production stack with one of `CACHES`."""
    return render(with_cache(CACHES[name], **model))


def server(found: Sequence[Rendered]) -> Pod:
    """The pod of the model's server, whatever its workload is."""
    (only,) = [each for each in pods(found) if each.owner.split()[1] == "akko-akko-vllm"]
    return only


def jobs(found: Sequence[Rendered], role: str) -> tuple[Pod, ...]:
    """The pods of the Jobs that fetch (`preload`) or clear away (`collect`)."""
    start = f"Job akko-akko-vllm-{role}-"
    return tuple(each for each in pods(found) if each.owner.startswith(start))


def volume(pod: Pod, name: str) -> Json:
    """A pod's volume without its name."""
    (found,) = [each for each in pod.spec["volumes"] if each["name"] == name]
    return {key: value for key, value in found.items() if key != "name"}


def claims(found: Sequence[Rendered]) -> dict[str, Json]:
    """`spec` of every claim by its name."""
    objects = of_kind(found, "PersistentVolumeClaim")
    return {item["metadata"]["name"]: item["spec"] for item in objects}
