"""How long answers take whoever asks, over connections that stay open; targets take turns."""

import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import psutil

_PATH = "/v1/chat/completions"
_TIMEOUT_SECONDS = 120
_UNCOUNTED = 8
"""Rounds before the first that counts: the gateway's caches fill, connections open."""


@dataclass(frozen=True)
class Target:
    """Whom is asked, and for what.

    Attributes:
        url: The server, without a path.
        model: The model.
        key: Bearer key.
        tokens: Most tokens of an answer.
        pid: Its first process; its CPU time and memory are read from it and all that it started.
    """

    url: str
    model: str
    key: str
    tokens: int
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time of its processes."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def memory(self) -> float:
        """Memory of its processes, bytes."""
        return sum(process.memory_info().rss for process in self._processes())

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]


@dataclass(frozen=True)
class Times:
    """Medians of one target.

    Attributes:
        whole: Seconds to an answer that comes at once.
        first: Seconds to the first token of a stream.
        stream: Seconds to a stream's end.
        rate: Answers a second with several callers at once.
        cpu: CPU seconds of such an answer, which say most where others use the machine.
    """

    whole: float
    first: float
    stream: float
    rate: float
    cpu: float


@dataclass(frozen=True)
class Effort:
    """How much is asked.

    Attributes:
        rounds: Times that each target answers one caller, at once and as a stream.
        crowds: Times that each target answers several callers at once.
        callers: How many.
        answers: Of each of them.
    """

    rounds: int = 20
    crowds: int = 2
    callers: int = 16
    answers: int = 4


class Caller:
    """Somebody with a connection to a target, which the first request opens."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = HTTPConnection(urlsplit(target.url).netloc, timeout=_TIMEOUT_SECONDS)

    def whole(self) -> float:
        """Seconds until an answer has come at once."""
        begun = time.perf_counter()
        self._ask(stream=False).read()
        return time.perf_counter() - begun

    def stream(self) -> tuple[float, float]:
        """Seconds until the first token of a stream, and until its end."""
        begun = time.perf_counter()
        response, first = self._ask(stream=True), 0.0
        while line := response.readline():
            if not first and _has_text(line):
                first = time.perf_counter() - begun
        assert first, "the stream ended without a token"
        return first, time.perf_counter() - begun

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self, *, stream: bool) -> HTTPResponse:
        body = {
            "model": self._target.model,
            "messages": [{"role": "user", "content": "Count as far as you can."}],
            "max_tokens": self._target.tokens,
            "temperature": 0,
            "stream": stream,
        }
        key = {"Authorization": f"Bearer {self._target.key}"}
        headers = {**key, "Content-Type": "application/json"}
        self._connection.request("POST", _PATH, json.dumps(body), headers)
        response = self._connection.getresponse()
        assert response.status == 200, f"{response.status}: {response.read().decode()}"
        return response


def _has_text(line: bytes) -> bool:
    """Whether a line of a stream brings a token; the first choice may bring a role alone."""
    if not line.startswith(b"data: {"):
        return False
    choices = json.loads(line.removeprefix(b"data: "))["choices"]
    return any(choice["delta"].get("content") for choice in choices)


def times(targets: Sequence[Target], effort: Effort) -> list[Times]:
    """Medians of each target; all are asked in turn, so that a slow moment slows each.

    Args:
        targets: Whom to ask.
        effort: How often.
    """
    callers = [Caller(target) for target in targets]
    for caller in callers * _UNCOUNTED:
        _sample(caller)
    rounds = [[_sample(caller) for caller in callers] for _ in range(effort.rounds)]
    for caller in callers:
        caller.close()
    crowds = [[together(target, effort) for target in targets] for _ in range(effort.crowds + 1)]
    singles, several = zip(*rounds, strict=True), zip(*crowds[1:], strict=True)
    return [
        Times(*_medians(one), *_medians(many)) for one, many in zip(singles, several, strict=True)
    ]


def _medians(samples: Sequence[tuple[float, ...]]) -> Iterator[float]:
    return (statistics.median(column) for column in zip(*samples, strict=True))


def _sample(caller: Caller) -> tuple[float, float, float]:
    return caller.whole(), *caller.stream()


def together(target: Target, effort: Effort) -> tuple[float, float]:
    """Answers a second that callers get who ask at once, and CPU seconds of an answer."""
    begun: list[tuple[float, float]] = []
    begin = threading.Barrier(effort.callers, lambda: begun.append(_clocks(target)))

    def work() -> None:
        caller = Caller(target)
        caller.whole()
        begin.wait()
        for _ in range(effort.answers):
            caller.whole()
        caller.close()

    with ThreadPoolExecutor(effort.callers) as pool:
        for wait in [pool.submit(work) for _ in range(effort.callers)]:
            wait.result()
    ended, answers = _clocks(target), effort.callers * effort.answers
    return answers / (ended[0] - begun[0][0]), (ended[1] - begun[0][1]) / answers


def _clocks(target: Target) -> tuple[float, float]:
    return time.perf_counter(), target.cpu_seconds()
