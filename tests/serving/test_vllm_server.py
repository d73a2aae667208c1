"""The real vLLM on a CPU, started with rendered arguments, alone and behind the real gateway."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving.gateways import running_gateway
from tests.serving.processes import (
    Server,
    clean_environment,
    free_port,
    replace_option,
    running,
)
from tests.serving.stacks import MASTER_KEY, engines, gateway
from tests.serving.streams import Answer, chat

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

_STACK = "production"

_READY_WITHIN_SECONDS = 300
"""About 40 s on two idle cores; row A9 gives 60 to 120 s for a real model."""
_TEARDOWN_SECONDS = 60
_LONG_ANSWER = 2000
"""Tokens; some 12 s of generation on two cores, long enough to be told to stop in the middle."""

# What a CPU needs and a GPU does not: a fixed KV cache, no pinning to cores, no compilation.
_CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
_CPU_ARGUMENTS = ("--enforce-eager", "--host", "127.0.0.1")


@contextmanager
def _running_engine(python: Path, model: Path, folder: Path) -> Generator[Server]:
    (container,) = engines(_STACK)
    port = free_port()
    args = replace_option((str(model), *container.args[1:]), "--port", str(port))
    offline = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with running(
        [str(python.parent / "vllm"), "serve", *args, *_CPU_ARGUMENTS],
        clean_environment(folder, container.environment, offline, _CPU_ENVIRONMENT),
        port=port,
        ready_path=container.readiness_path,
        log=folder / "vllm.log",
        within_seconds=_READY_WITHIN_SECONDS,
    ) as server:
        yield server


def _assert_whole(answer: Answer, tokens: int) -> None:
    """Every token arrived; a stream cut by a shutdown may end in `abort` and a `[DONE]`."""
    assert (answer.finish_reason, answer.completion_tokens, answer.done) == ("length", tokens, True)


@pytest.fixture(scope="module")
def engine(
    vllm_python: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("engine")
    with _running_engine(vllm_python, tiny_model, folder) as server:
        yield server


def test_the_probe_path_answers_once_the_engine_is_ready(engine: Server) -> None:
    """Row A9: the fixture waits on the rendered readiness path; the liveness path is as good."""
    (container,) = engines(_STACK)
    answer = httpx.get(engine.url + container.liveness_path, trust_env=False)
    assert answer.status_code == 200


def test_both_served_names_are_listed(engine: Server) -> None:
    """Row A7: the model's own id for direct clients, the alias for the gateway."""
    listed = httpx.get(f"{engine.url}/v1/models", trust_env=False).json()["data"]
    assert {entry["id"] for entry in listed} == {"Qwen/Qwen2.5-7B-Instruct", "akko-coder"}
    assert {entry["max_model_len"] for entry in listed} == {4096}


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B-Instruct", "akko-coder"])
def test_a_stream_completes(engine: Server, name: str) -> None:
    answer = chat(engine.url, name, max_tokens=50, ignore_eos=True)
    _assert_whole(answer, 50)
    assert answer.text


def test_more_than_the_maximum_length_is_refused(engine: Server) -> None:
    """Row A4: the length that is rendered is the length that holds."""
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        chat(engine.url, "akko-coder", max_tokens=5000)


def test_sigterm_lets_the_stream_through_the_gateway_end(
    engine: Server, litellm_python: Path, tmp_path: Path
) -> None:
    """RL: the rendered shutdown time-out carries a stream over SIGTERM to its last token.

    Last in this module, for it ends the engine.
    """
    told_at: list[float] = []

    def stop() -> None:
        told_at.append(time.monotonic())
        engine.terminate()

    with running_gateway(gateway(_STACK), litellm_python, engine.url, tmp_path) as front:
        answer = chat(
            front.url,
            "akko-coder",
            key=MASTER_KEY,
            on_first_text=stop,
            max_tokens=_LONG_ANSWER,
            ignore_eos=True,
        )
        after = time.monotonic() - told_at[0]
    _assert_whole(answer, _LONG_ANSWER)
    assert after > 1, "the stream was over before SIGTERM could have cut it"
    assert engine.exit_code(within_seconds=_TEARDOWN_SECONDS) == 0
