"""A rendered pod as local processes, run as the kubelet runs it.

Command, environment, files, user, probes and shutdown are those of the manifest; `sandbox` says
what they run in. Not there: limits of CPU and memory, seccomp, names of Services, and a restart:
what a probe finds is written down, and a test reads it.
"""

import contextlib
import signal
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving.containers import Container, start
from tests.serving.probes import Kind, Probe, Prober, Verdict, probes_of
from tests.serving.sandbox import Network, network
from tests.serving.volumes import Cluster, mounts, prepared

_INIT_SECONDS = 600
_DEFAULT_GRACE_SECONDS = 30
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class End:
    """How a container ended.

    Attributes:
        exit_code: 137 where it was killed.
        killed: Whether the grace was over before it had ended.
        seconds: From SIGTERM to its end.
    """

    exit_code: int
    killed: bool
    seconds: float


@dataclass(frozen=True)
class Pod:
    """A running pod.

    Attributes:
        spec: As rendered.
        initialised: Its init containers, which have ended well.
        containers: The others by name.
        probers: What asks their probes, by the container's name.
        network: Its network.
    """

    spec: Mapping[str, Any]
    initialised: Mapping[str, Container]
    containers: Mapping[str, Container]
    probers: Mapping[str, Prober]
    network: Network

    @property
    def grace_seconds(self) -> int:
        """From the wish to end it until SIGKILL, preStop hooks included."""
        return self.spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)

    @property
    def only(self) -> Container:
        """The container of a pod that has one."""
        (container,) = self.containers.values()
        return container

    def url(self, port: int) -> str:
        """Where a port of a container is reached from here, without a path.

        Args:
            port: A `containerPort`.
        """
        return f"http://127.0.0.1:{self.network.ports[port]}"

    def probe(self, kind: Kind) -> Probe:
        """A probe of the only container."""
        return self.probers[self.only.name].probes[kind]

    def verdict(self, kind: Kind, *, within_seconds: float, after: float = 0) -> Verdict:
        """Wait for a verdict on the only container.

        Args:
            kind: Of which probe.
            within_seconds: How long at most.
            after: One after this time alone, by `time.monotonic`.

        Raises:
            ContainerError: None came.
        """
        deadline = time.monotonic() + within_seconds
        prober = self.probers[self.only.name]
        while (found := prober.verdict(kind, after=after)) is None:
            if time.monotonic() > deadline:
                raise self.only.error(f"has no new verdict on {kind} after {within_seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return found

    def await_ready(self) -> None:
        """Wait until every container is ready, as long as its start-up probe allows.

        Raises:
            ContainerError: One ended, or did not get ready within that budget.
        """
        for name, prober in self.probers.items():
            container = self.containers[name]
            while not ((ready := prober.verdict("readiness")) and ready.good):
                started = prober.verdict("startup")
                if not container.running:
                    raise container.error(f"ended with {container.runtime.returncode}")
                if started is not None and not started.good:
                    raise container.error("did not start within the budget of its start-up probe")
                time.sleep(_POLL_SECONDS)

    def stop(self) -> dict[str, End]:
        """Delete it: hooks, SIGTERM, and SIGKILL where the grace is over.

        Returns:
            How each container ended, by name.
        """
        for prober in self.probers.values():
            prober.draining.set()
        deadline = time.monotonic() + self.grace_seconds
        rendered: list[Mapping[str, Any]] = self.spec["containers"]
        with ThreadPoolExecutor(len(rendered)) as pool:
            ends = pool.map(self._end, rendered, [deadline] * len(rendered))
            return {item["name"]: end for item, end in zip(rendered, ends, strict=True)}

    def _end(self, rendered: Mapping[str, Any], deadline: float) -> End:
        hook = rendered.get("lifecycle", {}).get("preStop")
        if hook is not None:
            time.sleep(min(hook["sleep"]["seconds"], max(0, deadline - time.monotonic())))
        container = self.containers[rendered["name"]]
        told_at = time.monotonic()
        container.send(signal.SIGTERM)
        code = container.exit_code(max(0, deadline - time.monotonic()))
        if code is not None:
            return End(code, killed=False, seconds=time.monotonic() - told_at)
        container.send(signal.SIGKILL)
        container.runtime.wait()
        return End(128 + signal.SIGKILL, killed=True, seconds=time.monotonic() - told_at)


@contextlib.contextmanager
def running_pod(
    spec: Mapping[str, Any], cluster: Cluster, folder: Path, net: Network | None = None
) -> Generator[Pod]:
    """Start a pod: its init containers one after the other, then the others; end it afterwards.

    Args:
        spec: The rendered pod, `template.spec` of what made it.
        cluster: What it refers to.
        folder: An empty folder for its volumes and logs.
        net: A network that it shares with other pods; None for one of its own.

    Raises:
        ContainerError: An init container failed.
    """
    volumes = prepared(spec, cluster, folder)
    with contextlib.ExitStack() as stack:
        net = net or stack.enter_context(network(_ports(spec["containers"])))

        def started(rendered: Mapping[str, Any]) -> Container:
            seen = mounts(rendered, volumes)
            container = start(
                spec, rendered, cluster=cluster, mounts=seen, network=net, folder=folder
            )
            stack.callback(container.remove)
            return container

        initialised: dict[str, Container] = {}
        for rendered in spec.get("initContainers", ()):
            container = initialised[rendered["name"]] = started(rendered)
            code = container.exit_code(_INIT_SECONDS)
            if code != 0:
                raise container.error(f"has to end before the others start, and gave {code}")
        containers = {rendered["name"]: started(rendered) for rendered in spec["containers"]}
        probers = {item["name"]: Prober(probes_of(item), net.ports) for item in spec["containers"]}
        for prober in probers.values():
            prober.start()
            stack.callback(prober.stop)
        yield Pod(spec, initialised, containers, probers, net)


def _ports(containers: Sequence[Mapping[str, Any]]) -> list[int]:
    return [port["containerPort"] for item in containers for port in item.get("ports", ())]
