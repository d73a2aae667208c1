"""`make gateway-diff`: what it asks of its caller; the serving tests ask a real gateway with it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.programs.gateway_state import ADMINISTRATOR
from tools.gateway_state import main

GONE = ("--stack=production", "--base-url=http://127.0.0.1:1")


def test_without_a_key_it_says_where_one_may_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ADMINISTRATOR, raising=False)
    assert main(GONE) == 1
    assert capsys.readouterr().err == (
        "error: the variable LITELLM_MASTER_KEY holds no key: set LITELLM_MASTER_KEY to the "
        "gateway's master key, or name a file that holds it with --key-file\n"
    )


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_key_file_that_holds_none_is_named(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert main([*GONE, f"--key-file={path}"]) == 1
    assert str(path) in capsys.readouterr().err


def test_a_gateway_that_does_not_answer_is_an_error_and_no_empty_diff(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.gateway_state._ANSWER_SECONDS", 0)
    monkeypatch.setenv(ADMINISTRATOR, "sk-the-key-of-nobody")
    assert main(GONE) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "did not answer" in said.err
    assert "port-forward service/<gateway> 4000" in said.err
    assert "sk-the" not in said.err


@pytest.mark.parametrize("address", ["gateway.internal", "gateway.internal:4000", "", "ftp://a"])
def test_an_address_that_is_none_is_one_sentence(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ADMINISTRATOR, "sk-the-key-of-nobody")
    assert main(["--stack=production", f"--base-url={address}"]) == 1
    assert capsys.readouterr().err == (
        f"error: {address!r} is no address of a deployment; give "
        "--base-url=http://127.0.0.1:4000/v1 or whatever host and port yours answers on\n"
    )


def test_a_stack_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack=prodution"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no stack 'prodution' here")


class _SomethingElse(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'["no gateway"]')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Silence."""


def test_what_answers_and_is_no_gateway_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.gateway_state._ANSWER_SECONDS", 0)
    monkeypatch.setenv(ADMINISTRATOR, "sk-the-key-of-nobody")
    with ThreadingHTTPServer(("127.0.0.1", 0), _SomethingElse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert main([GONE[0], f"--base-url=http://127.0.0.1:{server.server_port}"]) == 1
        server.shutdown()
    assert capsys.readouterr().err.count("\n") == 1
