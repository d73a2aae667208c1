"""Progress of a list of long steps on standard error: which one of how many, and for how long."""

from __future__ import annotations

import sys
import time
from typing import TextIO

LINE_SECONDS = 15
"""Pause between two lines where standard error is a file or a log, not a terminal."""


class Progress:
    """One step after the other, such as `[2/7] etcd v3.6.14: building, 12 s`.

    On a terminal the line is rewritten in place; elsewhere a line is added when the step changes
    and then every `LINE_SECONDS`.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        """Count up to `total` steps on `stream` (standard error when None)."""
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._in_place = self._stream.isatty()
        self._number = 0
        self._label = ""
        self._doing = ""
        self._started = time.monotonic()
        self._shown_at = 0.0
        self._width = 0

    def step(self, label: str) -> None:
        """Begin the next step; nothing is shown until it does something."""
        self._number += 1
        self._label = label
        self._doing = ""
        self._started = time.monotonic()

    def show(self, doing: str) -> None:
        """Say what the step does right now; cheap enough to be called several times a second."""
        now = time.monotonic()
        if not self._in_place and doing == self._doing and now - self._shown_at < LINE_SECONDS:
            return
        self._doing = doing
        self._shown_at = now
        self._write(f"{doing}, {now - self._started:.0f} s", last=False)

    def done(self, outcome: str) -> None:
        """End the step with a line that stays."""
        self._write(f"{outcome} in {time.monotonic() - self._started:.0f} s", last=True)

    def interrupt(self) -> None:
        """Leave an unfinished line standing, so that what follows starts on its own line."""
        if self._in_place and self._width:
            self._stream.write("\n")
            self._width = 0

    def _write(self, text: str, *, last: bool) -> None:
        line = f"[{self._number}/{self._total}] {self._label}: {text}"
        if self._in_place:
            padding = " " * max(0, self._width - len(line))
            self._stream.write(f"\r{line}{padding}" + ("\n" if last else ""))
            self._width = 0 if last else len(line)
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()
