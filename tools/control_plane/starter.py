"""Start one component after the other and wait for its health; replace what lives but is ill."""

import time
from collections.abc import Callable

import psutil

from tools.control_plane import processes
from tools.control_plane.api import Api
from tools.control_plane.components import Component
from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.layout import Layout
from tools.control_plane.ports import becomes_free
from tools.control_plane.waiting import wait_until

START_SECONDS = 60.0
"""A start takes 1 to 5 s; a machine busy with other work may need ten times that."""
STARTING_SECONDS = 30.0
"""Age below which a program found running may still be starting: its caller was killed."""
ILL_SECONDS = 5.0
"""How long an older one may stay silent until it is replaced."""
_PORT_TAKEN = "address already in use"


class PortTakenError(ControlPlaneError):
    """Another program took a free port between our choice and the component's start."""


class Starter:
    """The components of one `up`.

    Args:
        layout: The home.
        api: Asks the health endpoints.
        kept: Processes of an earlier start that are as wanted, by component.
        report: Called with one line for every step.
    """

    def __init__(
        self,
        layout: Layout,
        api: Api,
        kept: dict[str, psutil.Process],
        report: Callable[[str], None],
    ) -> None:
        self._layout = layout
        self._api = api
        self._kept = kept
        self._started: dict[str, psutil.Process | None] = {}
        self._report = report

    def start(self, component: Component) -> None:
        """Start it unless it runs."""
        if component.name not in self._kept:
            self._report(f"starting {component.name}")
            becomes_free(component.port)  # if not, the program says so itself
            self._started[component.name] = processes.start(component, self._layout)

    def wait(self, component: Component) -> None:
        """Wait for its health; one that ran before and does not answer is replaced.

        Raises:
            ControlPlaneError: It ended, or is not healthy after 60 s; with the end of its log.
        """
        kept = self._kept.get(component.name)
        if kept is not None:
            patience = max(ILL_SECONDS, STARTING_SECONDS - (time.time() - _created(kept)))
            if self._becomes_healthy(component, kept, min(patience, STARTING_SECONDS)):
                return
            self._report(f"{component.name} does not answer: starting it again")
            del self._kept[component.name]
            processes.stop_one(kept)
            self.start(component)
        process = self._started[component.name]
        if not self._becomes_healthy(component, process, START_SECONDS):
            raise self._failure(component, process)

    def _becomes_healthy(
        self, component: Component, process: psutil.Process | None, seconds: float
    ) -> bool:
        """False when it has ended or is not healthy in time."""

        def is_decided() -> bool:
            return not _is_alive(process) or self._api.is_healthy(component.health)

        return wait_until(is_decided, seconds) and _is_alive(process)

    def _failure(self, component: Component, process: psutil.Process | None) -> ControlPlaneError:
        tail = processes.log_tail(self._layout, component.name)
        if _PORT_TAKEN in tail:
            return PortTakenError(f"{component.name} found its port {component.port} taken.")
        what = (
            f"is not healthy after {START_SECONDS:g} s"
            if _is_alive(process)
            else "ended instead of starting"
        )
        return ControlPlaneError(
            f"{component.name} {what}. The next `up` tries again, `down` removes everything."
            f" The end of {self._layout.log(component.name)}:\n{tail}"
        )


def _is_alive(process: psutil.Process | None) -> bool:
    return process is not None and processes.is_alive(process)


def _created(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.Error:
        return 0.0
