from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.unit.tools.workshop import Workshop, wait_until
from tools import install, store
from tools.catalogue import (
    CONTROL_PLANE,
    CRDS,
    ETCD,
    KWOK,
    OLLAMA,
    PULUMI_CLI,
)
from tools.install import ensure, main
from tools.problem import ToolError
from tools.store import MANIFEST, folder_of, key_of, sha256
from tools.tool import (
    MODULES,
)


def leftovers(workshop: Workshop) -> list[Path]:
    return list(workshop.cache.rglob(".building-*"))


def announce(workshop: Workshop) -> str:
    """Shell that writes its process id in one step, so that a reader sees all of it."""
    file = workshop.root / "pid"
    return f"echo $$ > {file}.new; mv {file}.new {file}"


def test_a_missing_tool_is_built_once_and_then_only_looked_up(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.go()
    path = ensure([ETCD])["etcd"]
    assert path.read_text() == "a program"
    assert os.access(path, os.X_OK)
    said = capsys.readouterr().err
    assert f"[1/1] etcd {ETCD.version}: ready in 0 s" in said

    workshop.go(behaviour="exit 1")
    assert ensure([ETCD])["etcd"] == path
    assert capsys.readouterr().err == ""
    assert len(workshop.builds()) == 1


def test_only_what_is_asked_for_is_built(workshop: Workshop) -> None:
    workshop.go()
    ensure([ETCD, KWOK])
    assert sorted(folder.name for folder in (workshop.cache / "tools").iterdir()) == [
        "etcd",
        "kwok",
    ]


def test_the_build_command_carries_the_pinned_package_and_stamps(workshop: Workshop) -> None:
    workshop.go()
    ensure(tool for tool in CONTROL_PLANE if tool.name == "kube-apiserver")
    (line,) = workshop.builds()
    assert line.endswith(" k8s.io/kubernetes/cmd/kube-apiserver")
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.4" in line
    assert "-X k8s.io/client-go/pkg/version.gitMinor=36" in line


def test_the_manifest_names_version_origin_and_checksums(workshop: Workshop) -> None:
    workshop.go()
    path = ensure([ETCD])["etcd"]
    manifest = json.loads((path.parent / MANIFEST).read_text())
    assert manifest["name"] == "etcd"
    assert manifest["version"] == ETCD.version
    assert manifest["key"] == path.parent.name == key_of(ETCD)
    assert manifest["origin"] == {
        "built from": "tools/modules/etcd",
        "package": "go.etcd.io/etcd/server/v3",
        "go": "1.26.8",
    }
    assert list(manifest["files"]) == ["etcd"]
    assert manifest["files"]["etcd"]["sha256"] == sha256(path)


def test_the_language_host_and_its_executor_lie_beside_pulumi(workshop: Workshop) -> None:
    workshop.go()
    executor = workshop.root / "module" / "python" / "cmd" / "pulumi-language-python-exec"
    executor.parent.mkdir(parents=True)
    executor.write_text("#!/usr/bin/env python")
    paths = ensure([PULUMI_CLI])
    assert paths["pulumi-language-python"].parent == paths["pulumi"].parent
    assert os.access(paths["pulumi"].parent / executor.name, os.X_OK)


def test_a_crd_folder_holds_crd_files_alone(workshop: Workshop) -> None:
    workshop.go()
    (crds,) = [tool for tool in CRDS if tool.name == "keda-crds"]
    source = workshop.root / "module" / "config" / "crd" / "bases"
    source.mkdir(parents=True)
    (source / "one.yaml").write_text("apiVersion: x\nkind: CustomResourceDefinition\n")
    (source / "kustomization.yaml").write_text("kind: Kustomization\n")
    assert [file.name for file in ensure([crds])["keda-crds"].iterdir()] == ["one.yaml"]


def test_a_changed_module_folder_is_another_tool(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert workshop.root == tmp_path
    copy = tmp_path / "modules"
    shutil.copytree(MODULES, copy)
    before = {tool: key_of(tool) for tool in (ETCD, KWOK, PULUMI_CLI, OLLAMA)}
    monkeypatch.setattr(store, "MODULES", copy)
    assert {tool: key_of(tool) for tool in before} == before  # the checkout's place is no matter
    for folder in ("etcd", "language-host", "ollama-headers"):
        with (copy / folder / "go.sum").open("a") as file:
            file.write("x\n")
    after = {tool: key_of(tool) for tool in before}
    assert after[ETCD] != before[ETCD]
    assert after[PULUMI_CLI] != before[PULUMI_CLI]  # its language host is built into its folder
    assert after[OLLAMA] != before[OLLAMA]
    assert after[KWOK] == before[KWOK]


@pytest.mark.parametrize("damage", ["content", "length", "removed", "manifest"])
def test_a_damaged_tool_is_built_again(workshop: Workshop, damage: str) -> None:
    workshop.go()
    path = ensure([ETCD])["etcd"]
    if damage == "content":
        path.write_text("A PROGRAM")  # the same length
        os.utime(path, ns=(0, 0))
    elif damage == "length":
        path.write_text("half")
    elif damage == "removed":
        path.unlink()
    else:
        (path.parent / MANIFEST).write_text("{")
    assert ensure([ETCD])["etcd"].read_text() == "a program"
    assert len(workshop.builds()) == 2


def test_a_copied_cache_is_taken_for_whole(workshop: Workshop) -> None:
    workshop.go()
    path = ensure([ETCD])["etcd"]
    os.utime(path, ns=(0, 0))
    ensure([ETCD])
    assert len(workshop.builds()) == 1


def test_a_failed_build_prints_the_last_lines_and_what_to_do(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.go(behaviour='for n in $(seq 40); do echo "line $n."; done; exit 1')
    assert main(["etcd"]) == 1
    said = capsys.readouterr().err
    assert "etcd v3.6.14: go build failed; its last lines were:" in said
    assert "line 40." in said
    assert "line 26." in said
    assert "line 25." not in said
    assert "run the same command again" in said
    assert not folder_of(ETCD).exists()
    assert leftovers(workshop) == []


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("dial tcp: lookup proxy.example: no such host", "the Go module proxy was not reachable"),
        ("link: write: no space left on device", "the disk is full"),
        ("compile: signal: killed", "the machine ran out of memory"),
        ("verifying module: checksum mismatch", "not the one whose checksum is committed"),
        ("cgo: C compiler 'gcc' not found: exec", "no compiler for it"),
    ],
)
def test_a_failed_build_is_explained_by_its_cause(
    workshop: Workshop, output: str, advice: str
) -> None:
    workshop.go(behaviour=f'echo "{output}"; exit 1')
    with pytest.raises(ToolError, match=advice):
        ensure([ETCD])
    assert not folder_of(ETCD).exists()


def test_no_build_is_begun_on_a_full_disk(workshop: Workshop) -> None:
    workshop.go()
    with pytest.raises(ToolError, match=r"disk full: .* GiB free.*run the same command again"):
        ensure([ETCD], free_gib=1e9)
    assert workshop.builds() == []


def test_a_disk_that_fills_up_while_writing_leaves_nothing_that_counts(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.go()

    def full(*_: object) -> dict[str, str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(install, "build", full)
        with pytest.raises(ToolError, match="the disk is full"):
            ensure([ETCD])
    assert leftovers(workshop) == []
    assert ensure([ETCD])["etcd"].is_file()


def test_a_cache_folder_that_cannot_be_made_is_one_sentence(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.go()
    (workshop.root / "file").write_text("")
    monkeypatch.setenv("INFERENCE_PLATFORM_CACHE", str(workshop.root / "file"))
    with pytest.raises(ToolError, match="make it a folder you can write to"):
        ensure([ETCD])


def test_an_interrupted_build_leaves_nothing_and_the_next_run_finishes(workshop: Workshop) -> None:
    workshop.go(behaviour=f"{announce(workshop)}; sleep 60 & wait")
    run = workshop.start("etcd")
    wait_until((workshop.root / "pid").exists)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=30)
    assert run.returncode == 130
    assert said.endswith("interrupted: finished tools stay, the same command goes on\n")
    builder = int((workshop.root / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(builder, 0)
    assert leftovers(workshop) == []
    workshop.go()
    assert ensure([ETCD])["etcd"].is_file()


def test_a_killed_build_is_cleaned_up_and_finished_by_the_next_run(workshop: Workshop) -> None:
    workshop.go(behaviour=f"echo half > $3; {announce(workshop)}; exec sleep 60")
    run = workshop.start("etcd")
    wait_until((workshop.root / "pid").exists)
    run.kill()
    run.communicate(timeout=30)
    os.kill(int((workshop.root / "pid").read_text()), signal.SIGKILL)
    assert len(leftovers(workshop)) == 1
    assert not folder_of(ETCD).exists()
    workshop.go()
    assert ensure([ETCD])["etcd"].read_text() == "a program"
    assert leftovers(workshop) == []


def test_two_runs_at_once_build_once_and_the_second_says_that_it_waits(workshop: Workshop) -> None:
    gate = workshop.root / "gate"
    workshop.go(behaviour=f"while [ ! -e {gate} ]; do sleep 0.1; done")
    first = workshop.start("etcd")
    wait_until(lambda: len(workshop.builds()) == 1)
    second = workshop.start("etcd")
    assert second.stderr is not None
    assert "another run is building it, waiting" in second.stderr.readline()
    gate.touch()
    _, first_said = first.communicate(timeout=30)
    _, second_said = second.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "ready in" in first_said
    assert "built by another run" in second_said
    assert len(workshop.builds()) == 1
