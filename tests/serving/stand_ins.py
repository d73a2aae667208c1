"""Tiny models where a pod's volume has large ones: the only files that are not the real ones.

The pod's own check of its weights runs: its plan, a ConfigMap, is rewritten to the sizes and
hashes of the files that are there, and each folder gets the marker that the preload Job writes.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.programs.model_folder import File, Model

PLAN = "server.json"
"""Key of the plan in its ConfigMap, as the check of a server reads it."""


def filled(plan: Mapping[str, Any], tiny: Mapping[str, Path], claim: Path) -> dict[str, Any]:
    """Fill a volume.

    Args:
        plan: What a server expects on it.
        tiny: The folder of a tiny model by the hub id of what it stands in for.
        claim: The volume.

    Returns:
        The plan of what is there.
    """
    models = [_model(model, tiny[model["source"]], claim) for model in plan["models"]]
    return {**plan, "models": models}


def _model(planned: Mapping[str, Any], tiny: Path, claim: Path) -> dict[str, Any]:
    source, revision = planned["source"], planned["revision"]
    folder = claim / source / revision
    shutil.copytree(tiny, folder)
    files = tuple(
        File(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.iterdir())
    )
    model = Model(source, revision, gated=False, complete=True, files=files, ignored=frozenset())
    model.mark(claim, files, at_once=False)
    listed = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in files]
    return {**planned, "files": listed}


def plans(config_maps: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The plans of servers by the name of their ConfigMap."""
    return {name: json.loads(data[PLAN]) for name, data in config_maps.items() if PLAN in data}
