import base64
import json
from pathlib import Path

import yaml

from tools.control_plane import credentials, installed, leader_worker_sets
from tools.control_plane.layout import Layout
from tools.control_plane.seed import crd_documents


def _layout(tmp_path: Path) -> Layout:
    layout = Layout.of(tmp_path / "home")
    credentials.ensure(layout)
    return layout


def test_the_controller_serves_on_loopback_alone_with_our_own_certificate(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    leader_worker_sets.write_files(layout, 4711)
    configuration = json.loads(layout.lws_config.read_text())
    folder = Path(configuration["webhook"]["certDir"])
    assert (configuration["webhook"]["host"], configuration["webhook"]["port"]) == (
        "127.0.0.1",
        4711,
    )
    assert configuration["metrics"]["bindAddress"] == "0"
    assert configuration["health"]["healthProbeBindAddress"] == "0"
    assert (folder / "tls.crt").read_text() == layout.certificate.read_text()
    assert (folder / "tls.key").stat().st_mode & 0o777 == 0o600


def test_only_pods_of_a_set_are_sent_to_the_controller(tmp_path: Path) -> None:
    """Other pods do not wait for it, and start where it is down."""
    layout = _layout(tmp_path)
    entries = {
        webhook["name"]: webhook
        for registration in leader_worker_sets.webhooks(layout, 4711)
        for webhook in registration.body["webhooks"]
    }
    selecting = {name for name, webhook in entries.items() if "objectSelector" in webhook}
    assert selecting == {"mpod.kb.io"}
    for webhook in entries.values():
        client = webhook["clientConfig"]
        assert client["url"].startswith("https://127.0.0.1:4711/")
        assert base64.b64decode(client["caBundle"]) == layout.ca.read_bytes()


def test_the_definition_of_our_own_is_found_and_refuses_every_object() -> None:
    file = Path(installed.__file__).with_name("disaggregatedsets.yaml")
    ((name, text),) = crd_documents([file]).items()
    assert name == "disaggregatedsets.disaggregatedset.x-k8s.io"
    schema = yaml.safe_load(text)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert [rule["rule"] for rule in schema["x-kubernetes-validations"]] == ["false"]
