"""Keys of an engine: how its pods get at them, and who waits until it knows the gateway's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvVarArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)

from components.core.images import image
from components.document.gateway import GatewaySettings
from components.document.quantities import KeySecret
from components.gateway_models import Backend, asks_for_key
from components.pods import environment, resources
from components.preload_pods import short_hash
from components.workloads import Identity

KEY_GUARD = "engine_key_guard.py"
"""The program that waits; it lies beside the gateway's configuration."""
_PROGRAM = "engine_keys.py"
_SOURCE = Path(__file__).parent / "programs" / "engine" / _PROGRAM
_PROGRAMS, _KEYS = "/opt/engine-keys", "/etc/engine-keys"
_NAMES = ("engine-keys-program", "engine-keys")


def keys_program(name: str, who: Identity, opts: pulumi.ResourceOptions) -> str:
    """The ConfigMap of the program that asks for keys; another program is another object."""
    text = _SOURCE.read_text(encoding="utf-8")
    config_map = f"{who.name}-keys-{short_hash(text)}"
    k8s.core.v1.ConfigMap(
        f"{name}-keys",
        metadata=who.metadata(config_map),
        immutable=True,
        data={_PROGRAM: text},
        opts=opts,
    )
    return config_map


def keys_volumes(program: str, secret: KeySecret) -> list[VolumeArgsDict]:
    """The program, and the whole Secret, which the kubelet keeps up to date."""
    return [
        {"name": _NAMES[0], "config_map": {"name": program}},
        {"name": _NAMES[1], "secret": {"secret_name": secret.name}},
    ]


def keys_mounts() -> list[VolumeMountArgsDict]:
    """Both for the engine's container, as folders: a file of a subPath is never renewed."""
    folders = (_PROGRAMS, _KEYS)
    return [
        {"name": name, "mount_path": path, "read_only": True}
        for name, path in zip(_NAMES, folders, strict=True)
    ]


def keys_environment() -> Mapping[str, str]:
    """Where the engine finds the program."""
    return {"PYTHONPATH": _PROGRAMS}


def key_guard(
    settings: GatewaySettings,
    backends: Sequence[Backend],
    folder: str,
    programs: VolumeMountArgsDict,
) -> list[ContainerArgsDict]:
    """The init container of the gateway that waits for engines; none where none asks for a key.

    Args:
        settings: Of the gateway.
        backends: Its models.
        folder: Where the program lies.
        programs: The mount that brings it there.
    """
    # Adapters are answered by their model's engine, which is asked once.
    asking = {b.api_base: b for b in reversed(backends) if asks_for_key(b)}
    if not asking:
        return []
    variables: list[EnvVarArgsDict] = [
        {
            "name": backend.key_variable,
            "value_from": {"secret_key_ref": {"name": backend.key.name, "key": backend.key.key}},
        }
        for backend in asking.values()
        if backend.key
    ]
    return [
        {
            "name": "engine-key-guard",
            "image": settings.image or image("litellm"),
            "command": ["python", f"{folder}/{KEY_GUARD}"],
            "args": [word for b in asking.values() for word in (b.key_variable, b.api_base or "")],
            "env": [*variables, *environment({"HOME": "/tmp"})],
            "resources": resources(1, settings.memory_gib),
            "volume_mounts": [programs, {"name": "tmp", "mount_path": "/tmp"}],
        }
    ]
