"""The runner of rendered pods itself, on small programs: it must not be kinder than a kubelet."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.serving.containers import ContainerError
from tests.serving.pods import running_pod
from tests.serving.sandbox import Image
from tests.serving.volumes import Cluster

_PYTHON = Image(Path(sys.base_prefix) / "bin", (Path(sys.base_prefix),), ("python3", "-u", "-c"))
_KILLED = 137
_SERVER = """
import http.server, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if pathlib.Path("/state/sick").exists() else 200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
_PROBE = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1, "failureThreshold": 2}


def _container(program: str, **more: object) -> dict[str, Any]:
    return {"name": "main", "image": "python:3@sha256:0", "args": [program], **more}


def _pod(program: str, *, first: str | None = None, **more: object) -> dict[str, Any]:
    """A pod of one container, with a folder that an init container shares."""
    shared = {"volumeMounts": [{"name": "state", "mountPath": "/state"}]}
    init = [] if first is None else [_container(first, **shared) | {"name": "first"}]
    return {
        "initContainers": init,
        "containers": [_container(program, **(shared | more))],
        "volumes": [{"name": "state", "emptyDir": {}}],
        "securityContext": {"runAsUser": 2000, "runAsGroup": 0},
        "terminationGracePeriodSeconds": 2,
    }


def _log(spec: Mapping[str, Any], folder: Path, **more: Any) -> str:  # noqa: ANN401 - any field
    """What the container of a pod writes until it ends."""
    with running_pod(spec, Cluster({"python": _PYTHON}, **more), folder) as pod:
        assert pod.only.exit_code(20) == 0, pod.only.text()
        return pod.only.text()


def test_init_containers_run_first_and_share_volumes(tmp_path: Path) -> None:
    spec = _pod("print(open('/state/a').read())", first="open('/state/a', 'w').write('it ran')")
    assert _log(spec, tmp_path) == "it ran\n"


def test_an_init_container_that_fails_keeps_the_others_from_starting(tmp_path: Path) -> None:
    spec = _pod("print('started')", first="raise SystemExit('no weights')")
    with (
        pytest.raises(ContainerError, match=r"first has to end .* gave 1(.|\n)*no weights"),
        running_pod(spec, Cluster({"python": _PYTHON}), tmp_path),
    ):
        pass
    assert not (tmp_path / "main.log").exists()


def test_words_and_variables_are_expanded_as_the_kubelet_does(tmp_path: Path) -> None:
    env = [
        {"name": "A", "value": "one"},
        {"name": "B", "value": "$(A) two"},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    program = "import os; print('$(B)|$(C)|$(D)|$$(A)|' + os.getcwd() + '|', sorted(os.environ))"
    spec = _pod(program, env=env, workingDir="/state")
    said = _log(spec, tmp_path, secrets={"s": {"k": "hidden"}})
    assert said.startswith("one two|hidden|$(D)|$(A)|/state|")
    assert said.split("| ")[1] == "['A', 'B', 'C', 'LC_CTYPE', 'PATH']\n", "nothing leaks in"


def test_nothing_but_writable_volumes_can_be_written(tmp_path: Path) -> None:
    """Row B2: a read-only root, and a read-only mount of a volume that is writable elsewhere."""
    claim = tmp_path / "claim"
    claim.mkdir()
    (claim / "weights").write_text("w")
    spec = _pod(
        "import errno, os, pathlib\n"
        "for path in ('/x', '/models/x', '/etc/x', '/usr/x', '/state/x', '/dev/shm/x'):\n"
        "    try: pathlib.Path(path).write_text('x'); print(path, 'written')\n"
        "    except OSError as error: print(path, errno.errorcode[error.errno])\n"
        "print(os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize)\n"
        "print(pathlib.Path('/models/weights').read_text())",
        securityContext={"readOnlyRootFilesystem": True},
    )
    spec["volumes"] += [
        {"name": "models", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    spec["containers"][0]["volumeMounts"] += [
        {"name": "models", "mountPath": "/models", "readOnly": True},
        {"name": "shm", "mountPath": "/dev/shm"},
    ]
    assert _log(spec, tmp_path, claims={"c": claim}).splitlines() == [
        *("/x EROFS", "/models/x EROFS", "/etc/x EROFS", "/usr/x EROFS"),
        *("/state/x written", "/dev/shm/x written", str(2**20), "w"),
    ]


def test_a_config_map_is_files(tmp_path: Path) -> None:
    spec = _pod("print(open('/etc-app/config.yaml').read())")
    spec["volumes"].append({"name": "config", "configMap": {"name": "m"}})
    spec["containers"][0]["volumeMounts"].append({"name": "config", "mountPath": "/etc-app"})
    said = _log(spec, tmp_path, config_maps={"m": {"config.yaml": "a: 1"}})
    assert said == "a: 1\n"


def test_a_container_has_no_capability_and_no_way_out(tmp_path: Path) -> None:
    program = (
        "import os, socket\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(os.getpid(), status['NoNewPrivs'].strip(), int(status['CapBnd'], 16))\n"
        "try: socket.create_connection(('192.0.2.1', 80), 2)\n"
        "except OSError as error: print(error.strerror)"
    )
    assert _log(_pod(program), tmp_path).splitlines() == ["1 1 0", "Network is unreachable"]


def test_probes_are_asked_as_rendered_and_what_they_find_is_dated(tmp_path: Path) -> None:
    probes: dict[str, Any] = {f"{kind}Probe": _PROBE for kind in ("startup", "readiness")}
    slow = _PROBE | {"periodSeconds": 2}
    ports = [{"name": "http", "containerPort": 8000}]
    spec = _pod(_SERVER, ports=ports, livenessProbe=slow, **probes)
    with running_pod(spec, Cluster({"python": _PYTHON}), tmp_path) as pod:
        pod.await_ready()
        assert httpx.get(pod.url(8000), trust_env=False).status_code == 200
        (tmp_path / "state" / "sick").touch()
        sick_at = time.monotonic()
        unready = pod.verdict("readiness", after=sick_at, within_seconds=5)
        dead = pod.verdict("liveness", after=sick_at, within_seconds=9)
        (tmp_path / "state" / "sick").unlink()
        again = pod.verdict("readiness", after=unready.at, within_seconds=5)
    assert (unready.good, dead.good, again.good) == (False, False, True)
    assert 1 < unready.at - sick_at < 3 < dead.at - sick_at + 1 < 7


def test_a_server_that_never_answers_uses_up_its_start_up_budget(tmp_path: Path) -> None:
    ports = [{"name": "http", "containerPort": 8000}]
    spec = _pod("import time; time.sleep(60)", ports=ports, startupProbe=_PROBE)
    with running_pod(spec, Cluster({"python": _PYTHON}), tmp_path) as pod:
        begun = time.monotonic()
        with pytest.raises(ContainerError, match="did not start within the budget"):
            pod.await_ready()
        assert 0.5 < time.monotonic() - begun < 5


def test_nothing_of_a_container_outlives_its_pod(tmp_path: Path) -> None:
    spec = _pod("import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)")
    with running_pod(spec, Cluster({"python": _PYTHON}), tmp_path) as pod:
        while len(pod.only.processes()) < 2:
            time.sleep(0.05)
        processes = pod.only.processes()
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive


@pytest.mark.parametrize(
    ("on_sigterm", "code"),
    [
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))", 3),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", _KILLED),
        # The first process of a container gets no default action: this one ignores SIGTERM too.
        ("", _KILLED),
    ],
)
def test_the_end_is_a_hook_then_sigterm_then_sigkill(
    on_sigterm: str, code: int, tmp_path: Path
) -> None:
    program = f"import signal, sys, time\n{on_sigterm}\nprint('up')\ntime.sleep(60)"
    spec = _pod(program, lifecycle={"preStop": {"sleep": {"seconds": 1}}})
    with running_pod(spec, Cluster({"python": _PYTHON}), tmp_path) as pod:
        while "up" not in pod.only.text():
            time.sleep(0.05)
        begun = time.monotonic()
        end = pod.stop()["main"]
        seconds = time.monotonic() - begun
    killed = code == _KILLED
    assert (end.exit_code, end.killed) == (code, killed)
    assert (2 if killed else 1) <= seconds < 4
