"""`make up` killed at random moments, again and again: the next one ends what was begun.

Each time the document asks for something else, so that objects are being made, changed, replaced
and deleted when the end comes.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cluster.conftest import Kubectl
from tests.cluster.stacks import (
    CHECKOUT,
    Deployed,
    deploy,
    project_copy,
    run_stacks,
    stacks_command,
)
from tools.control_plane.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

KILLS = 20
SEED = int(os.environ.get("KILLS_SEED", random.SystemRandom().randrange(10**6)))
"""Another one with every run; KILLS_SEED repeats the moments of an earlier one."""
CHANGING_SECONDS = 5.0
"""The objects of a change are made within about so long; the rest is waiting for pods."""
LONGEST = 240.0
"""No preview takes longer, on a machine however busy."""
MADE_BY_KUBERNETES = {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}
NEVER_OURS = {"Event", "Endpoints", "Lease", "PodMetrics"}

Object = dict[str, Any]


@pytest.fixture(scope="module")
def production(
    tmp_path_factory: pytest.TempPathFactory, binaries: Mapping[str, Path]
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("kills")
    run_folder = folder / "run"
    try:
        yield deploy("production", run_folder, binaries["kubectl"], project_copy(folder))
    finally:
        run_stacks("down", run_folder=run_folder)


def ask_for(deployed: Deployed, number: int) -> None:
    """Another document each time: a further model comes and goes, the gateway's part changes."""

    def edit(document: Object) -> None:
        models, gateway = document["models"], document["gateway"]
        models["akko-coder"]["max_num_seqs"] = 32 + number
        gateway["model_aliases"][f"akko-chat-{number}"] = "akko-coder"
        gateway["teams"]["akko"]["requests_per_minute"] = 600 + number
        gateway["replicas"] = 2 + number % 2
        if number % 3 != 0:
            models[f"akko-reviewer-{number % 3}"] = {
                **models["akko-coder"],
                "source": "Qwen/Qwen3-8B",
                "revision": "b968826d9c46dd6066d109eabc6255188de91218",
                "service_name": f"akko-reviewer-{number % 3}",
            }

    deployed.change(edit)


def kill_after(
    deployed: Deployed, seconds: float, *, plugins_too: bool, at_work: bool = False
) -> int | None:
    """Deploy and kill the command and its engine after so long; returns how it ended, if it did.

    With `at_work` the time counts from the engine's first note of a change that it has begun.

    Plugins have process groups of their own: the signal that a terminal or a CI job sends to the
    command's group does not reach them, and one that is left alone still ends what it was at.
    """
    since = state(deployed).get("pending_operations", [])
    command = stacks_command(*deployed.arguments, run_folder=deployed.run_folder)
    with (
        told(deployed).open("w") as output,
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        if at_work:
            # An earlier note may be there still: what counts is one that is made from now on.
            def is_at_work() -> bool:
                return process.poll() is not None or begun_changes(deployed, since) != []

            wait_until(is_at_work, LONGEST)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=seconds)
        others = engines(deployed) if plugins_too else []
        os.killpg(process.pid, signal.SIGKILL)
        for other in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                other.kill()
    return None


def told(deployed: Deployed) -> Path:
    """What the last command that was to be killed has said."""
    return deployed.run_folder / "told.txt"


def begun_changes(deployed: Deployed, but: Sequence[Object] = ()) -> list[str]:
    """What the engine has begun and not ended, by its own notes."""
    return [
        f"{entry['type']} {entry['resource']['urn'].rpartition('::')[2]}"
        for entry in state(deployed).get("pending_operations", [])
        if entry not in but
    ]


def engines(deployed: Deployed) -> list[psutil.Process]:
    """Live processes of the engine and its plugins that work for this stack."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("INFERENCE_STACKS") == str(deployed.home):
                found.append(process)
    return found


def objects_there(kubectl: Kubectl) -> set[str]:
    """Every object of the namespace that nothing in the cluster made, and the cluster-wide ones."""
    kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "-oname").split()
    found = {"Namespace/akko"}
    for item in kubectl.get(",".join(kinds), "-nakko")["items"]:
        name = f"{item['kind']}/{item['metadata']['name']}"
        if "ownerReferences" not in item["metadata"] and item["kind"] not in NEVER_OURS:
            found.add(name)
    for kind in ("nodepools", "priorityclasses"):
        ours = kubectl.get(kind, "-lapp.kubernetes.io/part-of=inference-platform")["items"]
        found |= {f"{item['kind']}/{item['metadata']['name']}" for item in ours}
    return found - MADE_BY_KUBERNETES


def state(deployed: Deployed) -> Object:
    file = deployed.home / "state" / ".pulumi" / "stacks" / "inference" / "production.json"
    return json.loads(file.read_text())["checkpoint"]["latest"]


def objects_known(latest: Object) -> set[str]:
    """Kind and name of every object in the engine's state, those to be deleted included."""
    return {
        f"{entry['type'].rpartition(':')[2]}/{entry['id'].rpartition('/')[2]}"
        for entry in latest["resources"]
        if entry["type"].startswith("kubernetes:")
    }


def test_twenty_kills_at_random_moments_leave_nothing_behind(
    production: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 anywhere between a command's start and its usual end, twenty times in a row.

    Most of that time is the preview's, so every other kill waits until objects are being changed.
    """
    moments = random.Random(SEED)
    usual = _usual_seconds(production)
    lines: list[str] = []
    hits = 0
    for number in range(1, KILLS + 1):
        ask_for(production, number)
        at_work = number % 2 == 0
        seconds = moments.uniform(0, CHANGING_SECONDS if at_work else usual)
        plugins_too = moments.random() < 1 / 2
        ended = kill_after(production, seconds, plugins_too=plugins_too, at_work=at_work)
        assert ended in (None, 0), f"seed {SEED}, kill {number}:\n{told(production).read_text()}"
        interrupted = begun_changes(production)
        hits += bool(interrupted)
        when = f"{number:2} after {seconds:4.1f} s{' of work' if at_work else ''}"
        lines.append(f"{when}: {', '.join(interrupted) or '-'}")
    last = production.up()
    with capsys.disabled():
        print(
            f"\nseed {SEED}, a deployment takes {usual:.1f} s; interrupted were", *lines, sep="\n"
        )
    assert hits >= KILLS // 4, f"seed {SEED}: too few kills met the engine at work"
    assert last.returncode == 0, f"seed {SEED}\n{last.stdout}{last.stderr}"
    assert "pending operations" not in last.stdout
    _check_nothing_is_left(production)


def _usual_seconds(deployed: Deployed) -> float:
    """Seconds of a deployment that follows a killed one, as all but the first do here."""
    ask_for(deployed, 1)
    kill_after(deployed, 3, plugins_too=True)
    begun = time.monotonic()
    assert deployed.up().returncode == 0
    return time.monotonic() - begun


def _check_nothing_is_left(deployed: Deployed) -> None:
    latest = state(deployed)
    assert objects_known(latest) == objects_there(deployed.kubectl), f"seed {SEED}"
    assert not latest.get("pending_operations")
    assert [entry["urn"] for entry in latest["resources"] if entry.get("delete")] == []
    assert [p for p in (deployed.home / "state/.pulumi/locks").rglob("*") if p.is_file()] == []
    assert engines(deployed) == []
    second = deployed.up()
    assert second.returncode == 0, second.stdout + second.stderr
    for change in (" created", " updated", " replaced", " deleted"):
        assert f"{change}\n" not in second.stdout, f"seed {SEED}\n{second.stdout}"
