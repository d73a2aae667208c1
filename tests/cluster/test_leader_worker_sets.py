"""Groups of pods, as a model on several nodes is served: LeaderWorkerSet's own controller."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cluster.conftest import Kubectl
from tests.cluster.rollouts import Phase, in_order, watched_pods
from tests.cluster.stacks import CHECKOUT
from tools.control_plane.waiting import wait_until
from tools.install import engine_environment

pytestmark = pytest.mark.timeout(240)

NAME = "leaderworkerset.sigs.k8s.io/name"
SET = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: groups}
spec:
  replicas: 2
  startupPolicy: LeaderCreated
  rolloutStrategy:
    type: RollingUpdate
    rollingUpdateConfiguration: {maxUnavailable: 1, maxSurge: SURGE}
  leaderWorkerTemplate:
    size: 2
    restartPolicy: RecreateGroupOnPodRestart
    workerTemplate:
      spec:
        terminationGracePeriodSeconds: 1
        containers: [{name: main, image: "main:TAG"}]
"""


def manifest(tag: int, *, surge: int = 0) -> str:
    return SET.replace("TAG", str(tag)).replace("SURGE", str(surge))


@pytest.fixture
def groups(kubectl: Kubectl) -> Iterator[Kubectl]:
    kubectl.apply(manifest(1))
    kubectl.wait("lws/groups", "condition=Available", seconds=60)
    yield kubectl
    kubectl("delete", "lws/groups")
    kubectl("wait", "pods", f"-l{NAME}=groups", "--for=delete", "--timeout=60s")


def test_every_pod_of_a_group_knows_its_leader_its_index_and_the_groups_size(
    groups: Kubectl,
) -> None:
    pods = {pod["metadata"]["name"]: pod for pod in groups.get("pods", f"-l{NAME}=groups")["items"]}
    assert sorted(pods) == ["groups-0", "groups-0-1", "groups-1", "groups-1-1"]
    for name, pod in pods.items():
        _, group, *worker = name.split("-")
        variables = {entry["name"]: entry["value"] for entry in _container(pod)["env"]}
        assert variables == {
            "LWS_LEADER_ADDRESS": f"groups-{group}.groups.default",
            "LWS_GROUP_SIZE": "2",
            "LWS_WORKER_INDEX": "".join(worker) or "0",
        }
    service = groups.get("service", "groups")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True


def _container(
    pod: dict[str, dict[str, list[dict[str, list[dict[str, str]]]]]],
) -> dict[str, list[dict[str, str]]]:
    (container,) = pod["spec"]["containers"]
    return container


def test_a_lost_worker_takes_its_whole_group_with_it_and_no_other(groups: Kubectl) -> None:
    with watched_pods(groups, "default", f"{NAME}=groups") as rollout:
        groups("delete", "pod/groups-1-1", "--wait=false")
        assert wait_until(lambda: len(rollout.pods(Phase.READY, old=False)) == 2, seconds=60)
    assert set(rollout.pods(Phase.GONE, old=True)) == {"groups-1", "groups-1-1"}
    assert set(rollout.pods(Phase.READY, old=False)) == {"groups-1", "groups-1-1"}


def test_groups_roll_one_after_the_other_from_the_highest(groups: Kubectl) -> None:
    """Without a surge: every pod of a group is ready again before the next one is touched."""
    with watched_pods(groups, "default", f"{NAME}=groups") as rollout:
        groups.apply(manifest(2))
        assert wait_until(lambda: len(rollout.pods(Phase.GONE, old=True)) == 4, seconds=90)
    events = rollout.events
    touched = next(at for at, event in enumerate(events) if event.pod.startswith("groups-0"))
    before = events[:touched]
    ready = {event.pod for event in before if event.phase is Phase.READY and not event.old}
    assert ready == {"groups-1", "groups-1-1"}
    leader = [f"{'old' if e.old else 'new'} {e.phase}" for e in before if e.pod == "groups-1"]
    assert in_order(leader, "old ending", "old gone", "new created", "new ready")
    groups.wait("lws/groups", "condition=Available", seconds=60)


def test_with_a_surge_a_further_group_is_ready_before_an_old_one_ends(groups: Kubectl) -> None:
    groups.apply(manifest(1, surge=1).replace("maxUnavailable: 1", "maxUnavailable: 0"))
    groups.wait("lws/groups", "condition=Available", seconds=30)
    with watched_pods(groups, "default", f"{NAME}=groups") as rollout:
        groups.apply(manifest(2, surge=1).replace("maxUnavailable: 1", "maxUnavailable: 0"))
        assert wait_until(lambda: len(rollout.pods(Phase.GONE, old=True)) == 4, seconds=90)
    first = [
        (e.pod, e.phase) for e in rollout.events if e.pod in {"groups-0", "groups-1", "groups-2"}
    ]
    assert first.index(("groups-2", Phase.READY)) < first.index(("groups-1", Phase.ENDING))
    assert first.index(("groups-1", Phase.READY)) < first.index(("groups-0", Phase.ENDING))


def test_b9_groups_come_and_go_whole_as_an_autoscaler_asks(groups: Kubectl) -> None:
    """Row B9: by the subresource that a HorizontalPodAutoscaler reads and writes."""
    with watched_pods(groups, "default", f"{NAME}=groups") as rollout:
        groups("scale", "lws/groups", "--replicas=3")
        assert wait_until(lambda: len(rollout.pods(Phase.READY, old=False)) == 2, seconds=60)
        groups("scale", "lws/groups", "--replicas=1")
        assert wait_until(lambda: len(rollout.pods(Phase.GONE, old=True)) == 2, seconds=60)
    assert set(rollout.pods(Phase.READY, old=False)) == {"groups-2", "groups-2-1"}
    assert set(rollout.pods(Phase.GONE, old=True)) == {"groups-1", "groups-1-1"}
    scale = groups.get("lws/groups", "--subresource=scale")
    assert scale["spec"]["replicas"] == 1
    assert f"{NAME}=groups" in scale["status"]["selector"]


PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
spec = {"nodeSelector": {"group-test": "here"}, "containers": [{"name": "main", "image": "main:1"}]}
k8s.apiextensions.CustomResource(
    "awaited",
    api_version="leaderworkerset.x-k8s.io/v1",
    kind="LeaderWorkerSet",
    metadata={"name": "awaited", "annotations": {"pulumi.com/waitFor": "condition=Available"}},
    spec={
        "replicas": 1,
        "leaderWorkerTemplate": {
            "size": 2,
            "workerTemplate": {
                "spec": {
                    "nodeSelector": {"awaited": "here"},
                    "containers": [{"name": "main", "image": config.require("image")}],
                }
            },
        },
    },
)
"""


@pytest.fixture
def program(tmp_path: Path, kubectl: Kubectl) -> Mapping[str, str]:
    """A project of one LeaderWorkerSet in the test's folder, and the engine's environment."""
    python = f"{{name: python, options: {{toolchain: pip, virtualenv: {CHECKOUT / '.venv'}}}}}"
    (tmp_path / "Pulumi.yaml").write_text(f"name: awaited\nruntime: {python}\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "state").mkdir()
    environ = {
        **os.environ,
        **engine_environment(),
        "KUBECONFIG": str(kubectl.kubeconfig),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "of a test",
    }
    init = ["pulumi", "stack", "init", "test", "--non-interactive"]
    subprocess.run(init, cwd=tmp_path, env=environ, check=True, capture_output=True)
    return environ


def deployment(folder: Path, environ: Mapping[str, str], image: str) -> subprocess.Popen[str]:
    command = ["pulumi", "up", "--stack=test", "--yes", "--skip-preview", "--non-interactive"]
    return subprocess.Popen(
        [*command, f"--config=image={image}"],
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_pulumi_waits_for_a_set_until_its_groups_are_available(
    tmp_path: Path, kubectl: Kubectl, program: Mapping[str, str]
) -> None:
    """By the annotation alone: first while it is made, then while it is changed."""
    node = "node/cpu-us-east-1a"
    for image in ("main:1", "main:2"):
        with deployment(tmp_path, program, image) as engine:
            assert wait_until(lambda: _leader_image(kubectl) == image, seconds=60)  # noqa: B023
            # No node has the label, so no pod runs; a second is twenty times what follows a `yes`.
            with pytest.raises(subprocess.TimeoutExpired):
                engine.wait(timeout=3)
            kubectl("label", node, "awaited=here")
            out, _ = engine.communicate(timeout=90)
        assert engine.returncode == 0, out
        status = kubectl.get("lws", "awaited")["status"]
        assert (status["readyReplicas"], status["updatedReplicas"]) == (1, 1)
        kubectl("label", node, "awaited-")
    kubectl("delete", "lws/awaited", "--wait=false")


def _leader_image(kubectl: Kubectl) -> str:
    found = kubectl.run("get", "pod/awaited-0", "-ojsonpath={.spec.containers[0].image}")
    return found.stdout
