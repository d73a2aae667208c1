"""Deployments that are interrupted, removed, hindered, or sent to a cluster of the user's own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.cluster.objects import pods, ready
from tests.cluster.stacks import (
    CHECKOUT,
    SECONDS,
    Deployed,
    deploy,
    project_copy,
    run_stacks,
    stacks_command,
)


@pytest.fixture(scope="module")
def dev(
    tmp_path_factory: pytest.TempPathFactory, binaries: Mapping[str, Path]
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("lifecycle")
    yield deploy("dev", folder, binaries["kubectl"])
    run_stacks("down", run_folder=folder)


def test_an_interrupted_deployment_is_taken_up_by_the_next(
    tmp_path: Path, binaries: Mapping[str, Path]
) -> None:
    """kill -9 of the command while the engine is at work: nothing is lost, the next one ends it."""
    command = stacks_command("up", "--stack=dev", run_folder=tmp_path)
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        _wait_for_engine(first.pid)
        first.send_signal(signal.SIGKILL)
    try:
        second = deploy("dev", tmp_path, binaries["kubectl"])
        assert "an earlier run is still at work" in second.first.stderr
        assert [ready(pod) for pod in pods(second.kubectl, "litellm", "gateway")] == [True]
    finally:
        assert run_stacks("down", run_folder=tmp_path).returncode == 0


def test_a_killed_engine_leaves_no_orphan_and_no_lock(
    tmp_path: Path, binaries: Mapping[str, Path]
) -> None:
    """kill -9 of the command and its engine together, as when a CI job is cancelled."""
    command = stacks_command("up", "--stack=dev", run_folder=tmp_path)
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        _wait_for_engine(first.pid)
        engine = psutil.Process(first.pid).children(recursive=True)
        first.send_signal(signal.SIGKILL)
        for process in engine:
            if _name(process) == "pulumi":
                process.kill()
    try:
        second = deploy("dev", tmp_path, binaries["kubectl"])
        assert "lifting the lock" in second.first.stderr
        assert "pending operations" not in second.first.stdout
        assert [name for name in map(_name, engine) if name] == []
    finally:
        assert run_stacks("down", run_folder=tmp_path).returncode == 0


def test_what_somebody_deleted_by_hand_comes_back(dev: Deployed) -> None:
    dev.kubectl("delete", "deployment/akko-akko-litellm", "-n", "akko")
    mended = dev.up()
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert [ready(pod) for pod in pods(dev.kubectl, "litellm", "gateway")] == [True]


def test_down_leaves_no_process_and_no_data(tmp_path: Path, binaries: Mapping[str, Path]) -> None:
    deployed = deploy("dev", tmp_path, binaries["kubectl"])
    assert _processes_of(tmp_path)
    done = run_stacks("down", run_folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not _processes_of(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert deployed.first.returncode == 0
    assert run_stacks("down", run_folder=tmp_path).returncode == 0


def test_a_taken_port_is_one_sentence(tmp_path: Path, dev: Deployed) -> None:
    server = dev.kubectl(
        "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"
    )
    port = server.rsplit(":", 1)[1]
    done = run_stacks("up", run_folder=tmp_path, environ={"INFERENCE_API_PORT": port})
    assert done.returncode != 0
    assert port in done.stderr
    assert "Traceback" not in done.stderr
    assert not _processes_of(tmp_path)


def _wait_for_engine(parent: int) -> None:
    """Until the Kubernetes provider runs: the engine is then in the middle of its work."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for child in psutil.Process(parent).children(recursive=True):
            if _name(child).startswith("pulumi-resource"):
                time.sleep(2)
                return
        time.sleep(0.2)
    raise AssertionError("the engine never started")


def _name(process: psutil.Process) -> str:
    """Of a live process; one that has ended meanwhile has none."""
    try:
        lives = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return process.name() if lives else ""
    except psutil.NoSuchProcess:
        return ""


def _processes_of(folder: Path) -> list[int]:
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and str(folder) in " ".join(process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_a_stack_goes_to_a_cluster_of_the_user_s_own(dev: Deployed, tmp_path: Path) -> None:
    """CONTEXT: the user's kubeconfig, state and passphrase; the embedded cluster stands in for it.

    The document names the context, so the stack accepts it; another namespace keeps them apart.
    """
    project = project_copy(tmp_path)
    text = (project / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    text = text.replace("context: kind-akko", "context: inference-embedded")
    text = text.replace("namespace: akko\n", "namespace: own\n")
    (project / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "state").mkdir()
    own = {
        "KUBECONFIG": str(dev.kubectl.kubeconfig),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "the user's own",
    }
    arguments = ("--stack=dev", "--context=inference-embedded", f"--project={project}")
    done = run_stacks("up", "--yes=1", *arguments, run_folder=tmp_path / "unused", environ=own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is up on inference-embedded" in done.stdout
    label = "app.kubernetes.io/name=litellm,app.kubernetes.io/component=gateway"
    items = dev.kubectl.get("pods", "-n", "own", "-l", label)["items"]
    assert [ready(pod) for pod in items] == [True]
    assert not (tmp_path / "unused").exists()
    without = {**own, "PULUMI_CONFIG_PASSPHRASE": ""}
    refused = run_stacks("preview", *arguments, run_folder=tmp_path / "unused", environ=without)
    assert refused.returncode != 0
    assert "passphrase" in (refused.stdout + refused.stderr).lower()
