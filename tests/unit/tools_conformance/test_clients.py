"""Smoke test, chat client and load test against a gateway with faults: none takes ill for well."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.tools_conformance.stub import EMBEDDER, FURTHER, KEY, MODEL, gateway
from tools.endpoint import Endpoint, endpoint
from tools.problem import ToolError
from tools.smoke import main as smoke

_CLIENTS = Path(__file__).parents[3] / "examples" / "clients"


def _run(name: str, url: str, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run an example client as a user would; its key comes by the environment alone."""
    return subprocess.run(
        [sys.executable, _CLIENTS / name, "--base-url", f"{url}/v1", *words],
        env={"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_load_test_counts_whole_answers_and_holds_its_bounds() -> None:
    """Row D5."""
    with gateway() as url:
        done = _run("load_test.py", url, "--requests", "9", "--users", "3", "--json")
        late = _run("load_test.py", url, "--requests", "3", "--most-ttft-p95", "0.000001")
    figures = json.loads(done.stdout)
    assert (done.returncode, figures["requests"], figures["errors"]) == (0, 9, {})
    assert 0 < figures["ttft_p50"] <= figures["ttft_p95"] <= figures["ttft_p99"]
    assert figures["ttft_p50"] < figures["whole_p50"]
    tokens = 9 * 64 / figures["seconds"]
    assert figures["tokens_per_second"] == pytest.approx(tokens)
    assert late.returncode == 1
    assert "ttft_p95 is" in late.stderr


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("finish-none", "truncated"),
        ("usage-none", "truncated"),
        ("finish-abort", "aborted"),
        ("chat-500", "HTTP 500"),
        ("key-400", None),
    ],
)
def test_load_test_takes_no_cut_answer_for_a_whole_one(fault: str, error: str | None) -> None:
    """Rows C10, D5: every stream breaks, so every one is counted as that kind of error."""
    with gateway(fault) as url:
        done = _run("load_test.py", url, "--requests", "4", "--users", "2", "--json")
    figures = json.loads(done.stdout)
    assert figures["errors"] == ({error: 4} if error else {})
    assert figures["truncated"] == (4 if error == "truncated" else 0)
    assert done.returncode == (1 if error else 0)


def test_load_test_ends_when_its_time_is_over_and_not_before() -> None:
    with gateway() as url:
        done = _run("load_test.py", url, "--seconds", "1", "--tokens", "4", "--json")
    figures = json.loads(done.stdout)
    assert 1 <= figures["seconds"] < 10
    assert figures["requests"] > 4


def test_load_test_without_a_deployment_fails() -> None:
    done = _run("load_test.py", "http://127.0.0.1:9", "--requests", "1", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["errors"] == {"APIConnectionError": 1}


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        ("", 0, ""),
        ("finish-none", 1, "cut off"),
        ("finish-abort", 1, "cut off (finish_reason abort)"),
        ("chat-500", 1, "the engine is gone"),
    ],
)
def test_chat_says_when_an_answer_is_cut_off(fault: str, code: int, told: str) -> None:
    """Row D5."""
    with gateway(fault) as url:
        done = _run("chat.py", url, "Say hello.")
    assert done.returncode == code
    assert told in done.stderr
    assert ("x" in done.stdout) == (fault != "chat-500")


def test_chat_holds_a_conversation_until_an_empty_line() -> None:
    with gateway() as url:
        done = _run("chat.py", url, text="one\ntwo\n\n")
    assert done.returncode == 0
    assert done.stdout.count("> ") == 3
    assert done.stdout.count("x" * 16) == 2


@pytest.mark.parametrize("name", ["chat.py", "load_test.py"])
def test_a_client_asks_for_its_key_and_takes_none_as_an_argument(name: str) -> None:
    done = subprocess.run(
        [sys.executable, _CLIENTS / name, "--base-url", "http://127.0.0.1:9/v1"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "OPENAI_API_KEY" in done.stderr
    assert "--api-key" not in (_CLIENTS / name).read_text(encoding="utf-8")


Smoke = Callable[..., tuple[int, str]]


@pytest.fixture
def smoked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Smoke:
    """Runs the smoke test: its exit code, and what it says in one line."""

    def run(*words: str, key: str = KEY) -> tuple[int, str]:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        code = smoke(words)
        told = capsys.readouterr()
        assert key not in told.out + told.err
        return code, " ".join((told.out + told.err).split())

    return run


@pytest.mark.parametrize(
    ("fault", "model", "told"),
    [
        ("done-none", MODEL, "no [DONE]"),
        ("finish-abort", MODEL, "['abort']"),
        ("finish-none", MODEL, "Next: the engine or something between"),
        ("chat-500", MODEL, "cannot reach its engine"),
        ("", "forgotten", "there is no such alias"),
    ],
)
def test_smoke_says_what_is_wrong_and_what_to_do(
    fault: str, model: str, told: str, smoked: Smoke
) -> None:
    """Row C10."""
    with gateway(fault) as url:
        code, said = smoked(f"{url}/v1", "--model", model)
    assert code == 1
    assert told in said


def test_smoke_asks_every_listed_model_for_what_it_does(smoked: Smoke) -> None:
    """Row C10: a model that embeds is not ill because it does not chat."""
    with gateway() as url:
        code, said = smoked(url)
    assert code == 0
    for model in (MODEL, FURTHER):
        assert f"│ {model} │ whole │" in said
        assert f"│ {model} │ streamed │" in said
    assert f"│ {EMBEDDER} │ embeddings │" in said


def test_smoke_without_a_list_of_models_says_why(smoked: Smoke) -> None:
    """Row C10."""
    with gateway() as url:
        assert smoked(url, key="sk-another")[0] == 2
        assert "this key is not known" in smoked(url, key="sk-another")[1]
    code, said = smoked("http://127.0.0.1:9")
    assert code == 2
    assert "port-forward" in said


def test_a_key_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    assert endpoint("http://127.0.0.1:9/v1/") == Endpoint("http://127.0.0.1:9", KEY)
    assert KEY not in repr(endpoint("http://127.0.0.1:9"))
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ToolError, match="cannot be read"):
        endpoint("http://127.0.0.1:9")


def test_smoke_says_that_a_port_speaks_no_tls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with gateway() as url:
        assert smoke([url.replace("http:", "https:")]) != 0
    said = capsys.readouterr()
    assert "speaks no TLS: write http://" in said.out + said.err
