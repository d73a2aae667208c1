"""The probes of a rendered container, asked as the kubelet asks them."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

Kind = Literal["startup", "readiness", "liveness"]
_KEYS: Mapping[Kind, str] = {
    "startup": "startupProbe",
    "readiness": "readinessProbe",
    "liveness": "livenessProbe",
}


@dataclass(frozen=True)
class Probe:
    """One probe.

    Attributes:
        kind: What it decides.
        port: The container's port.
        path: What is asked for.
        delay_seconds: Before the first time.
        period_seconds: From one time to the next.
        timeout_seconds: How long an answer may take.
        failures: Bad answers in a row that make a verdict.
    """

    kind: Kind
    port: int
    path: str
    delay_seconds: int
    period_seconds: int
    timeout_seconds: int
    failures: int

    @property
    def budget_seconds(self) -> int:
        """From the first time until the verdict at the latest, where no answer is good."""
        return self.delay_seconds + self.failures * self.period_seconds + self.timeout_seconds


@dataclass(frozen=True)
class Verdict:
    """A probe's opinion, where it was another one before.

    Attributes:
        kind: Of which probe.
        good: Started, ready, or alive.
        at: When, by `time.monotonic`.
    """

    kind: Kind
    good: bool
    at: float


def probes_of(container: Mapping[str, Any]) -> dict[Kind, Probe]:
    """The probes of a rendered container, with the API server's defaults.

    Args:
        container: The container.

    Raises:
        ValueError: A probe is no HTTP request.
    """
    return {
        kind: _probe(kind, container[key], container)
        for kind, key in _KEYS.items()
        if key in container
    }


def _probe(kind: Kind, rendered: Mapping[str, Any], container: Mapping[str, Any]) -> Probe:
    if "httpGet" not in rendered:
        raise ValueError(f"the {kind} probe of {container['name']} is no HTTP request: {rendered}")
    asked = rendered["httpGet"]
    named = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    return Probe(
        kind,
        port=named.get(asked["port"], asked["port"]),
        path=asked.get("path", "/"),
        delay_seconds=rendered.get("initialDelaySeconds", 0),
        period_seconds=rendered.get("periodSeconds", 10),
        timeout_seconds=rendered.get("timeoutSeconds", 1),
        failures=rendered.get("failureThreshold", 3),
    )


@dataclass
class Prober:
    """Asks a container's probes, startup before the others, until it is stopped.

    Attributes:
        probes: What is asked.
        ports: Loopback port out here by the container's port.
        verdicts: What was found, in order. Nobody acts on it: a test reads it.
        draining: While this is set liveness is not asked, as the kubelet does.
    """

    probes: Mapping[Kind, Probe]
    ports: Mapping[int, int]
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    draining: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def start(self) -> None:
        """Begin, in the background."""
        self._begin(self._start_up)

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def verdict(self, kind: Kind, *, after: float = 0) -> Verdict | None:
        """The last verdict of a probe.

        Args:
            kind: Which probe.
            after: Only one after this time, by `time.monotonic`.
        """
        found = [v for v in tuple(self.verdicts) if v.kind == kind and v.at > after]
        return found[-1] if found else None

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _start_up(self) -> None:
        if "startup" in self.probes:
            probe = self.probes["startup"]
            bad = 0
            self._stopped.wait(probe.delay_seconds)
            while not self._good(probe):
                bad += 1
                if bad >= probe.failures or self._stopped.wait(probe.period_seconds):
                    self.verdicts.append(Verdict("startup", good=False, at=time.monotonic()))
                    return
        self.verdicts.append(Verdict("startup", good=True, at=time.monotonic()))
        for kind in ("readiness", "liveness"):
            if kind in self.probes:
                self._begin(lambda probe=self.probes[kind]: self._go_on(probe))

    def _go_on(self, probe: Probe) -> None:
        """A probe without an opinion yet: unready, or alive."""
        good, bad = probe.kind == "liveness", 0
        while not self._stopped.is_set():
            if not (probe.kind == "liveness" and self.draining.is_set()):
                bad = 0 if self._good(probe) else bad + 1
                now = good if 0 < bad < probe.failures else not bad
                if now != good:
                    self.verdicts.append(Verdict(probe.kind, good=now, at=time.monotonic()))
                good = now
            self._stopped.wait(probe.period_seconds)

    def _good(self, probe: Probe) -> bool:
        url = f"http://127.0.0.1:{self.ports[probe.port]}{probe.path}"
        try:
            answer = httpx.get(url, timeout=probe.timeout_seconds, trust_env=False, verify=False)
        except httpx.TransportError:
            return False
        return 200 <= answer.status_code < 400
