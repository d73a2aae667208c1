"""A rendered chat engine with all that it can do at once, on the real vLLM (CPU build).

One engine serves all tests of this module, for it takes a minute to start; the last ends it.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from components.programs.gateway import engine_key_guard
from tests.serving.chat_variant import ADAPTER, AT_ONCE, CHAT, GUARDED, MOST, NAMES, STREAMS, TOOL
from tests.serving.engine_pods import Engine, rendered_pod, running_engine
from tests.serving.gateways import running_gateway
from tests.serving.processes import Server
from tests.serving.stacks import MASTER_KEY, gateway
from tests.serving.states import State
from tests.serving.streams import Answer, chat

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM


@pytest.fixture(scope="module")
def engine(
    vllm_python: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Engine]:
    folder = tmp_path_factory.mktemp("chat")
    with running_engine(CHAT, tiny_models, vllm_python, folder) as running:
        yield running


def _asked(text: str = "hello") -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _greedy(engine: Engine, model: str) -> str:
    answer = engine.post(
        "/v1/completions", model=model, prompt="hello", max_tokens=16, temperature=0
    )
    return answer.json()["choices"][0]["text"]


def test_it_runs_as_rendered_and_is_ready_within_its_budget(engine: Engine) -> None:
    """Rows A9, B3, D8: the fixture gave up where the start-up probe would have."""
    assert {process.uids().real for process in engine.pod.only.processes()} <= {2000, 0}
    first = engine.pod.only.processes()[0]
    pod, _ = rendered_pod(CHAT)
    rendered = pod["containers"][0]["args"]
    words = first.cmdline()
    at = words.index(rendered[0])
    assert words[at : at + len(rendered)] == rendered
    started = engine.pod.verdict("startup", within_seconds=0)
    assert started.good


def test_all_served_names_and_adapters_are_listed(engine: Engine) -> None:
    """Rows A7, D8."""
    listed = engine.get("/v1/models").json()["data"]
    assert {entry["id"] for entry in listed} == {*NAMES, ADAPTER}
    assert {entry["max_model_len"] for entry in listed if entry["id"] in NAMES} == {4096}


@pytest.mark.parametrize("model", [*NAMES, ADAPTER])
def test_chat_and_completion_answer_under_every_name(engine: Engine, model: str) -> None:
    """Row C13: chat goes through the model's own template, a completion does not."""
    request = {"model": model, "max_tokens": 5, "ignore_eos": True}
    said = engine.post("/v1/chat/completions", messages=_asked(), **request).json()
    assert said["choices"][0]["finish_reason"] == "length"
    assert said["usage"]["completion_tokens"] == 5
    completed = engine.post("/v1/completions", prompt="hello", **request).json()
    assert completed["usage"]["prompt_tokens"] == len(["he", "ll", "o"])
    around = ["<|im_start|>", *"user\n", "<|im_end|>", "\n", "<|im_start|>", *"assistant"]
    assert said["usage"]["prompt_tokens"] == len(["he", "ll", "o", *around])


def test_a_stream_ends_with_its_usage(engine: Engine) -> None:
    answer = chat(engine.url, "akko-coder", key=MASTER_KEY, max_tokens=50, ignore_eos=True)
    assert answer.text
    assert (answer.finish_reason, answer.completion_tokens, answer.done) == ("length", 50, True)


def test_more_than_the_maximum_length_is_refused_in_the_engines_words(engine: Engine) -> None:
    """Row A4: the length that is rendered is the length that holds."""
    refused = engine.post("/v1/chat/completions", model="akko-coder", messages=_asked("x" * 4096))
    assert refused.status_code == 400
    assert "maximum context length is 4096 tokens" in refused.json()["error"]["message"]


def test_an_adapter_answers_otherwise_than_its_model(engine: Engine) -> None:
    base = {_greedy(engine, name) for name in NAMES}
    assert len(base) == 1
    assert _greedy(engine, ADAPTER) not in base


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_a_tool_call_arrives_parsed(engine: Engine, choice: object) -> None:
    # Where JSON may have blanks and an answer further calls, a random model knows no end.
    endless = " \n\r\t<<tool_call>"
    tokens = engine.post("/tokenize", prompt=endless, add_special_tokens=False).json()["tokens"]
    said = engine.post(
        "/v1/chat/completions",
        model="akko-coder",
        messages=_asked("weather?"),
        tools=[TOOL],
        tool_choice=choice,
        logit_bias={str(token): -100 for token in tokens},
        max_tokens=100,
        temperature=0,
    ).json()
    (call,) = said["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"])["city"] in {"Oslo", "Lima"}


def test_a_prefix_is_shared_by_those_who_have_the_same_salt_alone(engine: Engine) -> None:
    """Row C4: tenants with salts of their own cannot find out each other's prompts by time."""

    def hits(salt: str) -> float:
        (before,) = engine.metrics("vllm:prefix_cache_hits_total")
        done = engine.post(
            "/v1/completions",
            model="akko-coder",
            prompt="a shared header " * 60,
            max_tokens=1,
            cache_salt=salt,
        )
        assert done.status_code == 200
        (after,) = engine.metrics("vllm:prefix_cache_hits_total")
        return after - before

    assert hits("tenant-a") == 0
    assert hits("tenant-a") > 500
    assert hits("tenant-b") == 0


def test_metrics_are_read_without_a_key(engine: Engine) -> None:
    """Row B14."""
    metrics = engine.get("/metrics").text
    for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
        assert f'vllm:{name}{{engine="0",model_name="akko-coder"}}' in metrics


def _finished_at(engine: Engine, tokens: int, priority: int) -> float:
    done = engine.post(
        "/v1/completions",
        model="akko-coder",
        prompt="hello",
        max_tokens=tokens,
        ignore_eos=True,
        priority=priority,
    )
    assert done.status_code == 200
    return time.monotonic()


def _await_load(engine: Engine, running: int, waiting: int) -> None:
    wanted = (running, waiting)
    deadline = time.monotonic() + 30
    names = ("vllm:num_requests_running", "vllm:num_requests_waiting")
    while (seen := engine.metrics(*names)) != wanted:
        assert time.monotonic() < deadline, f"{seen} run and wait, not {wanted}"
        time.sleep(0.05)


def test_a_lower_priority_number_overtakes(engine: Engine) -> None:
    """Row B19: of two that wait, the later one with the smaller number is worked on first."""
    with ThreadPoolExecutor(4) as pool:
        # Of different lengths, so that one place gets free and not both.
        busy = [pool.submit(_finished_at, engine, tokens, 0) for tokens in (1900, 3800)]
        _await_load(engine, AT_ONCE, 0)
        late = pool.submit(_finished_at, engine, 200, 9)
        _await_load(engine, AT_ONCE, 1)
        early = pool.submit(_finished_at, engine, 200, 1)
        _await_load(engine, AT_ONCE, 2)
        assert not any(task.done() for task in busy)
        assert early.result() < late.result()


def test_a_full_queue_answers_503(engine: Engine) -> None:
    """Row B19: the limit counts what is worked on and what waits; 503 sends a gateway elsewhere.

    The engine calls it approximate, so one more or less may get in.
    """

    together = threading.Barrier(2 * MOST)  # a late one would find the place of one that is done

    def ask(_: int) -> int:
        together.wait(60)
        request = {"prompt": "hello", "max_tokens": 600, "ignore_eos": True}
        return engine.post("/v1/completions", model="akko-coder", **request).status_code

    with ThreadPoolExecutor(2 * MOST) as pool:
        answers = Counter(pool.map(ask, range(2 * MOST)))
    assert set(answers) == {200, 503}
    assert abs(answers[200] - MOST) <= 1
    assert engine.metrics("vllm:admission_rejections_total") == (answers[503],)


def test_a7_nothing_but_health_and_metrics_answers_without_a_key(engine: Engine) -> None:
    """A7: what vLLM's own --api-key leaves open is guarded too."""

    def status(path: str, **headers: str) -> int:
        request = httpx.Request("GET", engine.url + path, headers=headers)
        with httpx.Client(timeout=30, trust_env=False, verify=False) as client:
            return client.send(request).status_code

    assert {path: status(path) for path in GUARDED} == dict.fromkeys(GUARDED, 401)
    for brought in ("", MASTER_KEY, f"Bearer {MASTER_KEY}x", "Bearer", f"Basic {MASTER_KEY}"):
        assert status("/v1/models", Authorization=brought.strip()) == 401, brought
    assert {status(path) for path in ("/health", "/metrics")} == {200}
    assert status("/v1/models", Authorization=f"bearer {MASTER_KEY}") == 200


def test_a_key_comes_and_goes_without_a_restart_and_no_stream_is_cut(
    engine: Engine, gateway_state: State, tmp_path: Path
) -> None:
    """A7, D8: the gateway goes over to another key while it is asked; the engine runs on."""
    coming = "another-key-of-the-gateway-0464"
    container = gateway("production")
    (variable,) = [name for name in container.environment if name.startswith("PROVIDER_KEY")]
    renewed = replace(container, environment={**container.environment, variable: coming})
    said: list[Answer] = []

    def guard() -> subprocess.Popen[str]:
        program = Path(engine_key_guard.__file__)
        words = [sys.executable, str(program), variable, f"{engine.url}/v1"]
        return subprocess.Popen(words, env={variable: coming}, stdout=subprocess.PIPE, text=True)

    def ask(front: Server, times: int) -> None:
        for _ in range(times):
            said.append(chat(front.url, "akko-coder", key=MASTER_KEY, max_tokens=20))

    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with (
        guard() as waiting,
        running_gateway(container, gateway_state, engine.url, tmp_path / "before") as before,
    ):
        ask(before, 2)
        assert waiting.poll() is None, "the guard lets a gateway in with a key nobody knows"
        (engine.keys / "gateway-2").write_text(f"{coming}\n", encoding="utf-8")
        assert waiting.wait(30) == 0
        with running_gateway(renewed, gateway_state, engine.url, tmp_path / "after") as after:
            ask(before, 2)
            ask(after, 2)
            (engine.keys / "gateway").unlink()  # nobody brings it any more
            time.sleep(2)
            assert engine.get("/v1/models").status_code == 401
            ask(after, 2)
            (engine.keys / "gateway").write_text(MASTER_KEY, encoding="utf-8")
    assert all(answer.done and answer.text for answer in said)
    assert len(said) == 8
    time.sleep(2)
    assert engine.get("/v1/models").status_code == 200


def test_sigterm_under_load_ends_every_stream_within_the_chain(
    engine: Engine, gateway_state: State, tmp_path: Path
) -> None:
    """Rows A1, A9, D8: the hook, then SIGTERM; streams that run and that wait all end whole.

    Half of them come through the real gateway. Last in this module, for it ends the engine.
    """
    tokens = 3600  # 36 s on two idle cores, of which the hook takes 15

    def stream(url: str) -> tuple[Answer, float]:
        answer = chat(url, "akko-coder", key=MASTER_KEY, max_tokens=tokens, ignore_eos=True)
        return answer, time.monotonic()

    with (
        running_gateway(gateway("production"), gateway_state, engine.url, tmp_path) as front,
        ThreadPoolExecutor(STREAMS) as pool,
    ):
        chat(front.url, "akko-coder", key=MASTER_KEY, max_tokens=1)  # its first one takes seconds
        urls = [engine.url, front.url] * (STREAMS // 2)
        streams = [pool.submit(stream, url) for url in urls]
        _await_load(engine, AT_ONCE, STREAMS - AT_ONCE)
        begun = time.monotonic()
        end = engine.pod.stop()["vllm"]
        ended = time.monotonic()
        results = [future.result() for future in streams]
    whole = Counter((a.finish_reason, a.completion_tokens, a.done) for a, _ in results)
    assert whole == {("length", tokens, True): STREAMS}
    assert (end.exit_code, end.killed) == (0, False)
    assert ended - begun < engine.pod.grace_seconds
    assert max(at for _, at in results) > ended - end.seconds, "SIGTERM came after the last stream"
