"""Write the lock of a model or an adapter: `python -m tools.model_lock.command org/name`.

Asks a hub for the files of a revision with their sizes and hashes, reads the configuration and the
weights' index, and writes `models/<org>--<name>@<revision>.json`. No weight is downloaded. What
differs from the lock there was is printed. The hub is `HF_ENDPOINT` or the public one, the token
that of `HF_TOKEN`.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter, ValidationError

from components.core.adapter import AdapterError, read_adapter
from components.core.model_lock import (
    LOCK_FOLDER,
    HubId,
    LockedModel,
    ModelLockError,
    digest_of,
    lock_path,
    lock_text,
    read_lock_file,
)
from tools.atomic_file import replace_text
from tools.model_lock.access import Hub, hub_from
from tools.model_lock.files import (
    ADAPTER_CONFIG,
    CONFIG,
    INDEX,
    Selection,
    holds_adapter,
    select,
    select_adapter,
)
from tools.model_lock.hub import RemoteFile, Repository, read_json, read_repository
from tools.model_lock.report import Comparison, compare, explain, size_text, table
from tools.problem import ToolError

_MODELOPT = "hf_quant_config.json"
"""Where ModelOpt keeps what others write into config.json; the engine reads it from there too."""
_SHOWN = 5
"""Names in one line; a repository can hold dozens of copies."""


def _configuration(hub: Hub, repository: Repository) -> dict[str, object]:
    """config.json, with the quantisation that stands in a file of its own."""
    if CONFIG not in repository.files:
        raise ToolError(
            f"{repository.source} has neither {CONFIG} nor {ADAPTER_CONFIG}, so it is no model by "
            f"itself and no adapter (a GGUF copy?); name the model that it belongs to."
        )
    config = read_json(hub, repository, CONFIG)
    if "quantization_config" not in config and _MODELOPT in repository.files:
        config["quantization_config"] = read_json(hub, repository, _MODELOPT)
    return config


def _adapter_configuration(hub: Hub, repository: Repository) -> dict[str, object]:
    """adapter_config.json, held against what the engine loads."""
    config = read_json(hub, repository, ADAPTER_CONFIG)
    try:
        read_adapter(config)
    except AdapterError as error:
        raise ToolError(f"{ADAPTER_CONFIG} of {repository.source}: {error}.") from error
    return config


def quantization_of(config: Mapping[str, object]) -> str | None:
    """The quantisation method as the engine calls it.

    Args:
        config: A model's config.json, where it may stand at the top or in the text model's part.
    """
    text = config.get("text_config")
    parts = [config, cast("dict[str, object]", text) if isinstance(text, dict) else {}]
    for part in parts:
        table = part.get("quantization_config") or part.get("compression_config")
        if isinstance(table, dict):
            method = cast("dict[str, object]", table).get("quant_method")
            if isinstance(method, str):
                return method.lower()
            return "modelopt" if "quantization" in table else "unknown"
    return None


def _locked(
    repository: Repository, selection: Selection, config: Mapping[str, object], hub: Hub, day: date
) -> LockedModel:
    """The lock of what was found."""
    files = sorted((*selection.weights, *selection.companions), key=lambda file: file.path)
    fields: dict[str, object] = {
        "source": repository.source,
        "revision": repository.revision,
        "licence": repository.licence,
        "gated": repository.gated,
        "quantization": quantization_of(config),
        "weight_bytes": sum(file.size for file in selection.weights),
        "files": [asdict(file) for file in files],
        "ignored": [file.path for file in selection.ignored],
        "config": dict(config),
        "evidence": {"obtained": "hub", "where": hub.host, "on": day.isoformat()},
    }
    try:
        return LockedModel.model_validate({**fields, "digest": digest_of(fields)})
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ToolError(
            f"{hub.host} says of {repository.source} what cannot be locked ({where}: "
            f"{fault['msg']}); choose another revision."
        ) from error


def _previous(model: LockedModel, folder: Path) -> LockedModel | None:
    """The lock of this revision, or the youngest of another one; unusable ones do not count."""
    own = lock_path(model.source, model.revision, folder)
    others = sorted(folder.glob(f"{own.name.partition('@')[0]}@*.json"))
    found: list[LockedModel] = []
    for path in others:
        try:
            found.append(read_lock_file(path))
        except ModelLockError as error:
            print(error, file=sys.stderr)
    same = [lock for lock in found if lock.revision == model.revision]
    return max(same or found, key=lambda lock: lock.evidence.on, default=None)


def write_lock(model: LockedModel, path: Path) -> None:
    """Put a lock in its place in one step: a reader, or a full disk, never sees half of it.

    Args:
        model: What to write.
        path: The lock's file.

    Raises:
        ToolError: It could not be written; what was there is still there.
    """
    try:
        replace_text(path, lock_text(model.model_dump(mode="json")))
    except OSError as error:
        raise ToolError(
            f"The lock {path} could not be written ({error.strerror}), nothing has changed; make "
            f"room or correct its permissions and run it again."
        ) from error


def _find(hub: Hub, source: str, revision: str, day: date) -> tuple[LockedModel, Selection, str]:
    """Ask the hub for everything; the lock, the files sorted out, and the hub's name for it."""
    print(f"asking {hub.host} for {source} at {revision}", file=sys.stderr)
    repository = read_repository(hub, source, revision)
    if holds_adapter(repository.files):
        config = _adapter_configuration(hub, repository)
        selection = select_adapter(source, repository.files)
        return _locked(repository, selection, config, hub, day), selection, repository.hub_id
    config = _configuration(hub, repository)
    index = None
    if INDEX in repository.files:
        print(f"reading {INDEX} ({repository.files[INDEX].size} bytes)", file=sys.stderr)
        index = read_json(hub, repository, INDEX)
    selection = select(source, repository.files, index)
    return _locked(repository, selection, config, hub, day), selection, repository.hub_id


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.model_lock",
        description="Write down a model's files, sizes, hashes and configuration.",
    )
    parser.add_argument("model", metavar="org/name", help="the model's id on the hub")
    parser.add_argument("--revision", default="", help="branch, tag or commit; default: main")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.add_argument("--folder", type=Path, default=LOCK_FOLDER, help="the folder of the locks")
    return parser.parse_args(argv)


def _print_outcome(
    comparison: Comparison, path: Path, ignored: Sequence[RemoteFile], *, as_json: bool
) -> None:
    if as_json:
        report = {
            "lock": str(path),
            **asdict(comparison),
            "ignored": [{"path": file.path, "size": file.size} for file in ignored],
        }
        print(json.dumps(report, indent=2))
    elif comparison.changes:
        print(table(comparison.changes))
    if ignored:
        names = ", ".join(f"{file.path} ({size_text(file.size)})" for file in ignored[:_SHOWN])
        more = f" and {len(ignored) - _SHOWN} more" if len(ignored) > _SHOWN else ""
        print(f"Not for the engine, so not locked: {names}{more}.", file=sys.stderr)


def run(argv: Sequence[str] | None, hub: Hub, day: date) -> int:
    """Do what the command line asks.

    Args:
        argv: The arguments, those of the process if None.
        hub: The hub to ask.
        day: The date to record.

    Returns:
        The exit code: 0 for done, 1 for a failure.
    """
    arguments = _arguments(argv)
    source = arguments.model
    try:
        TypeAdapter(HubId).validate_python(source)
        model, selection, hub_id = _find(hub, source, arguments.revision or "main", day)
        path = lock_path(source, model.revision, arguments.folder)
        comparison = compare(_previous(model, arguments.folder), model)
        if comparison.status != "unchanged":
            write_lock(model, path)
    except ValidationError:
        print(
            f"{source!r} is no id of a model; write MODEL=org/name, such as "
            f"MODEL=Qwen/Qwen2.5-7B-Instruct.",
            file=sys.stderr,
        )
        return 1
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    _print_outcome(comparison, path, selection.ignored, as_json=arguments.json)
    if hub_id != source:
        print(f"{hub.host} calls {source} {hub_id} now.", file=sys.stderr)
    print(explain(comparison, path), file=sys.stderr)
    return 0


def main() -> int:
    """The command line.

    Returns:
        The exit code.
    """
    try:
        return run(None, hub_from(os.environ), datetime.now(UTC).date())
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the locks are as they were.", file=sys.stderr)
        return 130  # as shells number a process that SIGINT ended
