from __future__ import annotations

import io

import pytest

from tools import progress
from tools.progress import LINE_SECONDS, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_at_a_change_and_every_fifteen_seconds(clock: list[float]) -> None:
    stream = io.StringIO()
    steps = Progress(7, stream)
    steps.step("pulumi v1")
    steps.step("etcd v2")
    for _ in range(2 * LINE_SECONDS):
        steps.show("building")
        clock[0] += 1
    steps.done("ready")
    assert stream.getvalue().splitlines() == [
        "[2/7] etcd v2: building, 0 s",
        "[2/7] etcd v2: building, 15 s",
        "[2/7] etcd v2: ready in 30 s",
    ]


def test_a_terminal_gets_one_line_rewritten_in_place(clock: list[float]) -> None:
    stream = Terminal()
    steps = Progress(1, stream)
    steps.step("etcd v2")
    steps.show("downloading")
    clock[0] += 2
    steps.show("building")
    steps.done("ready")
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert written.endswith("\n")
    assert [line.rstrip() for line in written.split("\r")[1:]] == [
        "[1/1] etcd v2: downloading, 0 s",
        "[1/1] etcd v2: building, 2 s",
        "[1/1] etcd v2: ready in 2 s",
    ]


def test_an_interrupted_line_is_ended(clock: list[float]) -> None:
    assert clock
    stream = Terminal()
    steps = Progress(1, stream)
    steps.step("etcd v2")
    steps.show("building")
    steps.interrupt()
    assert stream.getvalue().endswith("s\n")
