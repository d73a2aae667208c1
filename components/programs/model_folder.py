"""A model on a volume: the plan that names it, its files, its marker, whether it may be served.

It lies flat in `<volume>/<source>/<revision>/`. The marker `.complete` is written last and says
which files are there and against what each was verified; a folder without it is not served.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MARKER = ".complete"
CHUNK = 1 << 20
_WORDS = r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*"
SOURCE = re.compile(f"{_WORDS}/{_WORDS}")
REVISION = re.compile(r"[0-9a-f]{40}")
PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_READ_BY_SUFFIX = {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".py", ".so"}
"""Weights and code, which an engine may read only because they lie there."""
PARTS = ".partial"
"""How the folder of files on their way begins."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PreloadError(Exception):
    """It cannot go on; the text is one sentence."""


@dataclass(frozen=True)
class File:
    """A file of a model.

    Attributes:
        path: Where it lies in the folder.
        size: In bytes.
        sha256: Of its content, if known.
        git_blob: Git's own hash (SHA-1), if known.
        verified_against: `lock`, or `hub` where only the hub knows its hash.
    """

    path: str
    size: int
    sha256: str | None = None
    git_blob: str | None = None
    verified_against: str = "lock"

    @property
    def known_hash(self) -> str | None:
        """What its content is held against; None where only the hub can say."""
        return self.sha256 or self.git_blob


class Content:
    """Bytes that may become a file: their number, and their hash as far as it got.

    Args:
        file: The file that they may become.
        path: Where some of them lie already.
    """

    def __init__(self, file: File, path: Path) -> None:
        self._file = file
        self.start_over()
        with path.open("rb", buffering=0) as stream:
            while chunk := stream.read(CHUNK):
                self.add(chunk)

    def start_over(self) -> None:
        """Forget all of them."""
        blob = b"blob %d\0" % self._file.size  # what git hashes before the content
        use = self._file.sha256
        self._hash = hashlib.sha256() if use else hashlib.sha1(blob, usedforsecurity=False)
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Further bytes."""
        self._hash.update(chunk)
        self.size += len(chunk)

    @property
    def is_whole(self) -> bool:
        """Whether it is the file: its size and its hash."""
        return self.size == self._file.size and self._hash.hexdigest() == self._file.known_hash


@dataclass(frozen=True)
class Model:
    """A model of the plan.

    Attributes:
        source: Its id on the hub.
        revision: The commit.
        gated: Whether its licence has to be accepted first.
        complete: Whether `files` are all that a server needs; otherwise small ones may lack.
        files: As its lock has them.
        ignored: Files that must not be there.
    """

    source: str
    revision: str
    gated: bool
    complete: bool
    files: tuple[File, ...]
    ignored: frozenset[str]

    def __str__(self) -> str:
        return f"{self.source}@{self.revision[:12]}"

    def folder(self, volume: str | Path) -> Path:
        """Where it lies on a volume."""
        return Path(volume, self.source, self.revision)

    def vouched(self, volume: str | Path) -> dict[str, File]:
        """The files that the marker vouches for; none without a marker of this revision."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            said = _model(json.loads((self.folder(volume) / MARKER).read_text("utf-8")))
            if (said.source, said.revision) == (self.source, self.revision):
                return {file.path: file for file in said.files}
        return {}

    def problem(self, volume: str | Path) -> str | None:
        """Why it may not be served from there, in one clause; None if it may."""
        said = self.vouched(volume)
        if not said:
            return f"its {MARKER} is not there, or is of another revision"
        for file in (*said.values(), *self.files):
            path, other = self.folder(volume) / file.path, said.get(file.path)
            if other is None or file.known_hash not in (None, other.sha256, other.git_blob):
                return f"{file.path} was not verified against this lock"
            if path.is_symlink() or not path.is_file():
                return f"{file.path} is not there"
            if (size := path.stat().st_size) != file.size:
                return f"{file.path} has {size} bytes instead of {file.size}"
        for stray in self.strays(volume, said):
            return f"{stray} is there, and the lock does not list it"
        return None

    def strays(self, volume: str | Path, listed: Collection[str]) -> list[str]:
        """Weights and code in the folder that are not listed, and ignored files, by path."""
        folder = self.folder(volume)
        found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
        names = (path.relative_to(folder).as_posix() for path in found)
        return sorted(
            name
            for name in names
            if not name.startswith(PARTS)
            and (name in self.ignored or (name not in listed and _is_read(name)))
        )

    def mark(self, volume: str | Path, files: Iterable[File], *, at_once: bool) -> None:
        """Write the marker, on the disk before it is seen.

        Args:
            volume: Where the folder lies.
            files: What it vouches for.
            at_once: The file system shows a file only when it is whole, and cannot rename.
        """
        folder = self.folder(volume)
        said = {"source": self.source, "revision": self.revision, "files": [*map(asdict, files)]}
        name = MARKER if at_once else f"{MARKER}.new"
        with (folder / name).open("w", encoding="utf-8") as stream:
            json.dump(said, stream, indent=1)
            if not at_once:
                stream.flush()
                os.fsync(stream.fileno())
        if not at_once:
            for inner in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
                sync_folder(inner)
            (folder / name).replace(folder / MARKER)
            sync_folder(folder)


@dataclass(frozen=True)
class Plan:
    """What plan.json says.

    Attributes:
        target: Volume to fill, check or clear.
        origin: Volume to copy from.
        staging: Folder for files on their way, where the target cannot rename (S3).
        models: The models.
        job: Who fills the volume, for sentences.
        pauses_seconds: Between attempts that bring nothing, half to whole of each; when they are
            used up, the program gives up.
        timeout_seconds: How long the hub may be silent.
    """

    target: Path
    origin: Path | None
    staging: Path | None
    models: tuple[Model, ...]
    job: str
    pauses_seconds: tuple[float, ...]
    timeout_seconds: float


def read_plan(path: Path) -> Plan:
    """Read the plan; no name in it leads out of a folder.

    Raises:
        PreloadError: It is no plan.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        return Plan(
            Path(raw["target"]),
            Path(raw["from"]) if raw.get("from") else None,
            Path(raw["staging"]) if raw.get("staging") else None,
            tuple(map(_model, raw["models"])),
            str(raw.get("job", "the preload Job")),
            tuple(map(float, raw.get("pauses_seconds", (1, 2, 4, 8, 16, 32, 60)))),
            float(raw.get("timeout_seconds", 30)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PreloadError(f"{path} is no plan of this program: {error!r}.") from None


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _model(raw: dict[str, Any]) -> Model:
    files = tuple(File(**file) for file in raw["files"])
    for file in files:
        _named(PATH, file.path)
        _named(_SHA256, file.sha256 or "0" * 64)
    return Model(
        _named(SOURCE, raw["source"]),
        _named(REVISION, raw["revision"]),
        bool(raw.get("gated", False)),
        bool(raw.get("complete", True)),
        files,
        frozenset(raw.get("ignored", ())),
    )


def _is_read(name: str) -> bool:
    return Path(name).suffix.lower() in _READ_BY_SUFFIX


def _named(shape: re.Pattern[str], word: str) -> str:
    if not shape.fullmatch(word):
        raise ValueError(f"{word!r} is not what a model lock can hold")
    return word
