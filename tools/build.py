"""Making one tool: compiling a program, or copying CRD files out of a module."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tools.catalogue import (
    LINKER_FLAGS,
)
from tools.go import Go, module_directory, run_go
from tools.problem import ToolError
from tools.store import key_of
from tools.tool import (
    MODULES,
    CrdFiles,
    ModuleFile,
    Program,
    Tool,
    pinned,
)

_CRD = re.compile(r"^kind: CustomResourceDefinition$", re.MULTILINE)


def build(tool: Tool, folder: Path, go: Go, show: Callable[[str], None]) -> dict[str, str]:
    """Fill an empty folder with a tool.

    Args:
        tool: What to make.
        folder: Where; holds nothing but the tool afterwards.
        go: The Go toolchain.
        show: Told what is being done, repeatedly while it lasts.

    Returns:
        Where the tool came from, for its manifest.

    Raises:
        ToolError: Go failed, or what it made is not what was asked for.
    """
    if isinstance(tool, CrdFiles):
        return _copy_crds(tool, folder, go, show)
    for program in (*tool.bundled, tool):
        _compile(program, folder, go, show)
    return {
        "built from": f"tools/modules/{tool.folder}",
        "package": tool.package,
        "go": go.version,
    }


def _compile(tool: Program, folder: Path, go: Go, show: Callable[[str], None]) -> None:
    module = MODULES / tool.folder
    work = folder / ".work"
    work.mkdir()
    arguments = ["build", "-o", str(folder / tool.name)]
    if tool.tags:
        arguments += ["-tags", ",".join(tool.tags)]
    stamps = [f"-X {variable}={value}" for variable, value in tool.stamps]
    arguments += ["-ldflags", " ".join([LINKER_FLAGS, *stamps])]
    if tool.embedded:
        show("downloading")
        arguments += ["-overlay", str(_overlay(tool, work, go))]
    include = folder.parent / f"include-{key_of(tool)}"
    headers = _include_folder(tool, include, go) if tool.headers else None
    run_go(
        go,
        module,
        [*arguments, tool.package],
        work / "log",
        lambda: show("building"),
        headers=headers,
    )
    for file in tool.beside:
        source = _source(tool, file, go)
        shutil.copyfile(source, folder / source.name)
        (folder / source.name).chmod(0o755)
    shutil.rmtree(work)
    made = folder / tool.name
    if not made.is_file() or made.stat().st_size == 0:
        raise ToolError(f"go build of {tool.name} said that all is well and left no program")


def _source(tool: Tool, file: ModuleFile, go: Go) -> Path:
    version = pinned(tool.folder, file.module)
    return module_directory(go, MODULES / tool.folder, file.module, version) / file.path


def _include_folder(tool: Program, folder: Path, go: Go) -> Path:
    """The C headers that a program's module lacks, under the names that its sources include.

    Go's build cache knows compiled packages by this folder's path, not by what lies in it: a path
    that stays lets an interrupted build go on, and one of the tool's own key never finds old ones.
    """
    for header in tool.headers:
        version = pinned(header.folder, header.file.module)
        place = MODULES / header.folder
        source = module_directory(go, place, header.file.module, version) / header.file.path
        (folder / header.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / header.name)
    return folder


def _overlay(tool: Program, work: Path, go: Go) -> Path:
    """Lay the embedded JSON files beside `main.go` for the compiler's eyes only.

    They are written without white space, as the provider's own release build does.
    """
    replace: dict[str, str] = {}
    for file in tool.embedded:
        content = json.loads(_source(tool, file, go).read_bytes())
        if Path(file.path).name == "schema.json":
            content["version"] = tool.version.removeprefix("v")
        compact = work / Path(file.path).name
        compact.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
        replace[str(MODULES / tool.folder / compact.name)] = str(compact)
    overlay = work / "overlay.json"
    overlay.write_text(json.dumps({"Replace": replace}), encoding="utf-8")
    return overlay


def _copy_crds(tool: CrdFiles, folder: Path, go: Go, show: Callable[[str], None]) -> dict[str, str]:
    show("downloading")
    module = module_directory(go, MODULES / tool.folder, tool.module, tool.version)
    crds = folder / "crds"
    crds.mkdir()
    for file in sorted(module.glob(tool.pattern)):
        content = file.read_text(encoding="utf-8")
        if _CRD.search(content):
            (crds / file.name).write_text(content, encoding="utf-8")
    if not any(crds.iterdir()):
        raise ToolError(
            f"{tool.name}: {tool.module} {tool.version} has no CRD files at {tool.pattern}; "
            "correct the pattern in tools/catalogue.py"
        )
    return {"copied from": f"{tool.module}@{tool.version}", "files": tool.pattern}
