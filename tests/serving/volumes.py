"""What a rendered pod expects of its cluster: images, claims, ConfigMaps, Secrets; as folders."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.serving.sandbox import Image, Mount

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Cluster:
    """What the manifest of a pod refers to.

    Attributes:
        images: What stands in for an image, by its reference without tag and digest.
        claims: Folder of a volume, by the name of its claim.
        config_maps: Text by the name of a file, by the name of the ConfigMap.
        secrets: Value by key, by the name of the Secret.
    """

    images: Mapping[str, Image]
    claims: Mapping[str, Path] = field(default_factory=dict[str, Path])
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, dict[str, str]])
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def image(self, reference: str) -> Image:
        """What stands in for an image.

        Args:
            reference: As rendered, with tag and digest.
        """
        return self.images[re.split(r"[:@]", reference)[0]]


def prepared(spec: Mapping[str, Any], cluster: Cluster, folder: Path) -> dict[str, Path | str]:
    """Every volume of a pod: its folder, or the size in bytes of one in memory.

    As with `fsGroup`, the group may write what is not read-only.

    Args:
        spec: The pod.
        cluster: What it refers to.
        folder: Where volumes are made.

    Raises:
        ValueError: A volume of a kind that is not known here.
    """
    return {volume["name"]: _volume(volume, cluster, folder) for volume in spec.get("volumes", [])}


def mounts(container: Mapping[str, Any], volumes: Mapping[str, Path | str]) -> list[Mount]:
    """The volumes that a container sees, and where.

    Args:
        container: The rendered container.
        volumes: What `prepared` made.
    """
    return [_mount(mount, volumes[mount["name"]]) for mount in container.get("volumeMounts", [])]


def _mount(mount: Mapping[str, Any], volume: Path | str) -> Mount:
    read_only = mount.get("readOnly", False)
    if isinstance(volume, str):
        return Mount(mount["mountPath"], None, read_only=read_only, size=volume)
    return Mount(mount["mountPath"], volume / mount.get("subPath", ""), read_only=read_only)


def _volume(volume: Mapping[str, Any], cluster: Cluster, folder: Path) -> Path | str:
    target = folder / volume["name"]
    if "emptyDir" in volume:
        if volume["emptyDir"].get("medium") == "Memory":
            return str(_bytes(volume["emptyDir"]["sizeLimit"]))
        target.mkdir()
        target.chmod(0o2777)
        return target
    if "persistentVolumeClaim" in volume:
        claim = cluster.claims[volume["persistentVolumeClaim"]["claimName"]]
        for path in (claim, *claim.rglob("*")):
            path.chmod(path.stat().st_mode | (0o2775 if path.is_dir() else 0o664))
        return claim
    if "configMap" in volume:
        return _files(volume["configMap"], cluster.config_maps[volume["configMap"]["name"]], target)
    if "secret" in volume:
        return _files(volume["secret"], cluster.secrets[volume["secret"]["secretName"]], target)
    raise ValueError(f"volume {volume['name']} is of a kind that is not known here: {volume}")


def _files(source: Mapping[str, Any], texts: Mapping[str, str], target: Path) -> Path:
    target.mkdir()
    items = source.get("items") or [{"key": key, "path": key} for key in texts]
    for item in items:
        file = target / item["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts[item["key"]], encoding="utf-8")
        file.chmod(source.get("defaultMode", 0o644))
    target.chmod(0o755)
    return target


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]
