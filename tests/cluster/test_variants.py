"""Every way to run a model, from the stack files of `examples/`: up, rolled, and up again.

All examples of production are one document, so that one control plane and one change show them all;
replicas are raised where only several show an order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.cluster.examples import Document, example, lock_again, together, write_stack
from tests.cluster.objects import Object, pods, ready
from tests.cluster.rollouts import Phase, PodEvent, Rollout, in_order, watched_pods
from tests.cluster.stacks import Deployed, deploy, project_copy, run_stacks
from tools.control_plane.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

PODS = {
    "akko-akko-large": 4,  # two groups of two nodes
    "akko-akko-thinker": 2,
    "akko-akko-embedder": 1,
    "akko-akko-reranker": 1,
    "akko-akko-reader": 1,
    "akko-akko-large-5": 3,
    "akko-akko-chat": 2,
}
"""Servers and their pods; akko-large-5 is the second akko-large, of `llama-70b-tp4.yaml`."""
OTHER_REVISION = "1" * 40
INSTANCE, ROLE = "app.kubernetes.io/instance", "app.kubernetes.io/component"
SETTLE_SECONDS = 60


@dataclass(frozen=True)
class Variants:
    """The deployed examples and what their change did.

    Attributes:
        deployed: The stack.
        first: Objects after the first deployment: pods and Jobs of vLLM.
        changed: How the change went.
        rollout: Every pod of vLLM during it.
        second: How the same document went once more.
    """

    deployed: Deployed
    first: Sequence[Object]
    changed: CompletedProcess[str]
    rollout: Rollout
    second: CompletedProcess[str]


def document() -> Document:
    found = together("two-nodes", "adapter", "embeddings", "llama-70b-tp4", "two-l40s-awq")
    models, pools = found["models"], found["node_pools"]
    models["akko-large"]["replicas"] = models["akko-thinker"]["replicas"] = 2
    pools["two-nodes-l4-fours"]["max_gpus"] = 16
    return found


def changed() -> Document:
    """A revision of the model with disks of its own, and the requests at once of four others."""
    found = document()
    models = found["models"]
    models["akko-thinker"]["revision"] = OTHER_REVISION
    for alias in ("akko-large", "akko-reranker", "akko-large-5", "akko-chat"):
        models[alias]["max_num_seqs"] = 5
    return found


@pytest.fixture(scope="module")
def variants(
    tmp_path_factory: pytest.TempPathFactory, binaries: Mapping[str, Path]
) -> Iterator[Variants]:
    folder = tmp_path_factory.mktemp("variants")
    run_folder, project = folder / "run", project_copy(folder)
    thinker = document()["models"]["akko-thinker"]
    lock_again(project, thinker["source"], thinker["revision"], OTHER_REVISION)
    write_stack(project, "variants", document())
    try:
        deployed = deploy("variants", run_folder, binaries["kubectl"], project)
        first = deployed.kubectl.get("pods,jobs", "-nakko", "-lapp.kubernetes.io/name=vllm")
        write_stack(project, "variants", changed())
        with watched_pods(deployed.kubectl, "akko", "app.kubernetes.io/name=vllm") as rollout:
            done = deployed.up()
            settle(rollout)
        yield Variants(deployed, first["items"], done, rollout, deployed.up())
    finally:
        run_stacks("down", run_folder=run_folder)


def settle(rollout: Rollout) -> None:
    """The engine has waited for the new servers; the last old ones may still be on their way."""

    def is_settled() -> bool:
        gone = set(rollout.pods(Phase.GONE, old=True))
        return set(rollout.pods(Phase.ENDING, old=True)) <= gone

    assert wait_until(is_settled, SETTLE_SECONDS), rollout.told()


def of_server(variants: Variants, service: str, role: str) -> list[PodEvent]:
    """What happened to the pods of a server, or of its Jobs."""
    part = {"preload": "-preload-", "collect": "-collect-"}
    return [
        event
        for event in variants.rollout.events
        if event.pod.startswith(f"{service}-")
        and next((r for r, text in part.items() if text in event.pod), "engine") == role
        and not (service == "akko-akko-large" and event.pod.startswith("akko-akko-large-5-"))
    ]


def words(events: Sequence[PodEvent]) -> list[str]:
    return [f"{'old' if event.old else 'new'} {event.phase}" for event in events]


def objects(found: Sequence[Object], kind: str, service: str, role: str) -> list[Object]:
    wanted = {INSTANCE: service, ROLE: role}.items()
    return [o for o in found if o["kind"] == kind and wanted <= o["metadata"]["labels"].items()]


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def ready_since(pod: Object) -> datetime:
    (condition,) = [c for c in pod["status"]["conditions"] if c["type"] == "Ready"]
    return at(condition["lastTransitionTime"])


@pytest.mark.parametrize("service", PODS)
def test_every_example_is_ready_after_the_first_deployment(
    variants: Variants, service: str
) -> None:
    found = objects(variants.first, "Pod", service, "engine")
    assert [ready(pod) for pod in found] == [True] * PODS[service]
    traffic = "batch" if service == "akko-akko-embedder" else "interactive"
    assert {pod["spec"]["priorityClassName"] for pod in found} == {f"akko-{traffic}"}
    assert {pod["spec"]["priority"] for pod in found} == {
        {"batch": 1_000, "interactive": 100_000}[traffic]
    }


# The batch server may have given way to others meanwhile, and its pod be a later one.
@pytest.mark.parametrize("service", sorted(PODS.keys() - {"akko-akko-embedder"}))
def test_weights_come_before_the_server_and_old_ones_go_after_it(
    variants: Variants, service: str
) -> None:
    """Row B4: the API server's own times, which are whole seconds."""
    servers = objects(variants.first, "Pod", service, "engine")
    fetched = objects(variants.first, "Job", service, "preload")
    collected = objects(variants.first, "Job", service, "collect")
    assert service in variants.deployed.first.stdout  # the summary, for every kind of workload
    assert len(fetched) == len(collected) == (2 if service == "akko-akko-thinker" else 1)
    made = min(at(pod["metadata"]["creationTimestamp"]) for pod in servers)
    assert max(at(job["status"]["completionTime"]) for job in fetched) <= made
    serving = max(ready_since(pod) for pod in servers)
    assert serving <= min(at(job["metadata"]["creationTimestamp"]) for job in collected)


def test_disks_of_their_own_are_replaced_one_by_one_from_the_highest(variants: Variants) -> None:
    assert variants.changed.returncode == 0, variants.changed.stdout + variants.changed.stderr
    events = of_server(variants, "akko-akko-thinker", "engine")
    phases = ["old ending", "old gone", "new created", "new ready"]
    assert [e.pod[-1] for e in events] == [*"1111", *"0000"]
    assert words(events) == phases * 2


def test_another_revision_is_there_before_the_roll_out_begins(variants: Variants) -> None:
    """Row B4: one Job a disk, on the node of the pod that holds it, while that still serves."""
    events = variants.rollout.events
    fetched = [e for e in of_server(variants, "akko-akko-thinker", "preload") if not e.old]
    phases = [event.phase for event in fetched]
    assert (phases.count(Phase.CREATED), phases.count(Phase.DONE)) == (2, 2)
    servers = [events.index(e) for e in of_server(variants, "akko-akko-thinker", "engine")]
    assert max(events.index(e) for e in fetched) < min(servers)


def test_an_old_revision_goes_once_the_pod_that_read_it_is_gone(variants: Variants) -> None:
    """Each disk's Job runs when the disk's own pod reads the other revision, and not before."""
    seen = [e for e in variants.rollout.events if e.pod.startswith("akko-akko-thinker-")]
    renewed = collecting = 0
    for event in seen:
        if event.old:
            continue
        if "-collect-" in event.pod:
            collecting += event.phase is Phase.READY
        elif "-preload-" not in event.pod:
            renewed += event.phase is Phase.CREATED
        assert collecting <= renewed, words(seen)
    assert (renewed, collecting) == (2, 2)


def test_a_group_of_nodes_is_replaced_whole_and_alone(variants: Variants) -> None:
    """The pool is full, so a group ends first; the other one is left until the new one is ready."""
    events = of_server(variants, "akko-akko-large", "engine")
    touched = next(i for i, e in enumerate(events) if e.pod.startswith("akko-akko-large-0"))
    first = events[:touched]
    assert {e.pod for e in first} == {"akko-akko-large-1", "akko-akko-large-1-1"}
    made = {e.pod for e in first if e.phase is Phase.READY and not e.old}
    assert made == {"akko-akko-large-1", "akko-akko-large-1-1"}
    gone = {e.pod for e in events if e.phase is Phase.GONE and e.old}
    assert gone == {f"akko-akko-large-{pod}" for pod in ("0", "0-1", "1", "1-1")}


@pytest.mark.parametrize(("service", "replicas"), [("akko-akko-large-5", 3), ("akko-akko-chat", 2)])
def test_where_the_pool_is_full_all_but_one_replica_serve_at_any_time(
    variants: Variants, service: str, replicas: int
) -> None:
    events = of_server(variants, service, "engine")
    serving = replicas
    for event in events:
        serving += (event.phase is Phase.READY) - (event.phase is Phase.ENDING)
        assert replicas - 1 <= serving <= replicas, words(events)
    assert in_order(words(events), *["old ending", "new ready"] * replicas)
    assert serving == replicas


def test_where_a_gpu_is_spare_the_new_server_is_ready_first(variants: Variants) -> None:
    told = words(of_server(variants, "akko-akko-reranker", "engine"))
    assert told == ["new created", "new ready", "old ending", "old gone"]


def test_a_batch_server_gives_way_to_a_surge_in_its_pool_and_comes_back(
    variants: Variants,
) -> None:
    """The scheduler ends a batch pod at once and does not wait for a node by Karpenter."""
    told = words(of_server(variants, "akko-akko-embedder", "engine"))
    assert in_order(told, "old ending", "old gone")
    assert in_order(told, "new created", "new ready")
    surge = of_server(variants, "akko-akko-reranker", "engine")[0]
    events = variants.rollout.events
    assert events.index(surge) < min(
        events.index(event) for event in of_server(variants, "akko-akko-embedder", "engine")
    )


def test_a_server_that_did_not_change_is_left_alone(variants: Variants) -> None:
    assert of_server(variants, "akko-akko-reader", "engine") == []


def test_the_same_document_again_changes_nothing(variants: Variants) -> None:
    assert_nothing_changed(variants.second)


def assert_nothing_changed(done: CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    for change in (" created", " updated", " replaced", " deleted"):
        assert f"{change}\n" not in done.stdout, done.stdout


@pytest.fixture
def development(tmp_path: Path, binaries: Mapping[str, Path]) -> Iterator[Deployed]:
    project = project_copy(tmp_path)
    write_stack(project, "models", example("dev-three-models"))
    try:
        yield deploy("models", tmp_path / "run", binaries["kubectl"], project)
    finally:
        run_stacks("down", run_folder=tmp_path / "run")


def test_three_models_of_ollama_change_with_one_server(development: Deployed) -> None:
    """Its disk is one node's, so the old server ends first; models are pulled before that."""
    kubectl = development.kubectl
    assert [ready(pod) for pod in pods(kubectl, "ollama", "engine")] == [True]
    fewer = example("dev-three-models")
    del fewer["models"]["akko-small"]
    write_stack(development.project, "models", fewer)
    with watched_pods(kubectl, "akko", "app.kubernetes.io/name=ollama") as rollout:
        assert_deployed(development.up())
        settle(rollout)
    told = [(e.phase, "-preload-" in e.pod) for e in rollout.events if not e.old]
    assert told.index((Phase.DONE, True)) < told.index((Phase.CREATED, False))
    servers = words([e for e in rollout.events if "-preload-" not in e.pod])
    assert in_order(servers, "old ending", "new created", "new ready")
    assert sorted(servers) == sorted(["old ending", "old gone", "new created", "new ready"])
    assert_nothing_changed(development.up())


def assert_deployed(done: CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
