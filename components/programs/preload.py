"""Fills the model cache inside a Job, checks it before a server starts, copies it, clears it.

    python3 -m components.programs.preload fetch|check|copy|collect plan.json

It runs from a folder that holds these modules under their own names. Failures end it with one
sentence, SIGTERM ends it at once: nothing is kept in memory that the next run would need.
"""

import errno
import fcntl
import os
import shutil
import signal
import sys
import traceback
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.programs.filling import WORKERS, BrokenError, Filling, Patience, Source, say
from components.programs.model_folder import (
    CHUNK,
    MARKER,
    PARTS,
    REVISION,
    SOURCE,
    File,
    Model,
    Plan,
    PreloadError,
    read_plan,
)

_LOCK = ".preload.lock"
_GONE = ".gone-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}
_MARGIN_BYTES = 1 << 20
"""Beside one per cent, for folders and the marker."""


def fetch(plan: Plan) -> None:
    """From the hub to the target."""
    from components.programs.model_hub import Hub  # noqa: PLC0415  (only here a library is needed)

    hub = Hub(plan.timeout_seconds)

    def files_of(model: Model) -> tuple[File, ...]:
        patience = Patience(f"the listing of {model}", plan.pauses_seconds)
        while True:
            try:
                return hub.complete(model)
            except BrokenError as error:
                patience.wait_after(error)

    with _alone(plan) as alone:
        lacking = _lacking(plan)
        files = {model: files_of(model) for model in lacking}
        _fill(plan, [_filling(plan, m, files[m], hub.open, alone=alone) for m in lacking])


def copy(plan: Plan) -> None:
    """From one volume to another."""
    origin = plan.origin
    if origin is None:
        raise PreloadError("The plan has no `from` to copy from.")

    @contextmanager
    def opened(model: Model, file: File, start: int) -> Generator[tuple[int, Iterator[bytes]]]:
        with (model.folder(origin) / file.path).open("rb", buffering=0) as stream:
            stream.seek(start)
            yield start, iter(lambda: stream.read(CHUNK), b"")

    with _alone(plan) as alone:
        lacking = _lacking(plan)
        for model in lacking:
            _require(plan, model, origin)
        files = {model: tuple(model.vouched(origin).values()) for model in lacking}
        for model in lacking:
            try:
                _fill(plan, [_filling(plan, model, files[model], opened, alone=alone)])
            except PreloadError as error:
                raise PreloadError(
                    f"{str(error).removesuffix('.')}; if it is the volume, remove {MARKER} in "
                    f"{model.folder(origin)} and run {plan.job}, which then verifies it again."
                ) from None


def check(plan: Plan) -> None:
    """Whether every model of the plan may be served; reads only."""
    for model in plan.models:
        _require(plan, model, plan.target)


def collect(plan: Plan) -> None:
    """Remove the revisions that the plan does not name; what looks otherwise is left alone."""
    kept = {(model.source, model.revision) for model in plan.models}
    with _alone(plan):
        for organisation in _folders(plan.target):
            for name in _folders(organisation):
                source = f"{organisation.name}/{name.name}"
                for folder in _folders(name) if SOURCE.fullmatch(source) else ():
                    revision = folder.name.removeprefix(_GONE)
                    is_gone = revision != folder.name
                    if REVISION.fullmatch(revision) and (is_gone or (source, revision) not in kept):
                        _remove(folder, is_gone=is_gone)
                        say(f"removed {source}@{revision[:12]}, which no server uses any more")


def _remove(folder: Path, *, is_gone: bool) -> None:
    """Take it out of sight, then delete it: one that is half deleted is never taken for whole."""
    (folder / MARKER).unlink(missing_ok=True)
    if not is_gone:
        try:
            folder = folder.rename(folder.with_name(_GONE + folder.name))
        except OSError:
            say(f"{folder} cannot be renamed here; without its {MARKER} it is not served")
    shutil.rmtree(folder)


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())


def _lacking(plan: Plan) -> list[Model]:
    lacking = [model for model in plan.models if model.problem(plan.target)]
    for model in plan.models:
        if model not in lacking:
            say(f"{model}: complete already, skipped")
    return lacking


def _require(plan: Plan, model: Model, volume: Path) -> None:
    if problem := model.problem(volume):
        raise PreloadError(
            f"{model} in {volume} is not to be served: {problem}; {plan.job} fills it."
        )


def _filling(
    plan: Plan, model: Model, files: tuple[File, ...], source: Source, *, alone: bool
) -> Filling:
    folder = model.folder(plan.target)
    if folder.resolve() != model.folder(plan.target.resolve()):
        raise PreloadError(f"{folder} leads elsewhere by a link; remove the link from the volume.")
    folder.mkdir(parents=True, exist_ok=True)
    # Without locks another Job may write too, and one file on its way must have one writer.
    parts = folder / (PARTS if alone else f"{PARTS}-{uuid.uuid4().hex[:8]}")
    if plan.staging:
        parts = model.folder(plan.staging)
    staged = plan.staging is not None
    return Filling(model, files, plan.target, parts, staged, source, plan.pauses_seconds)


def _fill(plan: Plan, fillings: list[Filling]) -> None:
    missing = [filling.missing_bytes(file) for filling in fillings for file in filling.files]
    if plan.staging:
        _require_space(plan.staging, sum(sorted(missing)[-WORKERS:]), "the staging volume")
    _require_space(plan.target, sum(missing), "cache.size_gib of the model")
    for filling in fillings:
        filling.run()


def _require_space(volume: Path, needed: int, key: str) -> None:
    free = shutil.disk_usage(volume).free
    wanted = needed + needed // 100 + _MARGIN_BYTES
    if needed and free < wanted:
        raise PreloadError(
            f"{volume} has {free / 2**30:.2f} GiB left and {wanted / 2**30:.2f} GiB are still to "
            f"come; raise {key} by {(wanted - free) / 2**30:.2f} GiB."
        )


@contextmanager
def _alone(plan: Plan) -> Generator[bool]:
    """Keep other Jobs off the volume; False where its file system has no locks."""
    if plan.staging:
        yield False  # S3 has none; what is staged is this pod's own, and files appear there whole
        return
    with (plan.target / _LOCK).open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another Job writes to {plan.target}; waiting for its end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            say(
                f"{plan.target} has no file locks ({error.strerror}): a second Job would fetch the "
                f"same bytes again, and half a file is not resumed"
            )
            yield False
            return
        yield True


_VERBS = {"fetch": fetch, "check": check, "copy": copy, "collect": collect}


def main(arguments: list[str]) -> int:
    """Run one verb; the exit code."""
    if len(arguments) != 2 or arguments[0] not in _VERBS:  # noqa: PLR2004  (a verb and a plan)
        print(f"usage: preload {'|'.join(_VERBS)} plan.json", file=sys.stderr)
        return 2
    try:
        _VERBS[arguments[0]](read_plan(Path(arguments[1])))
        return 0
    except PreloadError as error:
        text = str(error)
    except OSError as error:
        text = f"{error.filename or 'A file'}: {error.strerror or error}."
        if error.errno in _FULL:
            text = f"The volume is full ({error.strerror}); raise cache.size_gib of the model."
    except Exception:  # a fault of this program: whole, but without the token
        text = traceback.format_exc()
    token = os.environ.get("HF_TOKEN", "").strip()
    print(text.replace(token, "***") if token else text, file=sys.stderr)
    return 1


def _end(_signal: int, _frame: object) -> None:
    """Nothing to tidy up: what came is on the volume, and the lock ends with the process."""
    os.write(sys.stderr.fileno(), b"told to stop; the next run goes on from what is there\n")
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # waits for no worker that still reads
