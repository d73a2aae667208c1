"""A roll-out of the gateway as Kubernetes does one, while clients stream all the time."""

import random
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import httpx

from tests.serving.gateway_pairs import MODEL, PATIENCE_SECONDS, Gateways
from tests.serving.processes import Server
from tests.serving.stacks import Container
from tests.serving.streams import Answer, chat

_CLIENTS = 6
_SECONDS_A_WORD = 0.8
_PRE_STOP_SECONDS = 0.5
"""Rendered are 15 s; on loopback everybody knows at once that a replica is leaving. Shorter than an
answer, so that one is always open when the old replica is told to end."""


@dataclass
class Load:
    """Clients of a Service: each streams one answer after another from a replica that is in it.

    Attributes:
        key: Their key.
        replicas: What the Service leads to.
        answers: What came, or what went wrong.
        begun: Streams that were begun, by the address of their replica.
        open: Those of them that are under way.
    """

    key: str
    replicas: list[Server]
    answers: list[Answer | Exception] = field(default_factory=list[Answer | Exception])
    begun: Counter[str] = field(default_factory=Counter[str])
    open: Counter[str] = field(default_factory=Counter[str])
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def streaming(self) -> Generator[None]:
        """Go on until the end, and then for as long as each needs for its last answer."""
        clients = [threading.Thread(target=self._stream) for _ in range(_CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._ended.set()
            for client in clients:
                client.join(PATIENCE_SECONDS)

    def _stream(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                url = random.choice(self.replicas).url
                self.begun[url] += 1
                self.open[url] += 1
            try:
                answer: Answer | Exception = chat(url, MODEL, key=self.key)
            except (AssertionError, httpx.HTTPError) as error:
                answer = error
            with self._lock:
                self.open[url] -= 1
                self.answers.append(answer)

    def move(self, old: Server, new: Server) -> None:
        """The new one is ready, and the old one is to go, just when it has begun a stream."""
        before = self.begun[old.url]
        while self.begun[old.url] == before:
            time.sleep(_SECONDS_A_WORD / 10)
        with self._lock:
            self.replicas.append(new)
            self.replicas.remove(old)


@dataclass(frozen=True)
class Roll:
    """What happened.

    Attributes:
        after: The new replicas.
        answers: What clients got meanwhile.
        cut: How many streams were open when each old replica was told to end.
        codes: How the old ones ended.
        seconds: How long each of them took.
    """

    after: Gateways
    answers: list[Answer | Exception]
    cut: list[int]
    codes: list[int]
    seconds: list[float]


@contextmanager
def rolled(gateways: Gateways, container: Container) -> Generator[Roll]:
    """Replace one replica after another; each new one is ready before an old one is told to end.

    Args:
        gateways: The old ones.
        container: The new ones, as rendered.
    """
    load = Load(gateways.key("rolled"), list(gateways.servers))
    roll = Roll(gateways, load.answers, [], [], [])
    gateways.engine.seconds_a_word = _SECONDS_A_WORD
    with ExitStack() as stack:
        try:
            with load.streaming():
                for number, old in enumerate(gateways.servers):
                    new = stack.enter_context(gateways.another(f"new-{number}", container))
                    load.move(old, new)
                    time.sleep(_PRE_STOP_SECONDS)
                    roll.cut.append(load.open[old.url])
                    begin = time.monotonic()
                    old.terminate()
                    roll.codes.append(old.exit_code(PATIENCE_SECONDS))
                    roll.seconds.append(time.monotonic() - begin)
        finally:
            gateways.engine.seconds_a_word = 0.0
        yield replace(roll, after=replace(gateways, servers=tuple(load.replicas)))
