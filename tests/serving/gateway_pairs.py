"""Two replicas of a stack's gateway before one stand-in for the engine, with TLS before Redis."""

import secrets
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from tests.rendering import document
from tests.serving.admin import Admin
from tests.serving.collectors import Collector, collector
from tests.serving.gateways import running_gateway
from tests.serving.processes import Server
from tests.serving.stacks import MASTER_KEY, Container, gateway_of
from tests.serving.states import State
from tests.serving.tls_front import TlsFront, tls_front
from tests.serving.upstream import Upstream, upstream

MODEL = "akko-coder"
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Gateways:
    """Two replicas.

    Attributes:
        state: Their stores.
        engine: The stand-in.
        traces: Where their traces go.
        servers: Both.
        folder: For files of further ones.
    """

    state: State
    engine: Upstream
    traces: Collector
    servers: tuple[Server, ...]
    folder: Path

    @property
    def operator(self) -> Admin:
        """The operator at the first one."""
        return Admin(self.servers[0], MASTER_KEY)

    @property
    def redis_tls(self) -> TlsFront:
        """What speaks TLS before Redis."""
        assert self.state.redis_tls is not None
        return self.state.redis_tls

    def key(self, team: str, **limits: object) -> str:
        """A key of a new team.

        Args:
            team: Its name.
            limits: Limits of the team, as LiteLLM names them.
        """
        self.operator.post("/team/new", team_id=team, team_alias=team, models=[MODEL], **limits)
        made: str = self.operator.post("/key/generate", team_id=team, key_alias=team)["key"]
        return made

    def statuses(self, key: str) -> tuple[int, ...]:
        """What both answer to a chat with a key."""
        return tuple(Admin(server, key).chat_status(MODEL) for server in self.servers)

    def traced_chat(self, key: str, prompt: str) -> str:
        """Id of a trace that a client begins, with a chat at the first replica.

        Args:
            key: Of the client.
            prompt: What it asks.
        """
        trace = secrets.token_hex(16)
        parent = f"00-{trace}-{secrets.token_hex(8)}-01"
        answer = httpx.post(
            f"{self.servers[0].url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {key}", "traceparent": parent},
            json={
                "model": MODEL,
                "messages": [{"role": "user", "content": prompt}],
                "stream": True,
            },
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return trace

    @contextmanager
    def another(self, name: str, container: Container) -> Generator[Server]:
        """One more replica.

        Args:
            name: Of the folder for its files.
            container: As rendered.
        """
        own = self.folder / name
        own.mkdir()
        url, traces = self.engine.url, {"OTEL_ENDPOINT": self.traces.url}
        with running_gateway(container, self.state, url, own, traces) as server:
            yield server


def traced() -> dict[str, Any]:
    """The document of production, with traces."""
    value = document("production")
    there = {"namespace": "monitoring", "service": "collector"}
    value["gateway"]["observability"] = {"traces": there}
    return value


@contextmanager
def gateway_pair(state: State, folder: Path) -> Generator[Gateways]:
    """Run two replicas.

    Args:
        state: Their stores.
        folder: Empty folder for their files.
    """
    with (
        upstream() as engine,
        collector(state.stores.litellm) as traces,
        tls_front(state.redis.port, folder) as front,
        ExitStack() as stack,
    ):
        engine.go_on.set()
        state = replace(state, redis_tls=front)
        pair = Gateways(state, engine, traces, (), folder)
        rendered = gateway_of(traced())
        starts = [pair.another(name, rendered) for name in ("one", "two")]
        with ThreadPoolExecutor() as together:  # each waits for its own readiness
            servers = tuple(together.map(stack.enter_context, starts))
        yield replace(pair, servers=servers)


def until(true: Callable[[], bool]) -> float:
    """Seconds until something is true."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() < begin + PATIENCE_SECONDS, "it did not come true"
        time.sleep(0.5)
    return time.monotonic() - begin
