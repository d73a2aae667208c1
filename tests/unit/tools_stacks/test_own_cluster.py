"""`make up`, `preview`, `down` with a context: the user's cluster, engine settings and state."""

import http.server
import os
import threading
from collections.abc import Iterator

import pytest
import yaml

from tests.rendering import document
from tests.unit.tools_stacks.desk import Desk
from tools import own_cluster
from tools.problem import ToolError


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert "Authorization" not in self.headers
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing."""


@pytest.fixture
def cluster() -> Iterator[str]:
    """An API server that refuses everybody, which is an answer."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def own(desk: Desk, monkeypatch: pytest.MonkeyPatch, cluster: str) -> Desk:
    """The desk, and a kubeconfig that leads to the cluster."""
    _point(desk, cluster)
    monkeypatch.setenv("KUBECONFIG", str(desk.runs.parent / "kubeconfig"))
    monkeypatch.setenv("PATH", str(desk.bin), prepend=os.pathsep)
    return desk


def _point(desk: Desk, server: str) -> None:
    kubeconfig = {
        "clusters": [{"name": "akko", "cluster": {"server": server}}],
        "contexts": [{"name": "kind-akko", "context": {"cluster": "akko"}}],
    }
    (desk.runs.parent / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))


def test_on_an_own_cluster_the_engine_keeps_the_users_settings(own: Desk) -> None:
    assert own.run("up", "--context=kind-akko") == 0
    listed, made, looked, (arguments, folder, environ) = own.calls()
    assert looked[0][:2] == ["stack", "export"]
    assert listed[0][:2] == ["stack", "ls"]
    assert made[0][:3] == ["stack", "init", "dev"]
    assert arguments[0] == "up"
    assert f"--policy-pack={own.project / 'policies'}" in arguments
    assert not [each for each in arguments if each.startswith("--config-file")]
    assert folder == str(own.project)
    assert environ["PULUMI_ACCESS_TOKEN"] == "of-the-user"
    assert "PULUMI_BACKEND_URL" not in environ
    assert not own.runs.exists()


def test_down_on_an_own_cluster_lets_the_engine_ask_first(own: Desk) -> None:
    assert own.run("down", "--context=kind-akko") == 0
    ((arguments, _, _),) = own.calls()
    assert arguments[0] == "destroy"
    assert "--yes" not in arguments


def test_another_context_than_the_documents_is_refused(
    own: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert own.run("up", "--context=prod") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: CONTEXT is 'prod', but the stack dev is for the context ")
    assert said.count("\n") == 1
    assert own.calls() == []


def test_a_fault_of_the_document_is_told_before_anything_is_called(
    own: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    own.write({"config": {"inference:platform": {**document("dev"), "namespce": "akko"}}})
    assert own.run("preview", "--context=kind-akko") == 1
    assert "inference:platform.namespce is not a key" in capsys.readouterr().err
    assert own.calls() == []


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "ftp://x", "https://[::1", "text"])
def test_a_cluster_that_does_not_answer_is_one_sentence(
    own: Desk, capsys: pytest.CaptureFixture[str], server: str
) -> None:
    _point(own, server)
    assert own.run("up", "--context=kind-akko") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: the cluster of context 'kind-akko', {server}, does not answer")
    assert said.count("\n") == 1
    assert own.calls() == []


def test_without_an_engine_of_the_users_state_needs_a_place(
    own: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    with pytest.raises(ToolError, match="set PULUMI_BACKEND_URL"):
        own_cluster.check_own_cluster("dev", "kind-akko", own.project)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    own_cluster.check_own_cluster("dev", "kind-akko", own.project)
