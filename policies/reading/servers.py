"""The vLLM servers of a resource with everything that is judged about them, read once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

from components.core.engine_args import Effective, Reading, effective, max_model_len
from components.core.launch import UNKNOWN, Launch, Word
from policies.reading.engines import Opaque, vllm_server
from policies.reading.objects import Container, Object, Pod, Resource
from policies.reading.tree import Node

_MOST = 10**6
"""More processes than any server has."""
_ENDING = frozenset({"Job", "CronJob"})


@dataclass(frozen=True, eq=False)
class Server:
    """A container that is, or may be, vLLM's server.

    Attributes:
        container: The container.
        pod: Its pod.
        owner: The object that the pod belongs to.
        launch: What it starts, with the words after `vllm serve`.
        whole: False for a patch and for a container of a custom resource outside a pod's lists:
            there, what is absent may be set by somebody else.
    """

    container: Container
    pod: Pod
    owner: Object
    launch: Launch | Opaque
    whole: bool

    @cached_property
    def full_line(self) -> Effective:
        """What it runs with, every value UNKNOWN where nobody can say what it starts."""
        words = (UNKNOWN,) if isinstance(self.launch, Opaque) else self.launch.words
        return effective(words, self.environment)

    @property
    def line(self) -> Effective | None:
        """What it runs with; None where ml-01 refuses it because that cannot be read."""
        line = self.full_line
        hidden = max_model_len(line) is Reading.UNKNOWN
        refused = line.settings["headless"] is Reading.UNPARSEABLE  # a switch: the line as a whole
        return None if hidden or refused else line

    @property
    def environment(self) -> Mapping[str, Word]:
        """Variables that it sees, wrappers included."""
        if isinstance(self.launch, Opaque):
            return MappingProxyType({})
        return self.launch.environment

    @property
    def headless(self) -> bool:
        """Whether it only works for a server in another pod."""
        return self.line is not None and self.line.settings["headless"] is True

    @property
    def ends(self) -> bool:
        """Whether it belongs to a Job, so that nobody routes to it."""
        return self.owner.kind in _ENDING

    @property
    def on_cpu(self) -> bool:
        """Whether it is the engine's build for CPUs."""
        return "cpu" in self.container.repository or "VLLM_CPU_KVCACHE_SPACE" in self.environment

    @property
    def line_node(self) -> Node:
        """Where its command line stands."""
        args = self.container.node.at("args")
        return self.container.node if args.absent else args

    def variable(self, name: str) -> Node:
        """The entry of `env` that decides a variable, or else what may set it."""
        entries = [entry for key, entry in self.container.variables if key == name]
        if entries:
            return entries[-1]
        env = self.container.node.at("env")
        return self.line_node if env.absent or name in self.environment else env

    def setting(self, name: str) -> object:
        """A setting by the engine's own name."""
        return self.full_line.settings[name]

    def count(self, name: str) -> int | Reading:
        """A setting that is a whole number of at least 1."""
        value = self.setting(name)
        if isinstance(value, Reading):
            return value
        if isinstance(value, int) and 0 < value <= _MOST:
            return value
        return Reading.UNPARSEABLE


@lru_cache(maxsize=1)
def servers(resource: Resource) -> tuple[Server, ...]:
    """All servers of a resource, those that cannot be read included."""
    return tuple(_servers(resource))


def readable(resource: Resource) -> Iterator[Server]:
    """Those that serve for as long as their pod, without the ones that ml-01 refuses as hidden."""
    return (one for one in servers(resource) if one.container.serves and one.line)


def _servers(resource: Resource) -> Iterator[Server]:
    for pod in resource.pods:
        for container in pod.containers:
            started = vllm_server(container, pod)
            if started is not None:
                whole = not resource.patch and container.node is not pod.node
                yield Server(container, pod, _owner(pod.node, resource.objects), started, whole)


def _owner(pod: Node, objects: Sequence[Object]) -> Object:
    within = (one for one in objects if pod.steps[: len(one.node.steps)] == one.node.steps)
    return next(within, objects[0])
