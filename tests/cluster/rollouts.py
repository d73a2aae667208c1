"""What pods do while something is rolled out, in the order in which the API server tells it."""

import json
import subprocess
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from tests.cluster.conftest import Kubectl
from tests.cluster.objects import Object, ready
from tools.control_plane.waiting import wait_until

_SEEN_SECONDS = 20


class Phase(StrEnum):
    """What can happen to a pod, each once."""

    CREATED = "created"
    READY = "ready"
    DONE = "done"  # every container has ended well, as those of a Job do
    ENDING = "ending"  # told to end; it may still finish its streams
    GONE = "gone"


_LIVING = frozenset({Phase.CREATED, Phase.READY, Phase.DONE})


@dataclass(frozen=True)
class PodEvent:
    """One thing that happened to one pod.

    Attributes:
        phase: What.
        pod: Its name; a pod of a StatefulSet comes back under the same one.
        old: Whether it was there before the roll-out began.
    """

    phase: Phase
    pod: str
    old: bool


@dataclass
class Rollout:
    """Events of the pods of one selector, growing while the watch lasts.

    Attributes:
        old: Uids of the pods that were there before.
        events: What has happened since, in order.
    """

    old: frozenset[str]
    events: list[PodEvent] = field(default_factory=list[PodEvent])
    _phases: dict[str, set[Phase]] = field(default_factory=dict[str, set[Phase]])

    def take(self, kind: str, pod: Object) -> None:
        """One word of the watch: what is new in it becomes an event."""
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        known = self._phases.setdefault(uid, set())
        now = [Phase.CREATED]
        deletion = kind == "DELETED" or "deletionTimestamp" in pod["metadata"]
        if not deletion and pod["status"].get("conditions") and ready(pod):
            now.append(Phase.READY)
        if pod["status"].get("phase") == "Succeeded":
            now.append(Phase.DONE)
        if deletion:
            now.append(Phase.ENDING)
        if kind == "DELETED":
            now.append(Phase.GONE)
        for phase in now:
            # What the first word says of an old pod was so before anybody watched, but for its end.
            before = uid in self.old and not known and phase in _LIVING
            if phase not in known and not before:
                self.events.append(PodEvent(phase, name, uid in self.old))
        known.update(now)

    def has_seen_all_old(self) -> bool:
        """Whether the watch has begun."""
        return self.old <= self._phases.keys()

    def settle(self, seconds: float) -> None:
        """Wait until every old pod is gone and every newer one that still lives is ready."""

        def is_settled() -> bool:
            phases = {uid: set(seen) for uid, seen in list(self._phases.items())}
            return all(
                Phase.GONE in seen or (uid not in self.old and Phase.READY in seen)
                for uid, seen in phases.items()
            )

        assert wait_until(is_settled, seconds), self.told()

    def told(self) -> list[str]:
        """The events as words, such as `old ending`; pods of one age are not told apart."""
        return [f"{'old' if event.old else 'new'} {event.phase}" for event in self.events]

    def pods(self, phase: Phase, *, old: bool) -> list[str]:
        """Names of the pods that this happened to, in order."""
        return [e.pod for e in self.events if e.phase is phase and e.old is old]


@contextmanager
def watched_pods(kubectl: Kubectl, namespace: str, selector: str) -> Generator[Rollout]:
    """Watch the pods of a selector, by kubectl's own watch, until the block ends."""
    chosen = ("pods", f"-n{namespace}", f"-l{selector}")
    items = kubectl.get(*chosen)["items"]
    rollout = Rollout(frozenset(item["metadata"]["uid"] for item in items))
    watch = ("--watch", "--output-watch-events", "-ojson")
    with subprocess.Popen(
        [str(kubectl.binary), f"--kubeconfig={kubectl.kubeconfig}", "get", *chosen, *watch],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, rollout), daemon=True)
        reader.start()
        try:
            assert wait_until(rollout.has_seen_all_old, _SEEN_SECONDS), "kubectl tells nothing"
            yield rollout
        finally:
            process.terminate()
            reader.join()


def _read(lines: Iterable[str], rollout: Rollout) -> None:
    for line in lines:
        event = json.loads(line)
        rollout.take(event["type"], event["object"])


def in_order(told: Sequence[str], *expected: str) -> bool:
    """Whether these happen one after the other, whatever else happens between them."""
    rest = iter(told)
    return all(any(word == wanted for word in rest) for wanted in expected)
