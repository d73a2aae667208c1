"""One gateway for all tests of this folder, before an engine that does as it is told."""

from collections.abc import Generator

import pytest

from tests.serving.gateways import running_gateway
from tests.serving.processes import Server
from tests.serving.requests.asking import EITHER, LONG, SHORT, key_of, ruled
from tests.serving.stacks import gateway_of
from tests.serving.states import Home
from tests.serving.upstream import Upstream, upstream


@pytest.fixture(scope="package")
def running() -> Generator[Upstream]:
    with upstream() as engine:
        engine.go_on.set()
        yield engine


@pytest.fixture
def engine(running: Upstream) -> Upstream:
    """It has received nothing yet, and refuses nothing."""
    running.received.clear()
    running.refusals.clear()
    return running


@pytest.fixture(scope="package")
def server(
    home: Home, running: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    folder, container = tmp_path_factory.mktemp("gateway"), gateway_of(ruled())
    with running_gateway(container, home.fresh(), running.url, folder) as started:
        yield started


@pytest.fixture(scope="package")
def key(server: Server) -> str:
    """Of a team that may use every model, and no tag."""
    return key_of(server, "plain", [SHORT, LONG, EITHER])
