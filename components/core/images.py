"""Every container image of the platform by name, tag and digest, read from the lock `images.json`.

The lock stands beside this file and is written by `make lock-images` (tools/lock_images.py). A tag
can be rebuilt and moved, a digest cannot: what runs is decided by the digest, the tag is for the
reader.
"""

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from components.core.settings import DnsLabel, Settings

LOCK_FILE = Path(__file__).with_suffix(".json")
"""The committed lock; no other place names a tag or a digest."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""Content address of a manifest, the only form that registries of these images use."""

Repository = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+$")]
"""A repository with its registry, `docker.io/library/python`."""

Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
"""A tag as the OCI distribution specification allows it."""


class ImageLockError(ValueError):
    """The lock cannot be used, or does not have what was asked of it; the text says what to do."""


class Image(Settings):
    """One image, resolved.

    Attributes:
        name: What the platform calls it.
        repository: Registry and repository.
        tag: The tag that was resolved.
        digest: What the tag pointed at.
        kind: `index` where the digest names a multi-architecture index, `manifest` where it names
            the manifest of a single platform, which runs on that platform only.
        resolved_from: Where the digest comes from.
        resolved_on: The day on which it was read there.
    """

    name: DnsLabel
    repository: Repository
    tag: Tag
    digest: Digest
    kind: Literal["index", "manifest"]
    resolved_from: Annotated[str, Field(min_length=1)]
    resolved_on: date

    @property
    def reference(self) -> str:
        """The image as a pod names it, `registry/repository:tag@sha256:...`."""
        return f"{self.repository}:{self.tag}@{self.digest}"


class ImageLock(Settings):
    """The whole lock."""

    images: tuple[Image, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "ImageLock":
        names = [entry.name for entry in self.images]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"the name {twice[0]} stands there twice; give each image its own name"
            )
        return self

    def by_name(self) -> Mapping[str, Image]:
        """The images by their names, in the order of the file."""
        return MappingProxyType({entry.name: entry for entry in self.images})


def read_lock(path: Path = LOCK_FILE) -> ImageLock:
    """Read and check an image lock.

    Args:
        path: The lock file.

    Raises:
        ImageLockError: The file cannot be read, is not JSON, or has a wrong entry.
    """
    try:
        return ImageLock.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImageLockError(
            f"The image lock {path} cannot be read ({error.strerror}); restore it with git."
        ) from error
    except UnicodeDecodeError as error:
        raise ImageLockError(
            f"The image lock {path} is not UTF-8 text; restore it with git."
        ) from error
    except ValidationError as error:
        raise ImageLockError(f"The image lock {path} is wrong{_first_fault(error)}") from error


def lock_text(lock: ImageLock) -> str:
    """The lock as the text of its file: stable order and indentation, so that diffs stay small."""
    return json.dumps(lock.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def image(name: str) -> str:
    """The reference of one of the platform's images, `registry/repository:tag@sha256:...`.

    Args:
        name: Its name in the lock, for instance `vllm`.

    Raises:
        ImageLockError: The lock has no such image or is unusable.
    """
    known = images()
    if name not in known:
        raise ImageLockError(
            f"There is no image {name} in {LOCK_FILE.name}; known are {', '.join(known)}. "
            f"Add an entry and run `make lock-images`."
        )
    return known[name].reference


def image_version(name: str) -> str:
    """The version of the software in an image: its tag without a leading `v`.

    Raises:
        ImageLockError: As `image`.
    """
    image(name)
    return images()[name].tag.removeprefix("v")


@cache
def images() -> Mapping[str, Image]:
    """All images of the committed lock by name.

    Raises:
        ImageLockError: The lock is unusable.
    """
    return read_lock().by_name()


def _first_fault(error: ValidationError) -> str:
    """Where the first fault is and what it is; one at a time, later ones often follow from it."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{' at ' + where if where else ''}: {fault['msg']}; correct it or restore it with git."
