"""What `up` needs from the installer: the programs and the CRDs that stacks use."""

from collections.abc import Mapping
from pathlib import Path

from tools.catalogue import CONTROL_PLANE
from tools.install import crd_folders, ensure

_LEFT_OUT = "karpenter-crds"
"""Karpenter's own CRDs; AWS' stricter copy of the same kinds stands in, as in production."""

_STAND_IN = Path(__file__).with_name("disaggregatedsets.yaml")
"""The one definition that is our own; the file says why."""


def binaries() -> Mapping[str, Path]:
    """Executables by name, built where they are missing.

    Raises:
        ToolError: One is missing and cannot be built.
    """
    return ensure(CONTROL_PLANE)


def crds() -> list[Path]:
    """YAML files of the CRDs, in a stable order.

    Raises:
        ToolError: They are missing and cannot be downloaded.
    """
    folders = crd_folders()
    copied = [
        path
        for name, folder in folders.items()
        if name != _LEFT_OUT
        for path in folder.glob("*.yaml")
    ]
    return sorted([*copied, _STAND_IN])
