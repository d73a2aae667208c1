"""A hub token from Pulumi's encrypted configuration is seen in the cluster's Secret alone."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest
import yaml

from tests.engine.pulumi_cli import ROOT, Ended, Engine, document_of
from tools import control_plane
from tools.control_plane import ControlPlane, installed

_TOKEN = "hf_OfTheTestsAndOfNobodyElse0451"
_HUB = {"token": {"source": "config", "secret_name": "hub-token"}}
_GATED = {
    "source": "meta-llama/Llama-3.1-8B-Instruct",
    "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
}
_SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""Key under which a state says what a value is (Pulumi's `resource.SigKey`)."""
_PACK = "--policy-pack=policies"
_TARGETS = (
    "**pulumi:providers:kubernetes::cluster",
    "**::production",
    "**::akko",
    "**::akko-default-deny",
    "**::akko-dns",
    "**::hub-token",
)
"""The token with what it depends on; the Jobs would wait for a class that is not there."""


@dataclass(frozen=True)
class Update:
    """An update of the token's objects, and how they are seen afterwards."""

    preview: Ended
    ended: Ended
    state: str
    secret: Mapping[str, Any]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server, which is what an update needs to reach its state."""
    home = tmp_path_factory.mktemp("token") / "control-plane"
    try:
        yield control_plane.up(home, installed.binaries(), installed.crds(), report=print)
    finally:
        control_plane.down(home)


def _document(plane: ControlPlane) -> dict[str, Any]:
    document = document_of("production")
    document["cluster"] = {
        "context": plane.context,
        "server": plane.server,
        "node_class": {"kind": "KWOKNodeClass", "name": "default"},
    }
    document["models"]["akko-coder"] |= _GATED
    return document | {"hub": _HUB}


@pytest.fixture(scope="module")
def update(
    tools: Mapping[str, str], plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Update:
    """The stack with an encrypted token, previewed whole, and its Secret brought up."""
    engine = Engine.at(tmp_path_factory.mktemp("token-engine") / "home", tools).given(
        KUBECONFIG=str(plane.kubeconfig)
    )
    engine.make_stack("production")
    text = yaml.safe_dump({"config": {ROOT: _document(plane)}})
    file = engine.stack_file("production", text)
    options = ("--stack=production", f"--config-file={file}")
    written = engine.pulumi("config", "set", "--secret", "inference:hubToken", _TOKEN, *options)
    assert written.code == 0, written.output
    assert _TOKEN not in file.read_text(encoding="utf-8")
    preview = engine.pulumi("preview", "--diff", *options, _PACK)
    targets = [f"--target={urn}" for urn in _TARGETS]
    ended = engine.pulumi("up", "--yes", "--skip-preview", *options, _PACK, *targets)
    assert ended.code == 0, ended.output
    state = engine.pulumi("stack", "export", "--stack=production", cwd=engine.home)
    assert state.code == 0, state.output
    return Update(preview, ended, state.output, _secret(plane))


def test_neither_preview_nor_update_prints_the_token(update: Update) -> None:
    """Row D4: the preview shows the Secret, the Job that refers to it, and no value."""
    assert update.preview.code == 0, update.preview.output
    assert "hub-token" in update.preview.output
    assert "HF_TOKEN" in update.preview.output
    assert "[secret]" in update.preview.output
    for ended in (update.preview, update.ended):
        assert _TOKEN not in ended.output
        assert _encoded() not in ended.output


def test_the_state_holds_the_token_encrypted_only(update: Update) -> None:
    """Row D4"""
    resources = json.loads(update.state)["deployment"]["resources"]
    (secret,) = [one for one in resources if one["type"] == "kubernetes:core/v1:Secret"]
    for part in ("inputs", "outputs"):
        assert list(secret[part]["data"]) == [_SECRET_MARK, "ciphertext"], part
    assert _TOKEN not in update.state
    assert _encoded() not in update.state


def test_the_token_arrives_in_its_secret(update: Update) -> None:
    """Row D4"""
    assert update.secret["metadata"]["name"] == "hub-token"
    assert update.secret["data"] == {"token": _encoded()}


def test_a_stack_without_the_configured_token_is_told_how_to_set_it(engine: Engine) -> None:
    document = document_of("production") | {"hub": _HUB}

    ended = engine.on_document("preview", "production", document)

    ended.refuses("Missing required configuration variable 'inference:hubToken'")
    assert "`pulumi config set --secret inference:hubToken <value>`" in ended.output


def _encoded() -> str:
    """As the API server stores and shows it."""
    return base64.b64encode(_TOKEN.encode()).decode()


def _secret(plane: ControlPlane) -> dict[str, Any]:
    done = subprocess.run(
        [
            installed.binaries()["kubectl"],
            f"--kubeconfig={plane.kubeconfig}",
            "--namespace=akko",
            "get",
            "secret/hub-token",
            "--output=json",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return cast("dict[str, Any]", json.loads(done.stdout))
