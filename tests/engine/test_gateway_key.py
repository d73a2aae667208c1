"""Keys from Pulumi's encrypted configuration are seen in the cluster's Secrets alone."""

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

_SECRET = {"source": "config", "secret_name": "akko-litellm-key"}


@dataclass(frozen=True)
class _Key:
    """One key of the gateway: where it is configured, and where it has to arrive.

    Attributes:
        variable: In the configuration, below `inference:`.
        secret: Name of the cluster's Secret.
        field: Of the Secret, in which it stands alone.
        resource: What the engine calls the Secret.
        value: In plain.
    """

    variable: str
    secret: str
    field: str
    resource: str
    value: str

    @property
    def encoded(self) -> str:
        """As the API server stores and shows it."""
        return base64.b64encode(self.value.encode()).decode()


_MASTER = _Key(
    *("gatewayKey", "akko-litellm-key", "master-key", "gateway-akko-litellm-key"),
    value="the-plain-value-of-the-key-0451",
)
_KEYS = (
    _MASTER,
    _Key(
        *("gatewaySaltKey", "akko-litellm-salt", "value", "gateway-migration-salt"),
        value="the-plain-value-of-the-salt-0452",
    ),
    _Key(
        *("gatewayDatabasePassword", "akko-litellm-database", "value"),
        resource="gateway-database-password",
        value="the-plain-password-of-the-database-0453",
    ),
    _Key(
        *("gatewayRedisPassword", "akko-litellm-redis", "value"),
        resource="gateway-counters-password",
        value="the-plain-password-of-the-counters-0454",
    ),
)
_SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""Key under which a state says what a value is (Pulumi's `resource.SigKey`)."""
_PACK = "--policy-pack=policies"
_TARGETS = (
    "**pulumi:providers:kubernetes::cluster",
    "**::dev",
    "**::akko",
    "**::akko-default-deny",
    "**::akko-dns",
    "**::gateway*",
    "**::akko-akko-litellm*",
    "**::akko-app-gateway-key",
)
"""The gateway with its stores, without which it has no configuration; engines add nothing."""


@dataclass(frozen=True)
class Update:
    """An update of the dev stack's gateway, and how its objects are seen afterwards."""

    preview: Ended
    ended: Ended
    state: str
    objects: Mapping[tuple[str, str], dict[str, Any]]


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
    """The stack with encrypted keys, previewed, and its gateway brought up."""
    engine = Engine.at(tmp_path_factory.mktemp("key-engine") / "home", tools).given(
        KUBECONFIG=str(plane.kubeconfig)
    )
    engine.make_stack("dev")
    document = document_of("dev")
    document["cluster"] = {"context": plane.context, "server": plane.server}
    gateway = document["gateway"]
    gateway["master_key"] = _SECRET
    for store, name in (("database", "akko-litellm-database"), ("redis", "akko-litellm-redis")):
        gateway[store]["password"] = {"source": "config", "secret_name": name}
    gateway["salt_key"] = {"source": "config", "secret_name": "akko-litellm-salt"}
    file = engine.stack_file("dev", yaml.safe_dump({"config": {ROOT: document}}))
    options = ("--stack=dev", f"--config-file={file}")
    for key in _KEYS:
        variable = f"inference:{key.variable}"
        written = engine.pulumi("config", "set", "--secret", variable, key.value, *options)
        assert written.code == 0, written.output
        assert key.value not in file.read_text(encoding="utf-8")
    preview = engine.pulumi("preview", "--diff", *options, _PACK)
    targets = [f"--target={urn}" for urn in _TARGETS]
    ended = engine.pulumi("up", "--yes", "--skip-preview", *options, _PACK, *targets)
    assert ended.code == 0, ended.output
    state = engine.pulumi("stack", "export", "--stack=dev", cwd=engine.home)
    assert state.code == 0, state.output
    return Update(preview, ended, state.output, _objects(plane))


@pytest.mark.parametrize("key", _KEYS, ids=lambda key: key.variable)
def test_neither_preview_nor_update_prints_a_key(update: Update, key: _Key) -> None:
    """AX-12"""
    assert update.preview.code == 0, update.preview.output
    assert key.resource in update.preview.output
    assert "[secret]" in update.preview.output
    for ended in (update.preview, update.ended):
        assert key.value not in ended.output
        assert key.encoded not in ended.output


@pytest.mark.parametrize("key", _KEYS, ids=lambda key: key.variable)
def test_the_state_holds_a_key_encrypted_only(update: Update, key: _Key) -> None:
    """AX-12"""
    resources = json.loads(update.state)["deployment"]["resources"]
    secret = next(one for one in resources if one["urn"].endswith(f"::{key.resource}"))
    for part in ("inputs", "outputs"):
        assert list(secret[part]["data"]) == [_SECRET_MARK, "ciphertext"], part
    assert key.value not in update.state
    assert key.encoded not in update.state


@pytest.mark.parametrize("key", _KEYS, ids=lambda key: key.variable)
def test_a_key_arrives_in_its_secret_and_in_no_configuration(update: Update, key: _Key) -> None:
    """AX-02 and AX-12"""
    assert update.objects["Secret", key.secret]["data"][key.field] == key.encoded
    others = {name: found for name, found in update.objects.items() if name[0] != "Secret"}
    assert {kind for kind, _ in others} == {"ConfigMap", "Deployment", "Job"}
    assert key.value not in json.dumps(list(others.values()))


def test_the_gateway_reads_its_master_key_from_its_environment(update: Update) -> None:
    """AX-02"""
    assert update.objects["Secret", _MASTER.secret]["data"] == {"master-key": _MASTER.encoded}
    configs = [found for (kind, _), found in update.objects.items() if kind == "ConfigMap"]
    assert "os.environ/LITELLM_MASTER_KEY" in json.dumps(configs)


def test_a_stack_without_the_configured_key_is_told_how_to_set_it(engine: Engine) -> None:
    document = document_of("production")
    document["gateway"]["master_key"] = _SECRET

    ended = engine.on_document("preview", "production", document)

    ended.refuses("Missing required configuration variable 'inference:gatewayKey'")
    assert "`pulumi config set --secret inference:gatewayKey <value>`" in ended.output


def _objects(plane: ControlPlane) -> dict[tuple[str, str], dict[str, Any]]:
    """What stands in the namespace and could hold a key, by kind and name."""
    kubectl: Sequence[str | Path] = (
        installed.binaries()["kubectl"],
        f"--kubeconfig={plane.kubeconfig}",
        "--namespace=akko",
        "get",
        "secrets,configmaps,deployments,jobs",
        "--output=json",
    )
    done = subprocess.run(kubectl, capture_output=True, text=True, check=True, timeout=60)
    items = cast("list[dict[str, Any]]", json.loads(done.stdout)["items"])
    return {(item["kind"], item["metadata"]["name"]): item for item in items}
