import base64
import ssl
from pathlib import Path

import yaml
from cryptography import x509

from tools.control_plane import credentials
from tools.control_plane.components import NAMES, PORT_NAMES, components
from tools.control_plane.layout import Layout


def test_only_the_owner_can_read_any_file(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "home")
    credentials.ensure(layout)
    modes = {path.name: path.stat().st_mode & 0o777 for path in layout.tokens.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert layout.tokens.parent.stat().st_mode & 0o077 == 0


def test_every_home_has_its_own_token_and_keeps_it(tmp_path: Path) -> None:
    one, two = Layout.of(tmp_path / "one"), Layout.of(tmp_path / "two")
    assert credentials.ensure(one) == credentials.ensure(one)
    assert credentials.ensure(one) != credentials.ensure(two)
    assert len(credentials.ensure(one)) >= 43  # 32 random bytes


def test_keys_left_by_a_killed_run_are_made_again(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "home")
    credentials.ensure(layout)
    layout.tokens.unlink()
    layout.key.write_text("half")
    credentials.ensure(layout)
    ssl.create_default_context().load_cert_chain(layout.certificate, layout.key)


def test_the_serving_certificate_is_signed_by_the_authority_for_loopback(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "home")
    credentials.ensure(layout)
    authority = x509.load_pem_x509_certificate(layout.ca.read_bytes())
    serving = x509.load_pem_x509_certificate(layout.certificate.read_bytes())
    serving.verify_directly_issued_by(authority)
    names = serving.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "127.0.0.1" in [str(a) for a in names.get_values_for_type(x509.IPAddress)]


def test_the_authoritys_own_key_is_not_kept(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "home")
    credentials.ensure(layout)
    keys = {path.name for path in layout.tokens.parent.iterdir()}
    assert keys == {
        "ca.crt",
        "serving.crt",
        "serving.key",
        "service-account.key",
        "service-account.pub",
        "tokens.csv",
    }


def test_the_kubeconfig_needs_no_other_file() -> None:
    text = credentials.kubeconfig("PEM", "https://127.0.0.1:6443", "secret")
    document = yaml.safe_load(text)
    cluster = document["clusters"][0]["cluster"]
    assert document["current-context"] == "inference-embedded"
    assert cluster["server"] == "https://127.0.0.1:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
    assert document["users"][0]["user"] == {"token": "secret"}


def test_no_command_line_or_environment_carries_the_token_and_all_bind_to_loopback(
    tmp_path: Path,
) -> None:
    layout = Layout.of(tmp_path / "home")
    token = credentials.ensure(layout)
    ports = dict(zip(PORT_NAMES, range(20000, 30000), strict=False))
    parts = components(layout, {name: Path("/bin") / name for name in NAMES}, ports)
    assert [part.name for part in parts] == list(NAMES)
    for part in parts:
        visible = " ".join([*part.argv, *part.environment.values()])
        assert token not in visible
        assert "0.0.0.0" not in visible
        assert part.health.partition("://")[2].startswith(f"127.0.0.1:{part.port}/")
