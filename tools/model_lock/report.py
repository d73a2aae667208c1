"""What differs between two locks of a model, as rows and as sentences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.core.model_lock import LockedFile, LockedModel

Status = Literal["new", "unchanged", "confirmed", "moved", "changed"]
"""`confirmed`: what others published is what the hub says; `changed`: the same commit, other
facts."""
_WIDEST = 60
_GIGABYTE, _MEGABYTE = 10**9, 10**6
_LARGE = 10**8
_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """One row: what it is, as it was locked and as it is now; a dash for nothing."""

    what: str
    old: str
    new: str


@dataclass(frozen=True)
class Comparison:
    """A lock against the one before.

    Attributes:
        source: The model's id.
        revision: The commit that is locked now.
        previous_revision: The commit that was, None for a model without a lock.
        weight_bytes: Of the weights that are locked now.
        status: What it comes to.
        changes: The rows.
    """

    source: str
    revision: str
    previous_revision: str | None
    weight_bytes: int
    status: Status
    changes: tuple[Change, ...]


def compare(old: LockedModel | None, new: LockedModel) -> Comparison:
    """What is new about a lock.

    Args:
        old: The lock before, None where there is none.
        new: The lock now.
    """
    changes = tuple(_rows(old, new))
    status: Status = "unchanged"
    if old is None:
        status = "new"
    elif old.revision != new.revision:
        status = "moved"
    elif changes:
        status = "changed"
    elif old.evidence.obtained != new.evidence.obtained:
        status = "confirmed"
    previous = old.revision if old else None
    return Comparison(new.source, new.revision, previous, new.weight_bytes, status, changes)


def table(rows: Sequence[Change]) -> str:
    """The rows as aligned text.

    Args:
        rows: What to show.
    """
    lines = [("WHAT", "LOCKED", "NOW"), *((row.what, row.old, row.new) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def explain(comparison: Comparison, path: Path) -> str:
    """What the rows mean and what to do next.

    Args:
        comparison: The outcome.
        path: The lock's file.
    """
    found = comparison
    wrote = f"Wrote {path.name}. Next: `git diff`, `make test`, commit."
    match found.status:
        case "unchanged":
            return f"{found.source} stands as it is in {path.name}; nothing was written."
        case "confirmed":
            return f"The hub says of {found.source} what the lock said. {wrote}"
        case "new":
            return f"{wrote} To serve it, name the revision {found.revision} in the stack file."
        case "moved":
            return (
                f"{found.source} was locked at {found.previous_revision} and is now locked at "
                f"{found.revision} too. {wrote} A stack serves it once its `revision` says so; "
                f"delete the other lock when no stack names it."
            )
        case "changed":
            return (
                f"{found.source} is at the commit of the lock, and yet the above differs: only "
                f"licence and access may change so. {wrote}"
            )


def size_text(size: int) -> str:
    """Bytes for people, in decimal units as hubs and providers count.

    Args:
        size: In bytes.
    """
    if size >= _LARGE:
        return f"{size / _GIGABYTE:.2f} GB"
    return f"{size / _MEGABYTE:.1f} MB"


def _rows(old: LockedModel | None, new: LockedModel) -> Iterator[Change]:
    """Every fact that differs."""
    for name in ("revision", "licence", "gated", "quantization"):
        now = getattr(new, name)
        if old is None or getattr(old, name) != now:
            yield Change(name, _text(getattr(old, name, None)), _text(now))
    if old is None:
        yield Change("weights", "-", _weights(new))
        return
    if _weights(old) != _weights(new):
        yield Change("weights", _weights(old), _weights(new))
    yield from _file_rows(old, new)
    for key in sorted(old.config.keys() | new.config.keys()):
        before, now = old.config.get(key, _ABSENT), new.config.get(key, _ABSENT)
        if before != now:
            yield Change(f"config {key}", _text(before), _text(now))


def _file_rows(old: LockedModel, new: LockedModel) -> Iterator[Change]:
    """Files that differ; a lock from public sources need not list every small one."""
    before, now = ({file.path: file for file in lock.files} for lock in (old, new))
    listed = now.keys() if old.evidence.obtained == "hub" else before.keys()
    weights = {file.path for file in new.weight_files}
    for path in sorted(before.keys() | (now.keys() & listed) | weights):
        if not _same(before.get(path), now.get(path)):
            yield Change(path, _file_text(before.get(path)), _file_text(now.get(path)))


def _same(old: LockedFile | None, new: LockedFile | None) -> bool:
    """Two files are the same if their size is and no hash that both have differs."""
    if old is None or new is None or old.size != new.size:
        return False
    pairs = ((old.sha256, new.sha256), (old.git_blob, new.git_blob))
    return all(left == right for left, right in pairs if left and right)


def _file_text(file: LockedFile | None) -> str:
    return f"{file.size} bytes, {(file.sha256 or file.git_blob or '?')[:12]}" if file else "-"


def _weights(model: LockedModel) -> str:
    return f"{size_text(model.weight_bytes)} in {len(model.weight_files)} files"


def _text(value: object) -> str:
    text = "-" if value is None or value is _ABSENT else str(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."
