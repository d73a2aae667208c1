"""Keys are changed while requests go on: no pod refuses a key that clients may have."""

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rendering import document
from tests.serving.admin import Admin
from tests.serving.gateways import running_gateway
from tests.serving.processes import Server
from tests.serving.stacks import MASTER_KEY, Container, gateway_of
from tests.serving.states import State
from tests.serving.streams import chat
from tests.serving.upstream import WORDS, Upstream, upstream

pytestmark = pytest.mark.timeout(900)  # the first test may install LiteLLM

_OLD, _NEW = MASTER_KEY, "sk-the-master-key-that-comes-after-it-0461"
_PREVIOUS = "LITELLM_PREVIOUS_MASTER_KEY"
_CALLERS = 4
_EXISTING = {"source": "existing", "secret_name": "akko-litellm-key-2"}


@dataclass
class _Callers:
    """Clients that ask one after the other, as a Service would send them.

    Attributes:
        servers: Those that get requests now.
        key: What all of them bring.
        wrong: What was not a whole answer.
        answered: Whole answers by the server that gave them.
    """

    servers: list[Server]
    key: str
    wrong: list[BaseException] = field(default_factory=list[BaseException])
    answered: dict[str, int] = field(default_factory=dict[str, int])
    _end: threading.Event = field(default_factory=threading.Event)
    _asking: dict[int, Server] = field(default_factory=dict[int, Server])

    def ask(self, number: int) -> None:
        """Ask until the end."""
        turn = number
        while not self._end.is_set():
            turn += 1
            server = self.servers[turn % len(self.servers)]
            self._asking[number] = server
            try:
                answer = chat(server.url, "akko-coder", key=self.key)
                assert answer.done
                assert answer.text == "".join(WORDS)
                self.answered[server.url] = self.answered.get(server.url, 0) + 1
            except (httpx.HTTPError, AssertionError) as error:
                self.wrong.append(error)
            self._asking.pop(number)

    def leave(self, server: Server) -> None:
        """Send nothing to a server any more, and wait until it has answered everybody."""
        self.servers = [each for each in self.servers if each is not server]
        while server in list(self._asking.values()):
            threading.Event().wait(0.05)

    def served(self, server: Server, times: int = 8) -> None:
        """Wait until a server has answered so often."""
        while self.answered.get(server.url, 0) < times and not self.wrong:
            threading.Event().wait(0.05)

    @contextmanager
    def calling(self) -> Generator[None]:
        """Ask meanwhile."""
        threads = [threading.Thread(target=self.ask, args=(n,)) for n in range(_CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()


@pytest.fixture
def engine() -> Generator[Upstream]:
    with upstream() as running:
        running.go_on.set()
        yield running


def _gateway(**keys: object) -> Container:
    value = document("production")
    value["gateway"] |= keys
    container = gateway_of(value)
    if "previous_master_key" not in keys:
        return container
    return replace(container, environment={**container.environment, _PREVIOUS: _OLD})


def _status(server: Server, path: str = "/v1/models", **headers: str) -> int:
    there = server.url + path
    return httpx.get(there, headers=headers, timeout=30, trust_env=False).status_code


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_c2_the_master_key_is_changed_and_no_request_is_refused(
    gateway_state: State, engine: Upstream, tmp_path: Path
) -> None:
    """C2, A2: two deployments, each of which replaces every pod, while clients go on asking."""
    renewed = replace(gateway_state, master_key=_NEW)
    current: dict[str, Any] = document("production")["gateway"]["master_key"]

    def start(name: str, state: State, container: Container) -> Server:
        (tmp_path / name).mkdir()
        return pods.enter_context(
            running_gateway(container, state, engine.url, tmp_path / name),
        )

    with ExitStack() as pods:
        before = start("before", gateway_state, _gateway())
        callers = _Callers([before], _OLD)
        with callers.calling():
            callers.served(before)
            both = start(
                "both", renewed, _gateway(master_key=_EXISTING, previous_master_key=current)
            )
            callers.servers = [before, both]
            callers.served(both)
            _takes_either(both)
            callers.leave(before)
            before.terminate()
            callers.key = _NEW  # clients learn of it when the deployment is through
            after = start("after", renewed, _gateway(master_key=_EXISTING))
            callers.servers = [both, after]
            callers.served(after)
            callers.leave(both)
        assert not callers.wrong, callers.wrong[0]
        assert _status(after, **_bearer(_OLD)) == 401
        for server in (before, both, after):
            said = server.log.read_text("utf-8", errors="replace")
            assert _OLD not in said
            assert _NEW not in said


def _takes_either(server: Server) -> None:
    """Both keys are the administrator's, by whatever header; any other is nobody's."""
    for key in (_OLD, _NEW):
        assert Admin(server, key).get("/team/list") is not None
        for header in ("x-litellm-api-key", "api-key", "x-api-key"):
            assert _status(server, **{header: key}) == 200, header
        assert _status(server, Authorization=f"bearer {key}") == 200
    for key in (f"{_OLD}x", _OLD[:-1], "sk-another"):
        assert _status(server, **_bearer(key)) == 401, key
