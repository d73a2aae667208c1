from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.tools.workshop import Workshop
from tools.catalogue import KUBERNETES_PLUGIN_VERSION, PULUMI, PULUMI_CLI
from tools.engine_home import find_system_pulumi, plugin_home
from tools.install import engine_environment, ensure
from tools.problem import ToolError

NEWER = "v3.300.1"


def installs(workshop: Workshop) -> list[str]:
    log = workshop.root / "plugin-installs"
    return log.read_text().splitlines() if log.exists() else []


def complete(workshop: Workshop, version: str = NEWER, plugin_install: str = "") -> None:
    workshop.pulumi(version, plugin_install)
    workshop.script("pulumi-language-python", "true")


def test_a_good_pulumi_on_path_is_used_and_nothing_is_built(workshop: Workshop) -> None:
    workshop.go(behaviour="exit 1")
    complete(workshop)
    assert ensure(PULUMI) == {
        "pulumi": workshop.bin / "pulumi",
        "pulumi-language-python": workshop.bin / "pulumi-language-python",
    }
    environment = engine_environment()
    assert "PULUMI_IGNORE_AMBIENT_PLUGINS" not in environment
    assert environment["PATH"].split(os.pathsep)[0] == str(workshop.bin)
    assert Path(environment["PULUMI_HOME"]).is_relative_to(workshop.cache)
    assert workshop.builds() == []
    assert installs(workshop) == [f"plugin install resource kubernetes {KUBERNETES_PLUGIN_VERSION}"]


def test_what_was_found_out_about_path_is_recorded_with_its_checksum(workshop: Workshop) -> None:
    complete(workshop)
    find_system_pulumi()
    record = json.loads((workshop.cache / "tools" / "pulumi" / "on-path.json").read_text())
    assert (record["name"], record["version"], record["origin"]) == ("pulumi", NEWER, "PATH")
    assert len(record["sha256"]) == 64


@pytest.mark.parametrize(
    ("version", "plugin_install", "host", "reason"),
    [
        ("v3.258.0", "", True, f"it is v3.258.0, and {PULUMI_CLI.version} or newer works"),
        ("v4.0.0", "", True, "it is v4.0.0"),
        ("what?", "", True, "it is of no known version"),
        (NEWER, "echo 'error: 403 from the download host' >&2; exit 1", True, "403 from the"),
        (NEWER, "", False, "its Python language host is not on PATH"),
    ],
)
def test_a_pulumi_on_path_that_will_not_do_is_left_out_and_the_reason_is_said_once(
    *,
    workshop: Workshop,
    capsys: pytest.CaptureFixture[str],
    version: str,
    plugin_install: str,
    host: bool,
    reason: str,
) -> None:
    workshop.pulumi(version, plugin_install)
    if host:
        workshop.script("pulumi-language-python", "true")
    assert find_system_pulumi() is None
    said = capsys.readouterr().err
    assert f"pulumi on PATH ({workshop.bin}/pulumi) is not used: " in said
    assert reason in said
    assert find_system_pulumi() is None
    assert capsys.readouterr().err == ""


def test_a_replaced_pulumi_is_looked_at_again(workshop: Workshop) -> None:
    complete(workshop, "v3.1.0")
    assert find_system_pulumi() is None
    complete(workshop)
    found = find_system_pulumi()
    assert found is not None
    assert found.version == NEWER


def test_a_pulumi_told_not_to_fetch_plugins_is_not_used(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(workshop)
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    assert find_system_pulumi() is None


def test_own_pulumi_can_be_asked_for(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(workshop)
    monkeypatch.setenv("INFERENCE_PLATFORM_PULUMI", "own")
    assert find_system_pulumi() is None
    assert installs(workshop) == []


def test_the_built_pulumi_on_path_is_not_taken_for_the_users(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(workshop)
    inside = workshop.cache / "tools" / "pulumi" / "key"
    inside.parent.mkdir(parents=True)
    workshop.bin.rename(inside)
    monkeypatch.setenv("PATH", f"{inside}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert find_system_pulumi() is None


def test_the_provider_is_installed_once_into_a_private_home(workshop: Workshop) -> None:
    workshop.pulumi(NEWER)
    cli, provider = workshop.bin / "pulumi", workshop.root / "provider"
    home = plugin_home(cli, "one", provider)
    assert plugin_home(cli, "one", provider) == home
    assert installs(workshop) == [
        f"plugin install resource kubernetes {KUBERNETES_PLUGIN_VERSION} --file {provider}"
    ]
    assert plugin_home(cli, "another", provider) != home


def test_an_interrupted_provider_installation_is_done_over(workshop: Workshop) -> None:
    halfway = "mkdir -p $PULUMI_HOME/plugins/resource-kubernetes-v$5; exit 1"
    workshop.pulumi(NEWER, halfway)
    cli = workshop.bin / "pulumi"
    with pytest.raises(ToolError, match="could not install the Kubernetes provider"):
        plugin_home(cli, "one", None)
    workshop.pulumi(NEWER)
    home = plugin_home(cli, "one", None)
    (plugin,) = home.glob("plugins/*/pulumi-resource-kubernetes")
    plugin.unlink()
    plugin_home(cli, "one", None)
    assert plugin.is_file()
    assert len(installs(workshop)) == 3
