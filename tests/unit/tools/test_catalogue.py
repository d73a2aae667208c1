from __future__ import annotations

import tomllib

import pytest

from tests.unit.tools.workshop import CHECKOUT
from tools.catalogue import (
    ALL,
    CRDS,
    KUBERNETES_PLUGIN_VERSION,
    OLLAMA,
    PULUMI_CLI,
    SERVING,
)
from tools.tool import (
    MODULES,
    CHeader,
    CrdFiles,
    Program,
    go_directive,
    pinned,
)


def test_names_are_unique() -> None:
    names = [tool.name for tool in (*ALL, *SERVING)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("tool", [*ALL, *SERVING], ids=lambda tool: tool.name)
def test_every_module_folder_is_committed_with_its_checksums(tool: Program | CrdFiles) -> None:
    folder = MODULES / tool.folder
    assert (folder / "go.sum").stat().st_size > 0
    assert go_directive(tool.folder) >= (1, 26)
    module = (folder / "go.mod").read_text()
    assert f"module inference-platform/tools/{tool.folder}\n" in module


@pytest.mark.parametrize("crds", CRDS, ids=lambda tool: tool.name)
def test_the_checksum_of_every_module_with_crds_is_committed(crds: CrdFiles) -> None:
    sums = (MODULES / crds.folder / "go.sum").read_text()
    assert f"{crds.module} {crds.version} h1:" in sums


@pytest.mark.parametrize("header", OLLAMA.headers, ids=lambda header: header.name)
def test_the_checksum_of_every_module_with_headers_is_committed(header: CHeader) -> None:
    sums = (MODULES / header.folder / "go.sum").read_text()
    module = header.file.module
    assert f"{module} {pinned(header.folder, module)} h1:" in sums


def test_engine_and_provider_match_the_python_packages() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    assert f"pulumi=={PULUMI_CLI.version.removeprefix('v')}" in dependencies
    assert f"pulumi-kubernetes=={KUBERNETES_PLUGIN_VERSION}" in dependencies


def test_module_folders_hold_no_path_of_a_machine() -> None:
    for file in MODULES.rglob("go.mod"):
        assert "=> /" not in file.read_text()
        assert "=> ." not in file.read_text()
