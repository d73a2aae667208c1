"""Brings a model onto a volume, from wherever its bytes come, so that it is whole or not there.

A file gets its final name once it has the size and the hash of the lock, and the marker comes last.
Whatever ends the program, the next run goes on from the bytes in the folder of parts.
"""

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

from components.programs.model_folder import CHUNK, MARKER, Content, File, Model, PreloadError

Source = Callable[[Model, File, int], AbstractContextManager[tuple[int, Iterator[bytes]]]]
"""Opens a file from a byte on; says at which byte it really begins, which may be the first."""

WORKERS = 4
"""Files at a time; more would share one line, and the hub limits requests."""
_REPORT_SECONDS = 3.0


class BrokenError(Exception):
    """A transfer ended that is worth another attempt, after `wait_seconds` at least."""

    def __init__(self, reason: str, wait_seconds: float = 0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class Patience:
    """How often something is tried again: as many times in a row as there are pauses.

    Args:
        what: For sentences.
        pauses_seconds: Each is shortened by up to a half, so that workers do not come back at once.
    """

    def __init__(self, what: str, pauses_seconds: tuple[float, ...]) -> None:
        self._what, self._all = what, pauses_seconds
        self.start_over()

    def start_over(self) -> None:
        """Something came, so the next failure is a first one."""
        self._left = list(self._all)

    def wait_after(self, error: BrokenError) -> None:
        """Wait for the next attempt.

        Raises:
            PreloadError: There have been enough.
        """
        if not self._left:
            raise PreloadError(
                f"{self._what}: {error}, {len(self._all) + 1} times in a row; the next run goes on "
                f"from the bytes that are there."
            ) from None
        pause = max(self._left.pop(0) * random.uniform(0.5, 1), error.wait_seconds)
        say(f"{self._what}: {error}; again in {pause:.1f} s")
        time.sleep(pause)


@dataclass(frozen=True)
class Filling:
    """A model on its way to a volume.

    Attributes:
        model: The model.
        files: All of its files, each with a hash.
        target: The volume.
        parts: Folder for files that are not whole yet.
        staged: Whether the volume shows whole files only and cannot rename (S3).
        source: Where the bytes come from.
        pauses_seconds: Between attempts that bring nothing.
    """

    model: Model
    files: tuple[File, ...]
    target: Path
    parts: Path
    staged: bool
    source: Source
    pauses_seconds: tuple[float, ...]

    def run(self) -> None:
        """Bring every file, then write the marker.

        Raises:
            PreloadError: A file could not be had, or is not what the lock says.
            OSError: The volume is full or broken.
        """
        known = self.model.vouched(self.target)
        if not known:
            self._unmark()  # what it says cannot be read
        before, began = self._bytes_there(), time.monotonic()
        pool = ThreadPoolExecutor(WORKERS)  # not in a `with`: a failure waits for no other file
        running = {pool.submit(self._bring, file, known.get(file.path)) for file in self.files}
        while running:
            done, running = wait(running, _REPORT_SECONDS, FIRST_EXCEPTION)
            for future in done:
                future.result()
            self._report(before, time.monotonic() - began)
        shutil.rmtree(self.parts, ignore_errors=True)
        self._remove_strays(known)
        self.model.mark(self.target, self.files, at_once=self.staged)
        say(f"{self.model}: complete, {len(self.files)} files verified")

    def missing_bytes(self, file: File) -> int:
        """What of a file is not on the volume yet, under its final name or as a part."""
        for path in (self._final(file), self.parts / file.path):
            with contextlib.suppress(OSError):
                return max(file.size - path.stat().st_size, 0)
        return file.size

    def _bytes_there(self) -> int:
        return sum(file.size - self.missing_bytes(file) for file in self.files)

    def _unmark(self) -> None:
        (self.model.folder(self.target) / MARKER).unlink(missing_ok=True)

    def _remove_strays(self, known: dict[str, File]) -> None:
        strays = self.model.strays(self.target, {file.path for file in self.files})
        if not known.keys().isdisjoint(strays):
            self._unmark()
        for path in strays:
            (self.model.folder(self.target) / path).unlink()
            say(f"{path}: removed, for the lock does not list it")

    def _final(self, file: File) -> Path:
        return self.model.folder(self.target) / file.path

    def _report(self, before: int, seconds: float) -> None:
        there, total = self._bytes_there(), sum(file.size for file in self.files)
        rate = (there - before) / seconds
        left = f"{(total - there) / rate:.0f} s left" if rate > 0 else "nothing came yet"
        now = [file.path for file in self.files if (self.parts / file.path).exists()]
        say(
            f"{self.model}: {there / 1e6:.1f} of {total / 1e6:.1f} MB, "
            f"{100 * there // (total or 1)} %, {rate / 1e6:.1f} MB/s, "
            f"{left if there < total else 'all there'}{', now ' if now else ''}{', '.join(now)}"
        )

    def _bring(self, file: File, vouched: File | None) -> None:
        """One file, verified, under its final name."""
        final, part = self._final(file), self.parts / file.path
        if self._is_there(file, final, vouched):
            return
        if vouched:
            self._unmark()  # until here servers of the earlier lock start with their files
        final.unlink(missing_ok=True)
        for folder in (final.parent, part.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if not (self._receive(file, part) or self._receive(file, part)):
            raise PreloadError(
                f"{file.path} of {self.model} came twice without the size and the hash of its "
                f"lock, so it is not kept; lock the model anew if it is the lock that is wrong."
            )
        if self.staged:
            with part.open("rb") as whole, final.open("wb") as copy:
                shutil.copyfileobj(whole, copy, CHUNK)
            part.unlink()
        else:
            part.replace(final)

    def _is_there(self, file: File, final: Path, vouched: File | None) -> bool:
        if final.is_symlink() or not final.is_file():
            return False
        if vouched and vouched.known_hash == file.known_hash and not self.missing_bytes(file):
            say(f"{file.path}: skipped, an earlier run verified it")
            return True
        there = Content(file, final).is_whole
        say(f"{file.path}: " + ("skipped, verified again" if there else "there, but not verified"))
        return there

    def _receive(self, file: File, part: Path) -> bool:
        """Whether what comes, after what is there, is the file; if not, it is deleted."""
        patience = Patience(f"{file.path} of {self.model}", self.pauses_seconds)
        with part.open("ab", buffering=0) as out:
            content = Content(file, part)
            most = content.size
            while content.size < file.size:
                try:
                    self._receive_once(file, content, out)
                except BrokenError as error:
                    if content.size > most:
                        most = content.size
                        patience.start_over()
                    patience.wait_after(error)
            os.fsync(out.fileno())
        if content.is_whole:
            return True
        say(f"{file.path}: {content.size} bytes came that do not verify; deleted")
        part.unlink()
        return False

    def _receive_once(self, file: File, content: Content, out: RawIOBase) -> None:
        with self.source(self.model, file, content.size) as (start, chunks):
            if start != content.size:
                out.truncate(0)
                content.start_over()
            for chunk in chunks:
                _write(out, chunk)
                content.add(chunk)
                if content.size > file.size:
                    return
        if content.size < file.size:
            raise BrokenError("the answer ended early")


def say(line: str) -> None:
    """A line of the Job's log."""
    print(line, flush=True)


def _write(out: RawIOBase, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:  # an unbuffered write may take a part, before the disk is full
        rest = rest[out.write(rest) or 0 :]
