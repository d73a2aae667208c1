"""The real LiteLLM accepts the rendered configuration and serves the aliases with it."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.gateways import running_gateway, write_config
from tests.serving.processes import Server, clean_environment
from tests.serving.stacks import MASTER_KEY, STACKS, Container
from tests.serving.stacks import gateway as gateway_of
from tests.serving.states import Home
from tests.serving.streams import chat
from tests.serving.upstream import WORDS, Upstream, upstream

pytestmark = pytest.mark.timeout(900)  # the first test may install LiteLLM

_CHAT_PATHS = {"hosted_vllm": "/v1/chat/completions", "ollama_chat": "/api/chat"}
"""Where each kind of backend expects a chat."""


def _validate(
    container: Container, python: Path, folder: Path, **router: str
) -> subprocess.CompletedProcess[str]:
    config = dict(container.config)
    config["router_settings"] = {**config.get("router_settings", {}), **router}
    return subprocess.run(
        [
            *(python.parent / "litellm", "--validate_config"),
            *("--config", write_config(config, folder, container.hooks)),
        ],
        env=clean_environment(folder, container.environment),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("stack", STACKS)
def test_the_rendered_configuration_is_valid(
    stack: str, litellm_python: Path, tmp_path: Path
) -> None:
    container = gateway_of(stack)
    done = _validate(container, litellm_python, tmp_path)
    assert done.returncode == 0, done.stderr
    # LiteLLM counts what clients may ask for, further names of a model included.
    assert f"config OK ({len(container.aliases)} models)" in done.stdout


def test_a_wrong_routing_strategy_is_refused(litellm_python: Path, tmp_path: Path) -> None:
    done = _validate(
        gateway_of("production"), litellm_python, tmp_path, routing_strategy="round-robbin"
    )
    assert done.returncode == 1
    assert "round-robbin" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def backend() -> Generator[Upstream]:
    with upstream() as running:
        running.go_on.set()
        yield running


@pytest.fixture(scope="module", params=STACKS)
def container(request: pytest.FixtureRequest) -> Container:
    return gateway_of(request.param)


@pytest.fixture(scope="module")
def gateway(
    container: Container,
    home: Home,
    backend: Upstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(container, home.fresh(), backend.url, folder) as server:
        yield server


def _get(server: Server, path: str, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(server.url + path, headers=headers, timeout=30, trust_env=False)


def test_probes_answer_without_a_key(gateway: Server, container: Container) -> None:
    assert _get(gateway, container.liveness_path).status_code == 200
    assert _get(gateway, container.readiness_path).status_code == 200


def test_the_models_are_the_aliases_of_the_stack(gateway: Server, container: Container) -> None:
    """Rows A1, A2: clients see the same alias in dev and in production."""
    listed = _get(gateway, "/v1/models", MASTER_KEY).json()["data"]
    assert {entry["id"] for entry in listed} == container.aliases == {"akko-coder", "akko-chat"}


def test_a_request_without_a_key_is_unauthorized(gateway: Server, backend: Upstream) -> None:
    """AX-02: the gateway's authentication is on."""
    before = len(backend.received)
    assert _get(gateway, "/v1/models").status_code == 401
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        chat(gateway.url, "akko-coder")
    assert len(backend.received) == before


def test_a_wrong_key_is_refused(gateway: Server, backend: Upstream) -> None:
    """AX-02, A2: a key that nobody has made opens nothing."""
    before = len(backend.received)
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        chat(gateway.url, "akko-coder", key="sk-another-key")
    assert len(backend.received) == before


def test_what_an_engine_would_cut_is_refused_from_the_first_request_on(
    gateway: Server, container: Container, backend: Upstream
) -> None:
    """Row A5: before Ollama the gateway counts; vLLM counts itself.

    From the first request of the process on: LiteLLM finds the length of a model with prices only
    once it knows the model's provider, which `request_rules` tells it.
    """
    for alias in sorted(container.aliases):
        before = len(backend.received)
        long = [{"role": "user", "content": "word " * 5000}]
        if _parameters(container, alias)["model"].startswith("ollama_chat/"):
            with pytest.raises(httpx.HTTPStatusError, match="400"):
                chat(gateway.url, alias, key=MASTER_KEY, messages=long)
            assert len(backend.received) == before
        else:
            assert chat(gateway.url, alias, key=MASTER_KEY, messages=long).done


def test_an_alias_streams_from_its_backend(
    gateway: Server, container: Container, backend: Upstream
) -> None:
    """Rows A1, A5: path and model that the backend sees are those the stack renders."""
    for alias in container.aliases:
        before = len(backend.received)
        answer = chat(gateway.url, alias, key=MASTER_KEY)
        assert (answer.text, answer.finish_reason) == ("".join(WORDS), "stop")
        assert answer.done
        parameters = _parameters(container, alias)
        kind, _, model = parameters["model"].partition("/")
        (arrived,) = backend.received[before:]
        assert (arrived.path, arrived.body["model"]) == (_CHAT_PATHS[kind], model)
        # Ollama forgets what is beyond its context without a word, so it has to be told.
        assert arrived.body.get("options", {}).get("num_ctx") == parameters.get("num_ctx")


def test_c4_a_tenant_has_prefix_caches_of_its_own_and_cannot_choose_another_s(
    gateway: Server, container: Container, backend: Upstream
) -> None:
    """Row C4: vLLM gets the salt of who asks, whatever the request says; Ollama gets none."""
    before = len(backend.received)
    chosen: list[dict[str, Any]] = [{"cache_salt": "of-another"}, {"priority": -100}]
    for field in chosen:
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            chat(gateway.url, "akko-coder", key=MASTER_KEY, **field)
    assert len(backend.received) == before
    for _ in range(2):
        chat(gateway.url, "akko-coder", key=MASTER_KEY)
    salts = [each.body.get("cache_salt") for each in backend.received[before:]]
    if _parameters(container, "akko-coder")["model"].startswith("hosted_vllm/"):
        assert len(set(salts)) == 1
        assert re.fullmatch("[0-9a-f]{64}", str(salts[0]))
    else:
        assert not any(re.fullmatch("[0-9a-f]{64}", str(each)) for each in salts)


def _parameters(container: Container, alias: str) -> Mapping[str, Any]:
    """The rendered parameters of the model behind an alias."""
    groups = container.config["router_settings"]["model_group_alias"]
    (entry,) = (
        entry["litellm_params"]
        for entry in container.config["model_list"]
        if entry["model_name"] == groups.get(alias, alias)
    )
    return entry


def test_a_request_that_an_engine_does_not_know_takes_nobody_s_alias_away(
    gateway: Server,
) -> None:
    """A tenant's 404 must not put the one address of an alias to rest for all tenants."""
    refused = httpx.post(
        f"{gateway.url}/v1/embeddings",
        headers={"Authorization": f"Bearer {MASTER_KEY}"},
        json={"model": "akko-coder", "input": "x"},
        timeout=60,
        trust_env=False,
    )
    assert refused.status_code >= 400
    assert chat(gateway.url, "akko-coder", key=MASTER_KEY).done


def test_an_unknown_model_is_refused(gateway: Server, backend: Upstream) -> None:
    before = len(backend.received)
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        chat(gateway.url, "no-such-alias", key=MASTER_KEY)
    assert len(backend.received) == before


def test_sigterm_closes_the_door_and_lets_the_open_stream_end(
    gateway: Server, backend: Upstream
) -> None:
    """The drain: new connections fail at once, which is why a preStop wait has to come before.

    The backend goes on only after the client has read its first word, so the gateway cannot have
    kept the answer back until it was complete. Last in this module, for it ends the gateway.
    """

    def stop_in_the_middle() -> None:
        gateway.terminate()
        _await_refused(gateway)
        backend.go_on.set()

    backend.go_on.clear()
    answer = chat(gateway.url, "akko-coder", key=MASTER_KEY, on_first_text=stop_in_the_middle)
    assert (answer.text, answer.done) == ("".join(WORDS), True)
    # uvicorn finishes its shutdown and then ends by the same signal again, so that its parent
    # sees why; 0 would do as well, SIGKILL would not.
    assert gateway.exit_code(within_seconds=30) in {0, -signal.SIGTERM}
    assert "Application shutdown complete" in gateway.last_lines()


def _await_refused(server: Server) -> None:
    """Return as soon as nobody listens any more; the test's own time limit ends a vain wait."""
    url = httpx.URL(server.url)
    while True:
        try:
            socket.create_connection((url.host, url.port or 0), timeout=5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
