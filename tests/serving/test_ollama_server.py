"""The real Ollama on a CPU: pulled, checked, started and stopped as rendered."""

import re
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.core.ollama_models import OllamaShape
from components.core.ollama_sizing import Held
from tests.serving import tiny_gguf
from tests.serving.gateways import running_gateway
from tests.serving.ollama_registry import Registry, manifest_of, registry
from tests.serving.ollamas import (
    CHAT,
    CODER,
    make_library,
    pin,
    pod_of,
    preload,
    rendered_stack,
    running_server,
    verify,
)
from tests.serving.processes import Server
from tests.serving.stacks import MASTER_KEY, gateway
from tests.serving.states import State
from tests.serving.streams import chat

pytestmark = pytest.mark.timeout(2400)  # the first test may build Ollama: 12 minutes on two cores

_LONG_ANSWER = 3000
"""Tokens; some seconds of the tiny model."""


@pytest.fixture(scope="module")
def store(ollama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the registry has."""
    store = tmp_path_factory.mktemp("store")
    make_library(ollama, store, tmp_path_factory.mktemp("making"))
    return store


@pytest.fixture
def library(store: Path, tmp_path: Path) -> Generator[Registry]:
    with registry(store, (CODER, CHAT), tmp_path) as there:
        yield there


@pytest.fixture(scope="module")
def server(
    ollama: Path, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    """The server of two requests at once, on the registry's own folder."""
    rendered = rendered_stack(store, parallel=2, keep_alive="30m")
    with running_server(ollama, rendered, store, tmp_path_factory.mktemp("server")) as server:
        yield server


def _get(server: Server, path: str) -> Any:  # noqa: ANN401 - JSON
    return httpx.get(server.url + path, trust_env=False).raise_for_status().json()


def _loaded(server: Server) -> dict[str, int]:
    return {each["name"]: each["context_length"] for each in _get(server, "/api/ps")["models"]}


def test_the_rendered_job_pulls_every_model_and_finds_what_is_pinned(
    ollama: Path, store: Path, library: Registry, tmp_path: Path
) -> None:
    """Row A3: by the rendered commands, from a registry under the name of the real one."""
    rendered, models = rendered_stack(store), tmp_path / "models"
    done = preload(ollama, rendered, models, tmp_path, library)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(" is whole")[0] for line in done.stdout.splitlines()] == [CODER, CHAT]
    assert "/v2/library/qwen2.5/manifests/3b" in library.asked
    (check,) = pod_of(rendered, "Deployment", "akko-akko-ollama")["initContainers"]
    assert verify(rendered, check, models, tmp_path).returncode == 0


def test_a_tag_that_moved_fails_the_job_and_is_never_served(
    ollama: Path, store: Path, library: Registry, tmp_path: Path
) -> None:
    """Row A3: the pull itself is content with whatever the tag is by now."""
    rendered, models = rendered_stack(store), tmp_path / "models"
    library.tags[CHAT] = manifest_of(store, CODER)
    done = preload(ollama, rendered, models, tmp_path, library)
    assert done.returncode == 1
    assert done.stderr == (
        f"{CHAT} is not what is pinned: its manifest is {pin(store, CODER)}, the digest agreed on "
        f"is {pin(store, CHAT)}; the tag has moved, so look at what it is now and change the "
        "model's digest in the stack document, or name a tag that stays.\n"
    )
    (check,) = pod_of(rendered, "Deployment", "akko-akko-ollama")["initContainers"]
    assert verify(rendered, check, models, tmp_path).returncode == 1
    with running_server(ollama, rendered, models, tmp_path) as server:
        assert [each["name"] for each in _get(server, "/api/tags")["models"]] == [CODER]


def test_a_spoilt_file_is_thrown_away_and_pulled_again_by_the_jobs_next_attempt(
    ollama: Path, store: Path, library: Registry, tmp_path: Path
) -> None:
    """Row A3: Ollama takes a file that is there for the right one, whatever it holds."""
    rendered, models = rendered_stack(store), tmp_path / "models"
    assert preload(ollama, rendered, models, tmp_path, library).returncode == 0
    largest = max((models / "blobs").iterdir(), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[-1] ^= 1
    largest.write_bytes(content)
    spoilt = preload(ollama, rendered, models, tmp_path, library)
    assert spoilt.returncode == 1
    assert f"has a file {largest.name} of another content" in spoilt.stderr
    assert preload(ollama, rendered, models, tmp_path, library).returncode == 0


def test_the_server_lists_the_digests_of_the_document(server: Server, store: Path) -> None:
    """Row A3: what was pinned is what the server says it serves."""
    listed = {each["name"]: each["digest"] for each in _get(server, "/api/tags")["models"]}
    assert listed == {source: pin(store, source) for source in (CODER, CHAT)}


def test_a_stream_completes(server: Server) -> None:
    answer = chat(server.url, CHAT, max_tokens=50)
    assert (answer.finish_reason, answer.completion_tokens, answer.done) == ("length", 50, True)
    assert answer.text


def test_whoever_names_no_context_gets_the_longest_of_the_models(server: Server) -> None:
    """Row A3; one model at a time, so that the other has left."""
    chat(server.url, CODER, max_tokens=2)
    chat(server.url, CHAT, max_tokens=2)
    assert _loaded(server) == {CHAT: 8192}


def test_through_the_gateway_a_model_has_the_context_of_its_own(
    server: Server, gateway_state: State, tmp_path: Path
) -> None:
    """Rows A3, A5: the gateway passes each model's length on."""
    with running_gateway(gateway("dev"), gateway_state, server.url, tmp_path) as front:
        answer = chat(front.url, "akko-chat", key=MASTER_KEY, max_tokens=20)
    assert answer.text
    assert answer.done
    assert _loaded(server) == {CHAT: 4096}


def test_a_loaded_model_takes_the_cache_that_the_memory_was_reckoned_with(server: Server) -> None:
    """The engine's own words on its KV cache, for two requests of 8,192 tokens."""
    chat(server.url, CODER, max_tokens=2)
    shape = OllamaShape(
        layers=tiny_gguf.LAYERS,
        heads=tiny_gguf.HEADS,
        kv_heads=tiny_gguf.KV_HEADS,
        head_dim=tiny_gguf.HEAD_DIM,
        hidden=tiny_gguf.HIDDEN,
        vocabulary=len(tiny_gguf.VOCABULARY),
        context=tiny_gguf.CONTEXT,
    )
    held = Held(CODER, 1, 8192, shape)
    said = server.log.read_text("utf-8", errors="replace")
    sizes = re.findall(r"llama_kv_cache: size = +([\d.]+) MiB \( *8192 cells", said)
    graphs = re.findall(r"CPU compute buffer size = +([\d.]+) MiB", said)
    assert {float(size) for size in sizes} == {held.cache_bytes(2) / 2**20}
    assert max(float(graph) for graph in graphs) <= held.graph_bytes(2) / 2**20


def test_as_many_requests_at_once_as_the_document_says(server: Server) -> None:
    """Row A3: the second stream has begun before the first one is over."""
    chat(server.url, CHAT, max_tokens=2)
    began, ended = threading.Event(), threading.Event()

    def first() -> None:
        chat(server.url, CHAT, on_first_text=began.set, max_tokens=_LONG_ANSWER)
        ended.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(60)
    chat(server.url, CHAT, max_tokens=5)
    assert not ended.is_set(), "the second request was answered after the first"
    thread.join()


def test_sigterm_cuts_a_stream_which_is_why_the_pod_waits_before_it(
    ollama: Path, store: Path, tmp_path: Path
) -> None:
    """The rendered preStop is longer than the longest stream, for after it nothing survives."""
    rendered = rendered_stack(store)
    (container,) = pod_of(rendered, "Deployment", "akko-akko-ollama")["containers"]
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == 120 + 15
    with running_server(ollama, rendered, store, tmp_path) as server:
        begun = time.monotonic()
        with pytest.raises(httpx.HTTPError):
            chat(server.url, CHAT, on_first_text=server.terminate, max_tokens=_LONG_ANSWER)
        assert server.exit_code(within_seconds=30) in {0, -15, 1}
    assert time.monotonic() - begun < 60
