"""What is known of a model before anything is downloaded: one small JSON file a model and revision.

The files stand in `models/` at the top of the checkout and are written by `make lock`
(tools/model_lock/). A planner and a preview read them alone and ask no network. A file is read
when its model is asked for, not before.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, NonNegativeInt, StringConstraints, ValidationError, model_validator

from components.core.adapter import Adapter, is_adapter, read_adapter
from components.core.settings import PositiveInt, Revision, Settings

LOCK_FOLDER = Path(__file__).parents[2] / "models"
"""The committed locks; `lock_path` says how one is named."""

WEIGHT_SUFFIX = ".safetensors"
"""The one format of weights that is locked: it cannot carry code, and its size is known."""

_SHORT = 12
"""Digits of the revision in a file's name; the whole revision stands in the file."""

_WORDS = r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*"
HubId = Annotated[
    str,
    StringConstraints(pattern=f"^{_WORDS}/{_WORDS}$", max_length=96),
    Field(description="Hub id, org/name."),
]
"""A model's id; hubs forbid '--' in it, so that can stand for the slash in a file's name."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
GitBlob = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
RelativePath = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$"),
]
"""A file of the model's repository; it never points outside a folder."""


class ModelLockError(ValueError):
    """A lock is absent, was edited, or cannot be read; the text says what to do."""


class LockedFile(Settings):
    """One file of the model's repository.

    Attributes:
        path: Where it lies in the repository.
        size: In bytes.
        sha256: Of its content; None where only the hub itself can say, so that a download has to
            be held against the hub instead.
        git_blob: Git's own hash (SHA-1) of a file that is not in large-file storage, if known.
    """

    path: RelativePath
    size: NonNegativeInt
    sha256: Sha256 | None
    git_blob: GitBlob | None = None


class Evidence(Settings):
    """Where the facts of a lock come from.

    Attributes:
        obtained: `hub` where `make lock` read them, `public sources` where they were put together
            from what others published; `files` then holds every weight file, but perhaps not
            every small one.
        where: The hub's host, or what the public sources are.
        on: The day.
    """

    obtained: Literal["hub", "public sources"]
    where: Annotated[str, Field(min_length=1)]
    on: date


class LockedModel(Settings):
    """A model, or an adapter of one, at one revision.

    Attributes:
        source: Its id on the hub.
        revision: The commit, 40 hexadecimal digits.
        licence: As the model card names it; None where it names none.
        gated: Whether the hub hands the files only to accounts that accepted the licence.
        quantization: The method as the engine calls it, None for unquantised weights.
        weight_bytes: Sum of the sizes of the safetensors files that the engine loads, in bytes:
            the tensors and some kilobytes of headers a file.
        files: The files a server needs: those weights, the configuration and the tokenizer.
        ignored: Weights of the repository that the engine must not load: other formats, copies.
        config: The model's config.json as published; an adapter's adapter_config.json.
        evidence: Where all this comes from.
        digest: SHA-256 over everything else, so that an edit by hand is found.
    """

    source: HubId
    revision: Revision
    licence: str | None
    gated: bool
    quantization: str | None
    weight_bytes: PositiveInt
    files: tuple[LockedFile, ...]
    ignored: tuple[str, ...]
    config: Annotated[dict[str, Any], Field(min_length=1)]
    evidence: Evidence
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _weights_add_up(self) -> "LockedModel":
        paths = [file.path for file in self.files]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise ValueError(f"the file {twice[0]} stands there twice")
        total = sum(file.size for file in self.weight_files)
        if total != self.weight_bytes:
            raise ValueError(
                f"weight_bytes is {self.weight_bytes}, but the weight files sum up to {total}"
            )
        return self

    @model_validator(mode="after")
    def _loads(self) -> "LockedModel":
        if is_adapter(self.config):
            read_adapter(self.config)
        return self

    @property
    def adapter(self) -> Adapter | None:
        """The adapter that the repository holds; None where it holds a model."""
        return read_adapter(self.config) if is_adapter(self.config) else None

    @property
    def weight_files(self) -> tuple[LockedFile, ...]:
        """The safetensors files among `files`."""
        return tuple(file for file in self.files if file.path.endswith(WEIGHT_SUFFIX))

    @property
    def unverifiable(self) -> tuple[str, ...]:
        """Weight files without a SHA-256: a download of them is held against the hub only."""
        return tuple(file.path for file in self.weight_files if file.sha256 is None)


def lock_path(source: str, revision: str, folder: Path = LOCK_FOLDER) -> Path:
    """Where a model's lock lies: `models/Qwen--Qwen2.5-7B-Instruct@a09a35458c70.json`.

    Args:
        source: The model's id on the hub.
        revision: The commit.
        folder: The folder of the locks.
    """
    return folder / f"{source.replace('/', '--')}@{revision[:_SHORT]}.json"


def locked_names(folder: Path = LOCK_FOLDER) -> tuple[tuple[str, str], ...]:
    """Id and short revision of every model that has a lock, by the files' names alone.

    Args:
        folder: The folder of the locks.
    """
    names = sorted(path.stem.replace("--", "/", 1) for path in folder.glob("*--*@*.json"))
    return tuple((source, revision) for source, _, revision in (n.rpartition("@") for n in names))


def locked_model(source: str, revision: str, folder: Path = LOCK_FOLDER) -> LockedModel:
    """The lock of a model at a revision; reads this one file.

    Args:
        source: The model's id on the hub.
        revision: The commit.
        folder: The folder of the locks.

    Raises:
        ModelLockError: There is none, or it is unusable, or it was edited by hand.
    """
    path = lock_path(source, revision, folder)
    if not path.is_file():
        raise ModelLockError(_no_lock(source, revision, folder))
    found = read_lock_file(path)
    if (found.source, found.revision) != (source, revision):
        raise ModelLockError(
            f"The lock {path.name} is of {found.source} at {found.revision}, not of {source} at "
            f"{revision}; run {_command(source, revision)}."
        )
    return found


def read_lock_file(path: Path) -> LockedModel:
    """Read and check one lock.

    Args:
        path: The lock's file.

    Raises:
        ModelLockError: It cannot be read, is not JSON, lacks something, or was edited by hand.
    """
    try:
        fields: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelLockError(
            f"The lock {path.name} cannot be read ({error.strerror}); restore it with git."
        ) from error
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8, brackets without end
        raise ModelLockError(
            f"The lock {path.name} is not JSON; restore it with git, or run `make lock` again."
        ) from error
    try:
        model = LockedModel.model_validate(fields)
    except ValidationError as error:
        raise ModelLockError(
            f"The lock {path.name} is wrong{_first_fault(error)}; restore it with git, or run "
            f"`make lock` again."
        ) from error
    if model.digest != digest_of(cast("dict[str, object]", fields)):
        raise ModelLockError(
            f"The lock {path.name} was edited by hand, its digest does not fit; restore it with "
            f"git, or run {_command(model.source, model.revision)}."
        )
    return model


def digest_of(fields: Mapping[str, object]) -> str:
    """SHA-256 of the canonical JSON of all fields but the digest, with its `sha256:` prefix.

    Args:
        fields: The lock as JSON has it.
    """
    rest = {name: value for name, value in fields.items() if name != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def lock_text(fields: Mapping[str, object]) -> str:
    """The text of a lock's file: the fields in their order and their digest.

    Args:
        fields: The lock as JSON has it, without or with a digest.
    """
    rest = {name: value for name, value in fields.items() if name != "digest"}
    return json.dumps({**rest, "digest": digest_of(rest)}, indent=2) + "\n"


def _command(source: str, revision: str) -> str:
    return f"`make lock MODEL={source} REVISION={revision}`"


def _no_lock(source: str, revision: str, folder: Path) -> str:
    """Why there is no lock: another revision has one, other models have, none has."""
    names = locked_names(folder)
    others = [short for name, short in names if name == source]
    if others:
        return (
            f"{source} is locked at {' and '.join(others)}, not at the revision {revision}; run "
            f"{_command(source, revision)}, or name the revision that is locked."
        )
    known = ", ".join(sorted({name for name, _ in names})) or "no model"
    return (
        f"{source} has no lock in {folder.name}/, so nothing is known of its size and shape "
        f"(locked: {known}); run {_command(source, revision)}."
    )


def _first_fault(error: ValidationError) -> str:
    """Where the first fault is and what it is; one at a time, later ones often follow from it."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{' at ' + where if where else ''}: {fault['msg']}"
