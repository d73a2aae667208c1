"""What a tool is: a program that is compiled, or files that are copied, out of a Go module."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

MODULES = Path(__file__).parent / "modules"


@cache
def _requirements(folder: str) -> dict[str, str]:
    lines = re.findall(
        r"^\s*(?:require\s+)?(\S+\.\S+/\S+)\s+(v\S+)(?:\s+//.*)?$",
        (MODULES / folder / "go.mod").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return dict(lines)


@cache
def go_directive(folder: str) -> tuple[int, ...]:
    """Oldest Go release that a module folder can be built with, from its `go` line."""
    text = (MODULES / folder / "go.mod").read_text(encoding="utf-8")
    line = re.search(r"^go (\d+(?:\.\d+)+)$", text, re.MULTILINE)
    if line is None:
        raise ValueError(f"tools/modules/{folder}/go.mod has no `go` line")
    return tuple(int(part) for part in line[1].split("."))


def pinned(folder: str, module: str) -> str:
    """Version of `module` that the `go.mod` of a module folder requires, such as `v3.6.14`."""
    return _requirements(folder)[module]


@dataclass(frozen=True)
class ModuleFile:
    """A file of a Go module that a tool needs beside its binary or inside it."""

    module: str
    path: str


@dataclass(frozen=True)
class CHeader:
    """A C header that a program is compiled with, from a module that another folder pins.

    Attributes:
        folder: Folder under `tools/modules` whose go.mod and go.sum pin the module.
        file: The header.
        name: The path by which sources include it.
    """

    folder: str
    file: ModuleFile
    name: str


@dataclass(frozen=True)
class Program:
    """A program compiled from a Go module.

    Attributes:
        name: File name of the executable, and the tool's name everywhere.
        folder: Folder under `tools/modules` whose go.mod and go.sum pin every dependency.
        version: What the program is, for readers and for the manifest.
        package: What `go build` is asked for; `.` is the `main.go` of the module folder.
        tags: Go build tags.
        stamps: Variables that the linker sets, by their full Go name.
        beside: Files copied next to the executable.
        embedded: JSON files that `main.go` embeds, by base name; not kept in this repository.
        bundled: Programs built into the same folder.
        headers: C headers that its module lacks; a program that has some is compiled with cgo.
    """

    name: str
    folder: str
    version: str
    package: str
    tags: tuple[str, ...] = ()
    stamps: tuple[tuple[str, str], ...] = ()
    beside: tuple[ModuleFile, ...] = ()
    embedded: tuple[ModuleFile, ...] = ()
    bundled: tuple[Program, ...] = ()
    headers: tuple[CHeader, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class CrdFiles:
    """CustomResourceDefinitions copied out of a Go module; nothing is compiled.

    Attributes:
        name: The tool's name.
        folder: Folder under `tools/modules` whose go.mod and go.sum pin the module.
        module: The Go module that carries the files.
        pattern: Glob below the module's root. Files that define no CRD are left out.
    """

    name: str
    folder: str
    module: str
    pattern: str

    @property
    def version(self) -> str:
        """Version of the module that the files come from."""
        return pinned(self.folder, self.module)


Tool = Program | CrdFiles
