"""The cache folder of built tools: where each lies, whether it is whole, how it gets there.

A tool lies in `<cache>/tools/<name>/<key>/`, where the key is a hash of everything it is built
from; two checkouts with the same pins share it. A folder counts only with the manifest in it that
names every file's checksum. It is filled under another name and renamed once it is complete, so
that a killed build leaves nothing that could be taken for a tool.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from tools.bootstrap import cache_folder
from tools.catalogue import (
    GO_FLAGS,
    LINKER_FLAGS,
)
from tools.problem import ToolError
from tools.tool import (
    MODULES,
    Program,
    Tool,
)

MANIFEST = "manifest.json"
_LAYOUT = "1"  # raised when the folder's content changes form: old folders are then built anew
_WAIT_SECONDS = 0.5
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def target() -> tuple[str, str]:
    """This machine as Go names it, such as `("linux", "amd64")`.

    Raises:
        ToolError: The tools are not built for this machine.
    """
    machine = _MACHINES.get(platform.machine().lower())
    if machine is None or sys.platform not in {"linux", "darwin"}:
        raise ToolError(
            f"the tools are built for Linux and macOS on x86-64 and arm64, and this is "
            f"{sys.platform} on {platform.machine()}: run from one of those, or in a container"
        )
    return sys.platform, machine


def key_of(tool: Tool) -> str:
    """Hash of all that a tool is built from: its module folder, its recipe and the machine."""
    digest = hashlib.sha256()
    for part in (_LAYOUT, GO_FLAGS, LINKER_FLAGS, *target(), repr(tool)):
        digest.update(part.encode() + b"\0")
    others: list[str] = []
    if isinstance(tool, Program):
        others += (program.folder for program in tool.bundled)
        others += dict.fromkeys(header.folder for header in tool.headers)
        digest.update("".join(map(repr, tool.headers)).encode())
    for folder in (tool.folder, *others):
        for file in sorted(file for file in (MODULES / folder).iterdir() if file.is_file()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


def folder_of(tool: Tool) -> Path:
    """Where a tool lies once it is built."""
    return cache_folder() / "tools" / tool.name / key_of(tool)


def paths_in(folder: Path, tool: Tool) -> dict[str, Path]:
    """By name what a tool's user is given: the executables, or the folder of CRD files."""
    if isinstance(tool, Program):
        return {program.name: folder / program.name for program in (tool, *tool.bundled)}
    return {tool.name: folder / "crds"}


def sha256(file: Path) -> str:
    """Checksum of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(file: Path, content: object) -> None:
    """Replace a file in one step, so that a reader sees the old content or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as stream:
        json.dump(content, stream, indent=2, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    Path(stream.name).replace(file)


def read_json(file: Path) -> dict[str, Any] | None:
    """A file that `write_json` wrote, or None when it is missing or damaged."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None


def _record(file: Path) -> dict[str, str | int]:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())  # the manifest must not reach the disk before the content
    state = file.stat()
    return {"sha256": sha256(file), "bytes": state.st_size, "modified_ns": state.st_mtime_ns}


def write_manifest(folder: Path, tool: Tool, origin: dict[str, str]) -> None:
    """Describe a finished folder: name, version, origin, key and every file's checksum."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    content = {
        "name": tool.name,
        "version": tool.version,
        "key": key_of(tool),
        "target": "/".join(target()),
        "origin": origin,
        "files": {file.relative_to(folder).as_posix(): _record(file) for file in files},
    }
    write_json(folder / MANIFEST, content)


def _is_intact(file: Path, recorded: dict[str, str | int]) -> bool:
    try:
        state = file.stat()
    except OSError:
        return False
    if state.st_size != recorded.get("bytes"):
        return False
    unchanged = state.st_mtime_ns == recorded.get("modified_ns")
    # A copied cache folder has new times and the old content: only then is all of it read.
    return unchanged or sha256(file) == recorded.get("sha256")


def is_whole(folder: Path, tool: Tool) -> bool:
    """Whether a tool's folder has its manifest and every file that the manifest names, unchanged.

    Costs one `stat` a file; content is read only where a modification time differs.
    """
    manifest = read_json(folder / MANIFEST)
    if manifest is None or manifest.get("name") != tool.name or not manifest.get("files"):
        return False
    return all(_is_intact(folder / name, record) for name, record in manifest["files"].items())


@contextmanager
def locked(file: Path, waiting: Callable[[], None]) -> Generator[None]:
    """Hold a lock file; while another process holds it, call `waiting` twice a second.

    The operating system lets go of the lock when its holder dies, however it dies.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_WAIT_SECONDS)
        except Timeout:
            waiting()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def filling(folder: Path) -> Generator[Path]:
    """An empty folder to fill; renamed to `folder` at the end, removed when filling fails.

    What killed runs left behind is removed first, so call it under the tool's lock.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(".building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        yield temporary
        if folder.exists():  # incomplete or damaged: the caller looked under the lock
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
