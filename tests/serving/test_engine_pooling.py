"""Rendered engines that embed and rank, on the real vLLM (CPU build), and what sees them die.

An engine serves several tests, for it takes a minute to start; the last test of each kills it.
"""

import math
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from tests.serving.engine_pods import Engine, Variant, running_engine

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

_EMBEDDER, _RERANKER = "Qwen/Qwen3-Embedding-0.6B", "BAAI/bge-reranker-v2-m3"
_EMBED = Variant(
    {
        "source": _EMBEDDER,
        "revision": "97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3",
        "task": "embed",
    },
    {_EMBEDDER: "embed"},
)
_RERANK = Variant(
    {
        "source": _RERANKER,
        "revision": "953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e",
        "task": "rerank",
    },
    {_RERANKER: "rerank"},
)
_WIDTH = 256


@pytest.fixture(scope="module")
def embedder(
    vllm_python: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Engine]:
    folder = tmp_path_factory.mktemp("embed")
    with running_engine(_EMBED, tiny_models, vllm_python, folder) as running:
        yield running


@pytest.fixture(scope="module")
def reranker(
    vllm_python: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Engine]:
    folder = tmp_path_factory.mktemp("rerank")
    with running_engine(_RERANK, tiny_models, vllm_python, folder) as running:
        yield running


def test_an_embedding_is_a_unit_vector_that_depends_on_the_text(embedder: Engine) -> None:
    asked = ["hello", "hello", "good bye"]
    said = embedder.post("/v1/embeddings", model="akko-coder", input=asked).json()
    first, same, other = (entry["embedding"] for entry in said["data"])
    assert len(first) == _WIDTH
    assert math.hypot(*first) == pytest.approx(1, abs=1e-2)
    assert same == pytest.approx(first, abs=1e-2)
    assert other != pytest.approx(first, abs=1e-1)
    assert said["usage"]["prompt_tokens"] > len(asked)


def test_a_text_over_the_maximum_length_is_refused(embedder: Engine) -> None:
    """Row A4."""
    refused = embedder.post("/v1/embeddings", model="akko-coder", input="x" * 5000)
    assert refused.status_code == 400
    assert "maximum context length is 4096 tokens" in refused.json()["error"]["message"]


def test_an_embedder_does_not_chat(embedder: Engine) -> None:
    """Row D8: what is asked of a server is what its task is."""
    messages = [{"role": "user", "content": "hello"}]
    refused = embedder.post("/v1/chat/completions", model="akko-coder", messages=messages)
    assert refused.status_code in {400, 404}


def test_documents_are_ranked_by_their_score(reranker: Engine) -> None:
    texts = ["one", "two and more", "three"]
    said = reranker.post("/v1/rerank", model="akko-coder", query="hello", documents=texts).json()
    scores = [entry["relevance_score"] for entry in said["results"]]
    assert scores == sorted(scores, reverse=True)
    assert sorted(entry["index"] for entry in said["results"]) == [0, 1, 2]
    assert all(0 <= score <= 1 for score in scores)


def _kill(engine: Engine, choose: Callable[[list[psutil.Process]], psutil.Process]) -> float:
    """Kill a process of the engine.

    Returns:
        When.
    """
    choose(engine.pod.only.processes()).send_signal(signal.SIGKILL)
    return time.monotonic()


def _assert_seen(engine: Engine, killed_at: float) -> None:
    """Readiness and liveness find out within what is rendered, and the container ends."""
    for kind in ("readiness", "liveness"):
        within = engine.pod.probe(kind).budget_seconds + 10  # a loaded machine asks late
        seen = engine.pod.verdict(kind, after=killed_at, within_seconds=within)
        assert not seen.good
    assert not engine.pod.only.running


def test_a_killed_engine_core_is_seen(embedder: Engine) -> None:
    """Row B3: the server must not stay up, and ready, without its engine.

    The last on this engine, for it ends it.
    """
    killed_at = _kill(
        embedder, lambda all_of_it: next(p for p in all_of_it if "EngineCore" in p.name())
    )
    _assert_seen(embedder, killed_at)


def test_a_killed_api_server_is_seen(reranker: Engine) -> None:
    """Row B3: with the first process everything in the container ends, its engine too.

    The last on this engine, for it ends it.
    """
    children = reranker.pod.only.processes()
    killed_at = _kill(reranker, lambda all_of_it: all_of_it[0])
    _assert_seen(reranker, killed_at)
    assert not any(process.is_running() for process in children)
