"""The embedded control plane for real: it survives what users and machines do, and it behaves."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.cluster.conftest import Kubectl
from tools.control_plane import ControlPlane, connect, down, processes, starter, status, up
from tools.control_plane.components import API_SERVER, ETCD, NAMES
from tools.control_plane.layout import Layout
from tools.control_plane.ports import LOOPBACK, free_ports
from tools.control_plane.waiting import wait_until

pytestmark = pytest.mark.timeout(240)

WARM_SECONDS = 20
"""The goal is 5 s, held by the benchmark; this bound only catches a start that hangs, on a machine
that builds other things meanwhile."""
COMMAND = (sys.executable, "-m", "tools.control_plane")


def marked(home: Path) -> list[psutil.Process]:
    """All live processes that carry this home's mark, found without the code under test."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("INFERENCE_CONTROL_PLANE") == str(home.resolve()):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def pids(home: Path) -> dict[str, int | None]:
    return {part.name: part.pid for part in status(home)}


def states(home: Path) -> dict[str, str]:
    return {part.name: part.state for part in status(home)}


def kill(home: Path, name: str, number: signal.Signals) -> None:
    pid = pids(home)[name]
    assert pid is not None
    psutil.Process(pid).send_signal(number)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def other_home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "another home"  # with a blank, as in real users' paths
    yield home
    down(home)


def test_all_components_run_and_kubectl_sees_two_ready_nodes(
    control_plane: ControlPlane, kubectl: Kubectl
) -> None:
    assert set(states(control_plane.home).values()) == {"running"}
    nodes = kubectl.get("nodes", "-lnode.kubernetes.io/instance-type=m6i.4xlarge")["items"]
    assert [node["status"]["capacity"]["cpu"] for node in nodes] == ["16", "16"]
    ready = [c["status"] for n in nodes for c in n["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True", "True"]
    assert kubectl("config", "current-context").strip() == "inference-embedded"


def test_a_stopped_control_plane_comes_back_with_its_data_and_ports(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    binaries: Mapping[str, Path],
    crds: Sequence[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    kubectl("create", "namespace", "kept")
    processes.stop(processes.find(Layout.of(control_plane.home)))
    assert marked(control_plane.home) == []
    begun = time.monotonic()
    again = up(control_plane.home, binaries, crds)
    seconds = time.monotonic() - begun
    with capsys.disabled():
        print(f"\nwarm start of the control plane: {seconds:.1f} s")
    assert again == control_plane
    assert seconds < WARM_SECONDS
    kubectl("get", "namespace", "kept")


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_is_noticed_and_replaced_and_no_object_is_lost(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    binaries: Mapping[str, Path],
    crds: Sequence[Path],
    name: str,
) -> None:
    kubectl("create", "configmap", f"before-{name}")
    before = pids(control_plane.home)
    kill(control_plane.home, name, signal.SIGKILL)
    assert wait_until(lambda: states(control_plane.home)[name] == "stopped", seconds=5)
    assert connect(control_plane.home) is None
    assert up(control_plane.home, binaries, crds) == control_plane
    after = pids(control_plane.home)
    assert set(states(control_plane.home).values()) == {"running"}
    assert after[name] != before[name]
    if name not in (ETCD, API_SERVER):  # whose loss may end its clients as well
        assert {k: v for k, v in after.items() if k != name} == {
            k: v for k, v in before.items() if k != name
        }
    kubectl("get", "configmap", f"before-{name}")


def test_an_api_server_that_lives_but_does_not_answer_is_replaced(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    binaries: Mapping[str, Path],
    crds: Sequence[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A young process gets the full time of a start; the test does not wait for that.
    monkeypatch.setattr(starter, "STARTING_SECONDS", 0.0)
    before = pids(control_plane.home)[API_SERVER]
    kill(control_plane.home, API_SERVER, signal.SIGSTOP)
    assert states(control_plane.home)[API_SERVER] == "unhealthy"
    assert up(control_plane.home, binaries, crds) == control_plane
    assert pids(control_plane.home)[API_SERVER] != before
    kubectl("get", "--raw", "/readyz")


def kill_up_at(home: Path, line: str) -> None:
    """Start `up` and kill it with -9 as soon as it says this line."""
    with subprocess.Popen(
        [*COMMAND, "up", "--home", str(home)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as caller:
        assert caller.stderr is not None
        for said in caller.stderr:
            if line in said:
                caller.kill()
    assert caller.returncode == -signal.SIGKILL


def test_a_killed_caller_is_repaired_by_two_at_once_then_moves_port_then_leaves_nothing(
    other_home: Path, control_plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    for line in ("starting etcd", "starting kube-apiserver"):
        kill_up_at(other_home, line)
        assert "stopped" in states(other_home).values()

    # Pipes that a daemon held open would keep these two from ever ending.
    both = [
        subprocess.Popen(
            [*COMMAND, "up", "--home", str(other_home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [caller.communicate(timeout=120) for caller in both]
    assert [caller.returncode for caller in both] == [0, 0], outputs
    with capsys.disabled():
        print(f"\nfresh control plane after two kills: {time.monotonic() - begun:.1f} s")
    assert set(states(other_home).values()) == {"running"}
    assert len(marked(other_home)) == len(NAMES)
    plane = connect(other_home)
    assert plane is not None
    assert plane.server != control_plane.server

    before, (port,) = pids(other_home), free_ports(1)
    moved = command("up", "--home", str(other_home), "--api-port", str(port))
    assert moved.returncode == 0, moved.stderr
    assert connect(other_home) == replace(plane, server=f"https://127.0.0.1:{port}")
    assert pids(other_home)[ETCD] == before[ETCD]

    done = command("down", "--home", str(other_home))
    assert (done.returncode, done.stdout) == (0, "stopped and removed\n")
    assert marked(other_home) == []
    assert list(other_home.parent.iterdir()) == []
    assert set(states(control_plane.home).values()) == {"running"}


def test_a_home_removed_by_hand_under_running_processes_starts_afresh(
    other_home: Path, binaries: Mapping[str, Path], crds: Sequence[Path]
) -> None:
    kill_up_at(other_home, "starting kube-controller-manager")
    orphans = {process.pid for process in marked(other_home)}
    assert len(orphans) >= 2
    shutil.rmtree(other_home)
    up(other_home, binaries, crds)
    assert set(states(other_home).values()) == {"running"}
    assert len(marked(other_home)) == len(NAMES)
    assert not orphans & {process.pid for process in marked(other_home)}


def test_nothing_but_karpenters_health_and_metrics_listens_beyond_loopback(
    control_plane: ControlPlane,
) -> None:
    """Karpenter can bind its two ports to nothing narrower; they carry no secret."""
    beyond = [
        process.name()
        for process in marked(control_plane.home)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.ip != LOOPBACK
    ]
    assert beyond == ["karpenter-kwok", "karpenter-kwok"]


def test_a_taken_port_is_one_sentence_and_nothing_is_left_running(other_home: Path) -> None:
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = command("up", "--home", str(other_home), "--api-port", str(port))
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"Port {port} on 127.0.0.1 is already taken" in done.stderr
    assert "Traceback" not in done.stderr
    assert marked(other_home) == []
    assert not other_home.exists()


def test_secrets_are_for_their_owner_only_and_on_no_command_line(
    control_plane: ControlPlane,
) -> None:
    layout = Layout.of(control_plane.home)
    token = layout.tokens.read_text().partition(",")[0]
    assert control_plane.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert token in control_plane.kubeconfig.read_text()
    for process in marked(control_plane.home):
        assert token not in " ".join(process.cmdline())
