"""The pods that bring, check, copy and collect weights: one program, told what to do by one plan.

The program is `programs/preload.py` and its modules. It runs in the engine's own image, which has
Python and the hub's client, and comes from a ConfigMap that is named after its content: another
program or plan is another ConfigMap, never a change under a running pod.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvVarArgsDict,
    KeyToPathArgsDict,
    PodSpecArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)

from components.core.conventions import PRELOAD_PROGRAM, WEIGHTS
from components.core.model_lock import LockedModel
from components.document.serve_line import MODELS
from components.job_placement import placed
from components.pods import environment, hardened_pod, mounts, resources, scratch
from components.volumes import SHARED, VOLUME, Writable, claimed

Command = Literal["fetch", "check", "copy", "collect"]

_PROGRAMS = Path(__file__).parent / "programs"
_MODULES = ("__init__.py", "preload.py", "filling.py", "model_folder.py", "model_hub.py")
_JOB_KEY, _SERVER_KEY = "job.json", "server.json"
_FOLDER = "/programs"
_PLAN = "/plan/plan.json"
_SHARED = "/shared"
_STAGING = "/staging"
_TMP_GIB = 5
_LOG_GIB = 1
_GIB = 2**30
SERVER_SCRATCH_GIB = 20
"""What a server's pod writes beside its weights, GiB: its scratch folders' limits and logs."""


@dataclass(frozen=True)
class Preload:
    """What is to be on the volumes of one server, and how it gets there.

    Attributes:
        service: Name of the server.
        models: The model and what is loaded with it, such as adapters, at their locked revisions.
        image: Image of the engine.
        uid: User of every pod.
        gid: Its group.
        hub: Variables of the hub's client, the token among them; of the Jobs that download only.
        staged: Whether files are made whole beside the volume first.
        copied: Whether servers copy them from a shared volume.
    """

    service: str
    models: tuple[LockedModel, ...]
    image: str
    uid: int
    gid: int
    hub: tuple[EnvVarArgsDict, ...] = ()
    staged: bool = False
    copied: bool = False

    @property
    def files_gib(self) -> int:
        """Size of all files, GiB, rounded up."""
        return -(-sum(file.size for each in self.models for file in each.files) // _GIB)

    @property
    def weights(self) -> str:
        """Digits that stand for the revisions of all models."""
        return short_hash([[model.source, model.revision] for model in self.models])

    @property
    def config(self) -> dict[str, str]:
        """`data` of the ConfigMap: the program and its plans."""
        models = [_planned(model) for model in self.models]
        staging = {"staging": _STAGING} if self.staged else {}
        source = {"from": _SHARED} if self.copied else {}
        return {
            **{name: (_PROGRAMS / name).read_text(encoding="utf-8") for name in _MODULES},
            _JOB_KEY: json.dumps({"target": MODELS, **staging, "models": models}, indent=1),
            _SERVER_KEY: json.dumps({"target": MODELS, **source, "models": models}, indent=1),
        }

    @property
    def config_name(self) -> str:
        """Name of the ConfigMap."""
        return f"{self.service}-preload-{short_hash(self.config)}"


@dataclass(frozen=True)
class VolumeJob:
    """A Job on one volume.

    Attributes:
        pod: Its pod.
        labels: Further labels of the pod.
    """

    pod: PodSpecArgsDict
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


def short_hash(value: object) -> str:
    """Eight digits that stand for a value in a name; another value has others."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def fetch_pod(preload: Preload, volume: Writable) -> PodSpecArgsDict:
    """The pod that downloads what is missing, holds every file against its lock, marks it last."""
    staging = [scratch("staging", f"{preload.files_gib + 1}Gi")] if preload.staged else []
    disk = _TMP_GIB + _LOG_GIB + (preload.files_gib + 1 if preload.staged else 0)
    step = _step(
        preload,
        "fetch",
        [
            {"name": VOLUME, "mount_path": MODELS},
            *(mounts(staging=_STAGING) if preload.staged else []),
        ],
        env=[
            *environment({"HF_HOME": "/tmp/hf", "HF_HUB_DISABLE_TELEMETRY": "1"}),
            *preload.hub,
        ],
        memory_gib=2,
        disk_gib=disk,
    )
    return _job_pod(preload, volume, step, staging)


def collect_pod(preload: Preload, volume: Writable) -> PodSpecArgsDict:
    """The pod that removes every revision but those of the plan; it needs no network.

    Where one node holds the volume, it waits for the server's pod that reads that plan: only then
    is the pod gone that read another one. The engine's word that a StatefulSet has rolled is not
    enough; its provider may take the status of before the change for that of after it
    (https://github.com/pulumi/pulumi-kubernetes/pull/4094).
    """
    step = _step(
        preload,
        "collect",
        [{"name": VOLUME, "mount_path": MODELS}],
        memory_gib=1,
        disk_gib=_TMP_GIB + _LOG_GIB,
    )
    return _job_pod(preload, volume, step, [], beside={WEIGHTS: preload.weights})


def check_step(preload: Preload) -> ContainerArgsDict:
    """The first container of a server: marker and sizes are there, or the engine never starts."""
    mount: VolumeMountArgsDict = {"name": VOLUME, "mount_path": MODELS, "read_only": True}
    return _step(preload, "check", [mount], memory_gib=1)


def copy_step(preload: Preload) -> ContainerArgsDict:
    """The first container of a server on local disks: copies, and verifies while it does.

    It carries the pod's request of the node's disk, which counts once for the whole pod.
    """
    return _step(
        preload,
        "copy",
        [
            {"name": VOLUME, "mount_path": MODELS},
            {"name": SHARED, "mount_path": _SHARED, "read_only": True},
        ],
        memory_gib=2,
        disk_gib=preload.files_gib + max(1, preload.files_gib // 10) + SERVER_SCRATCH_GIB,
    )


def config_volumes(preload: Preload, *, server: bool) -> list[VolumeArgsDict]:
    """Program and plan as volumes."""
    name = preload.config_name
    return [
        {
            "name": "programs",
            "config_map": {
                "name": name,
                "items": [_item(each, f"components/programs/{each}") for each in _MODULES],
            },
        },
        {
            "name": "plan",
            "config_map": {
                "name": name,
                "items": [_item(_SERVER_KEY if server else _JOB_KEY, "plan.json")],
            },
        },
    ]


def _item(key: str, path: str) -> KeyToPathArgsDict:
    return {"key": key, "path": path}


def _step(
    preload: Preload,
    command: Command,
    volume_mounts: list[VolumeMountArgsDict],
    *,
    memory_gib: int,
    disk_gib: int = 0,
    env: list[EnvVarArgsDict] | None = None,
) -> ContainerArgsDict:
    return {
        "name": command,
        "image": preload.image,
        "command": ["python3", "-m", PRELOAD_PROGRAM, command, _PLAN],
        "working_dir": _FOLDER,
        "env": [*environment({"HOME": "/tmp"}), *(env or [])],
        "resources": resources(1, memory_gib, disk_gib=disk_gib),
        "volume_mounts": [
            *volume_mounts,
            {"name": "programs", "mount_path": _FOLDER, "read_only": True},
            {"name": "plan", "mount_path": "/plan", "read_only": True},
            *mounts(tmp="/tmp"),
        ],
    }


def _job_pod(
    preload: Preload,
    volume: Writable,
    step: ContainerArgsDict,
    more: list[VolumeArgsDict],
    *,
    beside: Mapping[str, str] | None = None,
) -> PodSpecArgsDict:
    pod = hardened_pod(
        [step],
        [
            claimed(VOLUME, volume.claim),
            *config_volumes(preload, server=False),
            scratch("tmp", f"{_TMP_GIB}Gi"),
            *more,
        ],
        uid=preload.uid,
        group=preload.gid,
    )
    return placed(pod, volume, beside=beside)


def _planned(model: LockedModel) -> Mapping[str, Any]:
    """A model as the program reads it; an incomplete lock may lack small files, not weights."""
    return {
        "source": model.source,
        "revision": model.revision,
        "gated": model.gated,
        "complete": model.evidence.obtained == "hub",
        "files": [file.model_dump() for file in model.files],
        "ignored": list(model.ignored),
    }
