"""Elasticity on a control plane: real Prometheus, real KEDA, the stack's own objects and queries.

Only patience is shortened, once the objects stand: the window before a server ends is longer than
its start, here half an hour. What engines and gateway would show is a page that the test writes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from components.core.conventions import PART_OF
from tests.cluster.autoscalers import Pages, running_keda, running_prometheus, served_pages
from tests.cluster.conftest import Kubectl
from tests.cluster.examples import Document, example, write_stack
from tests.cluster.stacks import Deployed, deploy, project_copy, run_stacks
from tools.catalogue import AUTOSCALING
from tools.control_plane.ports import LOOPBACK, free_ports
from tools.control_plane.waiting import wait_until
from tools.install import ensure

pytestmark = pytest.mark.timeout(600)

CODER, REVIEWER, GATEWAY = "akko-akko-vllm", "akko-akko-reviewer", "akko-akko-litellm"
ENGINE = '{model_name="akko-coder",engine="0"}'
SCALE_SECONDS = 75
"""KEDA asks every 15 s, a HorizontalPodAutoscaler every 5 s, and pods take their time."""
MINUTE = timedelta(minutes=1)
"""How long the hours last."""


@dataclass
class Story:
    """What happened.

    Attributes:
        deployed: The stack.
        kept: After the first deployment, replicas by Deployment.
        seen: Replicas of a Deployment when a step was over, by step.
        second: How the same document went once more, when load had added servers.
        took: How long that took.
        conditions: Of the ScaledObject of `CODER`, while Prometheus was away.
        changed: How the document with hours that begin soon went.
        begin: When they begin.
        hours: When replicas of `CODER` were another number than before, and which.
    """

    deployed: Deployed
    kept: dict[str, int] = field(default_factory=dict[str, int])
    seen: dict[str, int] = field(default_factory=dict[str, int])
    second: CompletedProcess[str] | None = None
    took: timedelta = MINUTE
    conditions: dict[str, str] = field(default_factory=dict[str, str])
    changed: CompletedProcess[str] | None = None
    begin: datetime = datetime.max
    hours: list[tuple[datetime, int]] = field(default_factory=list[tuple[datetime, int]])

    @property
    def kubectl(self) -> Kubectl:
        return self.deployed.kubectl

    def replicas(self, name: str) -> int:
        return int(self.kubectl.get("deployment", name, "-nakko")["spec"]["replicas"])

    def reach(self, step: str, name: str, wanted: int) -> None:
        """Wait for a number of replicas; what it came to is kept for the step's test."""
        wait_until(lambda: self.replicas(name) == wanted, SCALE_SECONDS)
        self.seen[step] = self.replicas(name)


def document(prometheus: int, begin: datetime, *, gateway: str) -> Document:
    """The example with hours that begin soon; its gateway follows its CPU (hpa), or requests."""
    found = example("office-hours")
    end = begin + MINUTE
    hours = {"time_zone": "UTC", "start": f"{begin:%M %H} * * *", "end": f"{end:%M %H} * * *"}
    found["models"]["akko-coder"]["scaling"]["hours"] = {**hours, "replicas": 2}
    del found["models"]["akko-reviewer"]["scaling"]["hours"]
    if gateway == "keda":
        found["gateway"]["scaling"] = {"min_replicas": 2, "max_replicas": 4, "in_flight": 10}
    found["monitoring"] = {"prometheus_url": f"http://{LOOPBACK}:{prometheus}"}
    return found


def load(requests: int) -> dict[str, float]:
    """What the engine shows while so many requests are in it; half of them wait."""
    return {
        f"vllm:num_requests_running{ENGINE}": requests - requests // 2,
        f"vllm:num_requests_waiting{ENGINE}": requests // 2,
        f"vllm:kv_cache_usage_perc{ENGINE}": min(0.5, requests / 100),
    }


def asked(tries: int, *, at_once: int = 1) -> dict[str, float]:
    """What the gateway shows after so many tries at the server that is away."""
    series = 'litellm_deployment_total_requests_total{litellm_model_name="akko-reviewer"}'
    shown: dict[str, float] = {"litellm_in_flight_requests": at_once}
    return {**shown, **({series: tries} if tries else {})}


def impatient(kubectl: Kubectl, name: str) -> None:
    """Let a ScaledObject end servers at once, that a test need not wait for half an hour.

    Written as the stack itself would, since it takes nobody's word but its own for its fields.
    """
    found = kubectl.get("scaledobject", name, "-nakko")
    metadata = {"name": name, "namespace": "akko", "labels": found["metadata"]["labels"]}
    metadata["annotations"] = found["metadata"]["annotations"]
    policy = {"type": "Pods", "value": 9, "periodSeconds": 1}
    spec: dict[str, Any] = {**found["spec"], "cooldownPeriod": 1, "initialCooldownPeriod": 1}
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    behavior["scaleDown"] = {"stabilizationWindowSeconds": 0, "policies": [policy]}
    kept = {key: found[key] for key in ("apiVersion", "kind")}
    body = json.dumps({**kept, "metadata": metadata, "spec": spec})
    how = ("--server-side", "--force-conflicts", f"--field-manager={PART_OF}")
    kubectl("apply", *how, "-f", "-", stdin=body)


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory, binaries: Mapping[str, Path]
) -> Iterator[Story]:
    tools, folder = ensure(AUTOSCALING), tmp_path_factory.mktemp("autoscaling")
    run_folder, project = folder / "run", project_copy(folder)
    (port,) = free_ports(1)
    write_stack(
        project, "elastic", document(port, datetime.now(UTC) + timedelta(hours=12), gateway="keda")
    )
    with ExitStack() as stack:
        stack.callback(run_stacks, "down", run_folder=run_folder)
        pages = stack.enter_context(served_pages(folder))
        pages.show(CODER, load(0))
        pages.show(GATEWAY, asked(0))
        prometheus = stack.enter_context(ExitStack())
        prometheus.enter_context(running_prometheus(tools["prometheus"], pages, port))
        told = Story(deploy("elastic", run_folder, binaries["kubectl"], project))
        told.kept = {name: told.replicas(name) for name in (CODER, REVIEWER, GATEWAY)}
        # KEDA reads the environment of what it scales, Secrets included; this one is "existing".
        key = ("generic", "akko-litellm-key", "--from-literal=master-key=sk-nobody-s")
        told.kubectl("create", "secret", *key, "-nakko")
        home = run_folder / "elastic" / "control-plane"
        stack.enter_context(running_keda(tools["keda-operator"], told.kubectl, home, folder))
        scaled_by_load(told, pages)
        without_prometheus(told, pages, prometheus)
        stack.enter_context(running_prometheus(tools["prometheus"], pages, port))
        told.reach("prometheus is back", CODER, 1)
        hours_begin(told, project, port)
        pages.show(GATEWAY, asked(1))
        told.reach("asked for", REVIEWER, 1)
        within_hours(told)
        yield told


def scaled_by_load(told: Story, pages: Pages) -> None:
    """More load, the same document once more, and a model that nobody asks for."""
    pages.show(CODER, load(17))
    pages.show(GATEWAY, asked(0, at_once=35))
    told.reach("load", CODER, 3)
    told.reach("open requests", GATEWAY, 4)
    begun = datetime.now(UTC)
    told.second = told.deployed.up()
    told.took = datetime.now(UTC) - begun
    told.seen["second"] = told.replicas(CODER)
    told.seen["second, gateway"] = told.replicas(GATEWAY)
    impatient(told.kubectl, REVIEWER)
    told.reach("nobody asks", REVIEWER, 0)


def without_prometheus(told: Story, pages: Pages, prometheus: ExitStack) -> None:
    """No load any more, and nobody who could say so."""
    impatient(told.kubectl, CODER)
    prometheus.close()
    pages.show(CODER, load(0))

    def fallen_back() -> bool:
        found = told.kubectl.get("scaledobject", CODER, "-nakko")["status"]["conditions"]
        told.conditions = {each["type"]: each["status"] for each in found}
        return told.conditions.get("Fallback") == "True"

    wait_until(fallen_back, SCALE_SECONDS)
    # As long as it takes to end servers once there are answers again.
    wait_until(lambda: told.replicas(CODER) != 3, 12)
    told.seen["no prometheus"] = told.replicas(CODER)
    told.seen["no prometheus, nobody asks"] = told.replicas(REVIEWER)


def hours_begin(told: Story, project: Path, port: int) -> None:
    """Hours in the first whole minute that is surely later, and the gateway's other autoscaler."""
    soon = datetime.now(UTC) + 2 * told.took + MINUTE
    told.begin = soon.replace(second=0, microsecond=0)
    write_stack(project, "elastic", document(port, told.begin, gateway="hpa"))
    told.changed = told.deployed.up()
    told.seen["other hours, nobody asks"] = told.replicas(REVIEWER)
    told.seen["by its CPU"] = told.replicas(GATEWAY)
    impatient(told.kubectl, CODER)


def within_hours(told: Story) -> None:
    """From before the hours until after them, every change."""
    last = told.begin + MINUTE + timedelta(seconds=SCALE_SECONDS)

    def over() -> bool:
        found, now = told.replicas(CODER), datetime.now(UTC)
        if not told.hours or told.hours[-1][1] != found:
            told.hours.append((now, found))
        return now > last or [number for _, number in told.hours] == [1, 2, 1]

    wait_until(over, (last - datetime.now(UTC)).total_seconds() + 5)


def test_b9_the_first_roll_out_waits_for_a_server_even_of_a_model_that_sleeps(story: Story) -> None:
    assert story.kept == {CODER: 1, REVIEWER: 1, GATEWAY: 2}


def test_b9_d2_requests_that_run_and_wait_bring_servers_up_to_the_ceiling(story: Story) -> None:
    """Rows B9 and D2: 17 requests at 8 for each server."""
    assert story.seen["load"] == 3


def test_b9_open_requests_bring_pods_of_the_gateway(story: Story) -> None:
    """Row B9, `gateway.scaling` with KEDA: 35 requests at 10 for each pod."""
    assert story.seen["open requests"] == 4


def test_the_same_document_again_leaves_the_autoscaler_its_numbers(story: Story) -> None:
    assert story.second is not None
    assert story.second.returncode == 0, story.second.stdout + story.second.stderr
    for change in (" created", " updated", " replaced", " deleted"):
        assert f"{change}\n" not in story.second.stdout, story.second.stdout
    assert story.seen["second"] == 3
    assert story.seen["second, gateway"] == 4


def test_b9_without_prometheus_no_server_ends(story: Story) -> None:
    """Row B9: load is gone, every window is zero, and yet nobody knows."""
    assert story.conditions["Fallback"] == "True"
    assert story.seen["no prometheus"] == 3
    assert story.seen["no prometheus, nobody asks"] == 0


def test_b9_servers_end_when_load_is_known_to_be_gone(story: Story) -> None:
    assert story.seen["prometheus is back"] == 1


def test_b9_a_model_that_nobody_asks_for_has_no_server(story: Story) -> None:
    assert story.seen["nobody asks"] == 0


def test_b9_a_request_that_its_fallback_answers_wakes_the_model(story: Story) -> None:
    """The first request of all, from which `increase` alone would know nothing."""
    assert story.seen["asked for"] == 1


def test_other_hours_and_another_autoscaler_change_no_server(story: Story) -> None:
    """Not even one whose number is zero at the moment, or pods of the gateway that load brought."""
    assert story.changed is not None
    out = story.changed.stdout
    assert story.changed.returncode == 0, out + story.changed.stderr
    done = re.findall(r"^ \S+ +(\S+) .* (?:created|updated|replaced|deleted)\b", out, re.MULTILINE)
    assert set(done) == {
        "kubernetes:keda.sh/v1alpha1:ScaledObject",
        "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
    }, out
    assert story.seen["other hours, nobody asks"] == 0
    assert story.seen["by its CPU"] == 4


def test_c5_a_second_server_is_warm_in_business_hours_only(story: Story) -> None:
    """Row C5: hours of a minute, by KEDA's own clock."""
    assert [number for _, number in story.hours] == [1, 2, 1]
    came, went = (moment for moment, _ in story.hours[1:])
    end = story.begin + MINUTE
    assert story.begin <= came < end <= went


def test_b10_the_api_server_takes_every_autoscaler_and_every_recommendation(story: Story) -> None:
    """Rows B9 and B10: KEDA's, Kubernetes' and VPA's own schemas."""
    kinds = "scaledobjects,horizontalpodautoscalers,verticalpodautoscalers"
    found = story.kubectl.get(kinds, "-nakko")["items"]
    names = sorted((each["kind"], each["metadata"]["name"]) for each in found)
    assert names == [
        ("HorizontalPodAutoscaler", GATEWAY),
        ("HorizontalPodAutoscaler", f"keda-hpa-{REVIEWER}"),
        ("HorizontalPodAutoscaler", f"keda-hpa-{CODER}"),
        ("ScaledObject", REVIEWER),
        ("ScaledObject", CODER),
        ("VerticalPodAutoscaler", GATEWAY),
        ("VerticalPodAutoscaler", CODER),
    ]
    modes = [each["spec"]["updatePolicy"] for each in found if each["kind"].startswith("Vert")]
    assert modes == [{"updateMode": "Off"}] * 2
