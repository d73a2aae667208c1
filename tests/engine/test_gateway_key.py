"""A gateway key from Pulumi's encrypted configuration is seen in the cluster's Secret alone."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.engine.pulumi_cli import ROOT, Ended, Engine, document_of
from tools import control_plane
from tools.control_plane import ControlPlane, installed

_KEY = "the-plain-value-of-the-key-0451"
_SECRET = {"source": "config", "secret_name": "akko-litellm-key"}
_SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""Key under which a state says what a value is (Pulumi's `resource.SigKey`)."""
_PACK = "--policy-pack=policies"
_TARGETS = (
    "**pulumi:providers:kubernetes::cluster",
    "**::dev",
    "**::akko",
    "**::akko-default-deny",
    "**::akko-dns",
    "**::gateway",
    "**::gateway-config",
    "**::gateway-key",
)
"""The gateway's configuration and key with what they depend on; servers have nothing to add."""


@dataclass(frozen=True)
class Update:
    """An update of the dev stack's gateway, and how its objects are seen afterwards."""

    preview: Ended
    ended: Ended
    state: str
    objects: Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server, which is what an update needs to reach its state."""
    home = tmp_path_factory.mktemp("key") / "control-plane"
    try:
        yield control_plane.up(home, installed.binaries(), installed.crds(), report=print)
    finally:
        control_plane.down(home)


@pytest.fixture(scope="module")
def update(
    tools: Mapping[str, str], plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Update:
    """The stack with an encrypted key, previewed, and its gateway's objects brought up."""
    engine = Engine.at(tmp_path_factory.mktemp("key-engine") / "home", tools).given(
        KUBECONFIG=str(plane.kubeconfig)
    )
    engine.make_stack("dev")
    document = document_of("dev")
    document["cluster"] = {"context": plane.context, "server": plane.server}
    document["gateway"]["master_key"] = _SECRET
    file = engine.stack_file("dev", yaml.safe_dump({"config": {ROOT: document}}))
    options = ("--stack=dev", f"--config-file={file}")
    written = engine.pulumi("config", "set", "--secret", "inference:gatewayKey", _KEY, *options)
    assert written.code == 0, written.output
    assert _KEY not in file.read_text(encoding="utf-8")
    preview = engine.pulumi("preview", "--diff", *options, _PACK)
    targets = [f"--target={urn}" for urn in _TARGETS]
    ended = engine.pulumi("up", "--yes", "--skip-preview", *options, _PACK, *targets)
    assert ended.code == 0, ended.output
    state = engine.pulumi("stack", "export", "--stack=dev", cwd=engine.home)
    assert state.code == 0, state.output
    return Update(preview, ended, state.output, _objects(plane))


def test_neither_preview_nor_update_prints_the_key(update: Update) -> None:
    """AX-12"""
    assert update.preview.code == 0, update.preview.output
    assert "gateway-key" in update.preview.output
    assert "[secret]" in update.preview.output
    for ended in (update.preview, update.ended):
        assert _KEY not in ended.output
        assert _encoded() not in ended.output


def test_the_state_holds_the_key_encrypted_only(update: Update) -> None:
    """AX-12"""
    resources = json.loads(update.state)["deployment"]["resources"]
    secret = next(one for one in resources if one["urn"].endswith("::gateway-key"))
    for part in ("inputs", "outputs"):
        assert list(secret[part]["data"]) == [_SECRET_MARK, "ciphertext"], part
    assert _KEY not in update.state
    assert _encoded() not in update.state


def test_the_key_arrives_in_its_secret_and_not_in_the_gateways_configuration(
    update: Update,
) -> None:
    """AX-02 and AX-12"""
    secret = update.objects["Secret"]
    assert secret["metadata"]["name"] == "akko-litellm-key"
    assert secret["data"] == {"master-key": _encoded()}
    config = json.dumps(update.objects["ConfigMap"])
    assert "os.environ/LITELLM_MASTER_KEY" in config
    assert _KEY not in config


def test_a_stack_without_the_configured_key_is_told_how_to_set_it(engine: Engine) -> None:
    document = document_of("production")
    document["gateway"]["master_key"] = _SECRET

    ended = engine.on_document("preview", "production", document)

    ended.refuses("Missing required configuration variable 'inference:gatewayKey'")
    assert "`pulumi config set --secret inference:gatewayKey <value>`" in ended.output


def _encoded() -> str:
    """As the API server stores and shows it."""
    return base64.b64encode(_KEY.encode()).decode()


def _objects(plane: ControlPlane) -> dict[str, dict[str, Any]]:
    """The gateway's Secret and ConfigMap by kind."""
    kubectl: Sequence[str | Path] = (
        installed.binaries()["kubectl"],
        f"--kubeconfig={plane.kubeconfig}",
        "--namespace=akko",
        "get",
        "secrets,configmaps",
        "--selector=app.kubernetes.io/name=litellm",
        "--output=json",
    )
    done = subprocess.run(kubectl, capture_output=True, text=True, check=True, timeout=60)
    items = cast("list[dict[str, Any]]", json.loads(done.stdout)["items"])
    return {item["kind"]: item for item in items}
