"""Resolve the tags of the image lock to digests: `python -m tools.lock_images [NAME[=TAG]...]`.

Without names it resolves every entry. `NAME=TAG` moves an entry to another tag, so that tag and
digest always change together. All or nothing: one tag that cannot be resolved leaves the lock as
it was. A tag that points elsewhere than before is reported as moved, because a released tag that
moves is either a rebuild or an attack.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import httpx
from pydantic import TypeAdapter, ValidationError

from components.core.images import (
    LOCK_FILE,
    Image,
    ImageLock,
    ImageLockError,
    Tag,
    lock_text,
    read_lock,
)
from tools.atomic_file import replace_text
from tools.image_registry import TIMEOUT_SECONDS, Kind, RegistryError, Resolved, resolve

_REGISTRY = "registry "
"""How `resolved_from` of an entry written here begins."""

Status = Literal["unchanged", "confirmed", "moved", "new tag"]
"""`confirmed` is the same digest, read from the registry for the first time."""
_TAG = TypeAdapter[str](Tag)
_DRIFT: frozenset[Status] = frozenset({"moved", "new tag"})


@dataclass(frozen=True)
class Outcome:
    """One row of the report.

    Attributes:
        name: The image's name in the lock.
        repository: Registry and repository.
        tag: The tag that was resolved.
        old_digest: The digest in the lock.
        new_digest: The digest the registry gave.
        kind: Whether the new digest names an index or a single platform's manifest.
        status: What it means.
    """

    name: str
    repository: str
    tag: str
    old_digest: str
    new_digest: str
    kind: Kind
    status: Status


def compare(entry: Image, tag: str, found: Resolved) -> Outcome:
    """What a resolved tag means for an entry of the lock.

    Args:
        entry: The entry as it stands.
        tag: The tag that was resolved, the entry's own or a new one.
        found: The registry's answer.
    """
    status: Status = "unchanged"
    if tag != entry.tag:
        status = "new tag"
    elif found.digest != entry.digest:
        status = "moved"
    elif not entry.resolved_from.startswith(_REGISTRY):
        status = "confirmed"
    return Outcome(
        entry.name, entry.repository, tag, entry.digest, found.digest, found.kind, status
    )


def updated(lock: ImageLock, outcomes: Sequence[Outcome], today: date) -> ImageLock:
    """The lock with the outcomes in it; entries that did not change keep their date.

    Args:
        lock: The lock as it was read.
        outcomes: What was resolved.
        today: The day of the resolution.
    """
    changes = {
        outcome.name: {
            "tag": outcome.tag,
            "digest": outcome.new_digest,
            "kind": outcome.kind,
            "resolved_from": _REGISTRY + outcome.repository.partition("/")[0],
            "resolved_on": today,
        }
        for outcome in outcomes
        if outcome.status != "unchanged"
    }
    images = tuple(entry.model_copy(update=changes.get(entry.name)) for entry in lock.images)
    return lock.model_copy(update={"images": images})


def write_lock(lock: ImageLock, path: Path) -> None:
    """Replace the lock in one step: a reader, or a full disk, never sees half of it.

    Args:
        lock: What to write.
        path: The lock file.

    Raises:
        ImageLockError: It could not be written; the old file is still there.
    """
    try:
        replace_text(path, lock_text(lock))
    except OSError as error:
        raise ImageLockError(
            f"The image lock {path} could not be written ({error.strerror}) and is as it was; "
            f"make room or correct its permissions and run it again."
        ) from error


def _targets(lock: ImageLock, asked: Sequence[str]) -> list[tuple[Image, str]]:
    """The entries to resolve, each with the tag to resolve."""
    known = lock.by_name()
    if not asked:
        return [(entry, entry.tag) for entry in known.values()]
    targets: list[tuple[Image, str]] = []
    for item in asked:
        name, _, tag = item.partition("=")
        if name not in known:
            raise ImageLockError(
                f"There is no image {name} in the lock; known are {', '.join(known)}."
            )
        entry = known[name]
        try:
            targets.append((entry, _TAG.validate_python(tag) if tag else entry.tag))
        except ValidationError as error:
            raise ImageLockError(
                f"{tag!r} in {item!r} cannot be a tag; a tag is letters, digits and ._- only."
            ) from error
    return targets


def _table(outcomes: Sequence[Outcome]) -> str:
    rows = [("NAME", "TAG", "OLD DIGEST", "NEW DIGEST", "")]
    for item in outcomes:
        note = item.status + ("" if item.kind == "index" else ", one platform only")
        rows.append((item.name, item.tag, item.old_digest[7:19], item.new_digest[7:19], note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _explain(outcomes: Sequence[Outcome], *, check: bool) -> str:
    """What the table means and what to do next."""
    lines = [
        f"{item.repository}:{item.tag} has moved: it was {item.old_digest} and is now "
        f"{item.new_digest}. Find out why before you trust it."
        for item in outcomes
        if item.status == "moved"
    ]
    lines += [
        f"{item.repository}:{item.tag} is no index: {item.new_digest} runs on one platform only."
        for item in outcomes
        if item.kind == "manifest"
    ]
    changed = [item.name for item in outcomes if item.status != "unchanged"]
    if not changed:
        lines.append("Every digest stands as it is in the lock; nothing was written.")
    elif check:
        lines.append(f"Nothing was written; `make lock-images` would change {', '.join(changed)}.")
    else:
        lines.append(
            f"Wrote {', '.join(changed)} to the lock. Next: `git diff`, `make test`, commit."
        )
    return "\n".join(lines)


def _resolve_all(
    client: httpx.Client, targets: Sequence[tuple[Image, str]]
) -> tuple[list[Outcome], list[str]]:
    """The outcomes, and the sentences about what failed."""
    outcomes: list[Outcome] = []
    failures: list[str] = []
    for number, (entry, tag) in enumerate(targets, start=1):
        print(f"resolving {entry.name} ({number} of {len(targets)})", file=sys.stderr)
        try:
            outcomes.append(compare(entry, tag, resolve(client, entry.repository, tag)))
        except RegistryError as error:
            failures.append(str(error))
    return outcomes, failures


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.lock_images",
        description="Resolve the tags of the image lock to digests.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME[=TAG]", help="images; default: all")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where a tag has moved"
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.add_argument("--lock", type=Path, default=LOCK_FILE, help="the lock file")
    return parser.parse_args(argv)


def run(argv: Sequence[str] | None, client: httpx.Client, today: date) -> int:
    """Do what the command line asks.

    Args:
        argv: The arguments, those of the process if None.
        client: The HTTP client.
        today: The date to record.

    Returns:
        The exit code: 0 for done, 1 for a failure or, with `--check`, for a tag that has moved.
    """
    arguments = _arguments(argv)
    try:
        lock = read_lock(arguments.lock)
        outcomes, failures = _resolve_all(client, _targets(lock, arguments.names))
        changed = any(item.status != "unchanged" for item in outcomes)
        if changed and not failures and not arguments.check:
            write_lock(updated(lock, outcomes, today), arguments.lock)
    except ImageLockError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.json:
        report = {"images": [asdict(item) for item in outcomes], "failures": failures}
        print(json.dumps(report, indent=2))
    elif outcomes:
        print(_table(outcomes))
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        print("Nothing was written.", file=sys.stderr)
        return 1
    print(_explain(outcomes, check=arguments.check), file=sys.stderr)
    return int(arguments.check and any(item.status in _DRIFT for item in outcomes))


def main() -> int:
    """The command line.

    Returns:
        The exit code.
    """
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as client:
            return run(None, client, datetime.now(UTC).date())
    except KeyboardInterrupt:
        print("Interrupted; the image lock is as it was.", file=sys.stderr)
        return 130  # as shells number a process that SIGINT ended


if __name__ == "__main__":
    sys.exit(main())
