"""One rendered container as a local process: its words, its variables, its signals, its end."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.serving.sandbox import Mount, Network, command, path_of
from tests.serving.volumes import Cluster

_BEGIN_SECONDS = 20
"""Until the runtime has made the file system and started the program: 0.2 s on an idle machine."""
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


class ContainerError(AssertionError):
    """A container did not do what its pod needs; the text has the end of its log."""


@dataclass(frozen=True)
class Container:
    """A container that was started.

    Attributes:
        name: Its name.
        runtime: Ends when the container's first process does, with its exit code.
        log: What it wrote.
    """

    name: str
    runtime: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        """Everything that it wrote."""
        return self.log.read_text("utf-8", errors="replace")

    def error(self, problem: str) -> ContainerError:
        """A problem with the last lines of the log."""
        last = "\n".join(self.text().splitlines()[-30:])
        return ContainerError(f"container {self.name} {problem}; its last lines:\n{last}")

    @property
    def running(self) -> bool:
        """Whether its first process has not ended."""
        return self.runtime.poll() is None

    def processes(self) -> list[psutil.Process]:
        """Its processes, the first one first, with their ids out here."""
        try:
            return psutil.Process(self.runtime.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the first process alone, as the kubelet does."""
        deadline = time.monotonic() + _BEGIN_SECONDS
        while self.running and time.monotonic() < deadline:
            if found := self.processes():
                found[0].send_signal(number)
                return
            time.sleep(0.05)  # the runtime has not started it yet

    def exit_code(self, within_seconds: float) -> int | None:
        """Wait for its end.

        Args:
            within_seconds: How long at most.

        Returns:
            None where it still runs; 1 also where it was killed.
        """
        try:
            return self.runtime.wait(within_seconds)
        except subprocess.TimeoutExpired:
            return None

    def remove(self) -> None:
        """End whatever is left of it: the kernel ends all of a container with its first process."""
        self.runtime.kill()
        self.runtime.wait()


def start(
    spec: Mapping[str, Any],
    container: Mapping[str, Any],
    *,
    cluster: Cluster,
    mounts: Sequence[Mount],
    network: Network,
    folder: Path,
) -> Container:
    """Start a container.

    Args:
        spec: Its rendered pod.
        container: It itself.
        cluster: What the pod refers to.
        mounts: Its volumes.
        network: Its pod's network.
        folder: Where its log and the place for its file system go.
    """
    image = cluster.image(container["image"])
    root = folder / container["name"]
    root.mkdir()
    log = root.with_suffix(".log")
    variables = {"PATH": path_of(image), **image.environment, **_environment(container, cluster)}
    program = container.get("command") or image.entrypoint
    identity = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
    user = (identity.get("runAsUser", os.geteuid()), identity.get("runAsGroup", os.getegid()))
    with log.open("wb") as output:
        runtime = subprocess.Popen(
            command(
                [_expanded(word, variables) for word in (*program, *container.get("args", ()))],
                image=image,
                mounts=mounts,
                network=network,
                root=root,
                user=user,
                read_only=identity.get("readOnlyRootFilesystem", False),
                folder=container.get("workingDir", "/"),
            ),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is not for the container
        )
    return Container(container["name"], runtime, log)


def _environment(container: Mapping[str, Any], cluster: Cluster) -> dict[str, str]:
    """Its variables in order: each may refer to those before it."""
    variables: dict[str, str] = {}
    for variable in container.get("env", ()):
        if "valueFrom" in variable:
            key = variable["valueFrom"]["secretKeyRef"]
            variables[variable["name"]] = cluster.secrets[key["name"]][key["key"]]
        else:
            variables[variable["name"]] = _expanded(variable.get("value", ""), variables)
    return variables


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value, `$$(NAME)` its own text; what is unknown stays."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else variables.get(found[2], found[0])

    return _REFERENCE.sub(value, text)
