"""Real processes, small ones: shell scripts take the place of the programs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.control_plane import ControlPlaneError, connect, down, status, up
from tools.control_plane.__main__ import main
from tools.control_plane.components import ETCD, NAMES, Component
from tools.control_plane.layout import Layout, write
from tools.control_plane.processes import find, is_alive, start, stop

Script = Callable[[str, str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return path

    return make


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout.of(tmp_path / "home")
    layout.home.mkdir()
    return layout


def test_a_started_process_is_found_by_its_home_alone_and_stopped(
    layout: Layout, tmp_path: Path, script: Script
) -> None:
    binary = script("patient", "exec sleep 60")
    process = start(Component(ETCD, (str(binary),), port=4711), layout)
    assert process is not None
    try:
        found = find(layout)
        assert [(entry.name, entry.port) for entry in found] == [(ETCD, 4711)]
        assert found[0].process.pid == process.pid
        assert process.ppid() != os.getpid()
        assert find(Layout.of(tmp_path / "other")) == []
    finally:
        stop(find(layout))
    assert not is_alive(process)
    assert find(layout) == []


def test_a_process_that_ignores_the_polite_signal_is_killed(layout: Layout, script: Script) -> None:
    binary = script("stubborn", "trap '' TERM; while true; do sleep 1; done")
    process = start(Component(ETCD, (str(binary),), port=4711), layout)
    assert process is not None
    stop(find(layout))
    assert not is_alive(process)


def test_a_component_that_ends_at_once_is_shown_with_its_last_lines_and_its_log(
    tmp_path: Path, script: Script
) -> None:
    binaries = {name: script(name, "echo cannot open the database; exit 3") for name in NAMES}
    home = tmp_path / "home"
    with pytest.raises(ControlPlaneError) as caught:
        up(home, binaries, [])
    message = str(caught.value)
    assert message.startswith("etcd ended instead of starting.")
    assert "cannot open the database" in message
    assert str(Layout.of(home).log(ETCD)) in message
    assert down(home)
    assert not home.exists()


def test_missing_programs_are_named_all_at_once(tmp_path: Path, script: Script) -> None:
    binaries = {ETCD: script(ETCD, "true"), "kwok": tmp_path / "absent"}
    with pytest.raises(ControlPlaneError, match=r"needs kube-apiserver, .*kwok.*tools\.install"):
        up(tmp_path / "home", binaries, [])
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path, script: Script) -> None:
    (tmp_path / "file").touch()
    binaries = {name: script(name, "true") for name in NAMES}
    with pytest.raises(ControlPlaneError, match=r"Cannot write .*file.*--home"):
        up(tmp_path / "file" / "home", binaries, [])


def test_a_full_disk_leaves_no_half_written_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kubeconfig"
    write(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kubeconfig"]


def test_down_of_nothing_is_fine_and_leaves_nothing(tmp_path: Path) -> None:
    assert not down(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_run_is_stopped_and_cannot_be_connected_to(tmp_path: Path) -> None:
    assert [part.name for part in status(tmp_path / "home")] == list(NAMES)
    assert {part.state for part in status(tmp_path / "home")} == {"stopped"}
    assert connect(tmp_path / "home") is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["up", "--api-port", "http"], "'http' is not a port"),
        (["kubeconfig"], "no healthy control plane in"),
    ],
)
def test_the_command_answers_a_mistake_with_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main([*arguments, "--home", str(tmp_path / "home")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_status_exits_with_1_unless_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--home", str(tmp_path / "home")]) == 1
    assert capsys.readouterr().out.count("stopped") == len(NAMES)
