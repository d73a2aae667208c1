"""What the policies look at: a resource, the Kubernetes objects and the pods inside it.

Pods are found by structure, any object with a list of containers, never by a list of kinds: some
forty typed resources, their patches and lists, and every operator's custom resource carry one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from components.core.conventions import DOCUMENT_KEY
from components.core.launch import UNKNOWN, Launch, Word, environment_of, launch
from policies.reading.tree import ABSENT, Node

Role = Literal["main", "sidecar", "init", "ephemeral"]

_CONTAINER_LISTS: tuple[tuple[str, Role], ...] = (
    ("containers", "main"),
    ("initContainers", "init"),
    ("ephemeralContainers", "ephemeral"),
)
_LISTS = frozenset(key for key, _ in _CONTAINER_LISTS)
_CONTAINER_PARTS = ("command", "args", "env")
_CHARTS = frozenset({"Release", "Chart"})
"""Kinds whose values are a chart's business, whatever they look like."""
_TEMPLATES = frozenset({"template", "podTemplate", "jobTemplate"})
_WORKLOADS = frozenset(
    {"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"}
    | {"Job", "CronJob", "PodTemplate"}
)
"""Kinds whose specification holds a pod for certain, where even an unknown one is a pod."""
_DOCUMENT_KEY_FORM = re.compile(r"inference:platform[\w.\-]*")
_DNS_LABEL = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True)
class Container:
    """One container of a pod; `node` is its object in the manifest."""

    node: Node
    role: Role

    @property
    def serves(self) -> bool:
        """Whether it runs as long as the pod: a main container or a sidecar."""
        return self.role in {"main", "sidecar"}

    @property
    def title(self) -> str:
        """`container "vllm"`, without the name where it could be anything but one."""
        name = self.node.at("name").text or ""
        return f'container "{name}"' if _DNS_LABEL.fullmatch(name) else "a container"

    @property
    def repository(self) -> str:
        """The image without tag and digest, lower case; empty when there is none."""
        image = (self.node.at("image").text or "").partition("@")[0].lower()
        head, slash, last = image.rpartition("/")
        return head + slash + last.partition(":")[0]

    @cached_property
    def variables(self) -> tuple[tuple[str, Node], ...]:
        """Names and entries of `env`, in order, duplicates included."""
        return tuple(
            (name, entry)
            for entry in self.node.at("env").elements()
            if (name := entry.at("name").text) is not None
        )

    @property
    def variables_known(self) -> bool:
        """False when the list, an entry or a name in it is decided only while updating."""
        env = self.node.at("env")
        return not env.unknown and not any(entry.at("name").unknown for entry in env.elements())

    @property
    def _complete(self) -> bool:
        return self.variables_known and self.node.at("envFrom").absent

    @cached_property
    def environment(self) -> dict[str, Word]:
        """Values of `env` after expansion; UNKNOWN for those that come from elsewhere."""
        pairs = ((name, _literal(entry)) for name, entry in self.variables)
        return environment_of(pairs, complete=self._complete)

    def launched(self, *entrypoint: str) -> Launch:
        """What it runs; `entrypoint` is what the image starts when there is no command."""
        return launch(
            _words(self.node.at("command")),
            _words(self.node.at("args")),
            self.environment,
            entrypoint=entrypoint,
            complete=self._complete,
        )


@dataclass(frozen=True)
class Pod:
    """A pod specification; `labels` are those its pods get, as far as they are known."""

    node: Node
    labels: Mapping[str, str]
    containers: tuple[Container, ...]


@dataclass(frozen=True)
class Object:
    """One Kubernetes object: the resource itself, or an item of a list."""

    node: Node
    kind: str

    @property
    def hidden(self) -> bool:
        """Whether an item of a plain `List` may turn out to be of any kind."""
        return not self.kind and self.node.at("kind").unknown

    @property
    def name(self) -> str:
        """`metadata.name`, empty when it is generated or unknown."""
        return self.node.at("metadata", "name").text or ""

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`."""
        return texts(self.node.at("metadata", "labels"))


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource of the stack, as a policy gets it; the same only as itself.

    Attributes:
        name: Its name in the program.
        type: Its type token, for instance `kubernetes:apps/v1:Deployment`.
        root: Its properties.
        urn: Its name in the engine.
    """

    name: str
    type: str
    root: Node
    urn: str = ""

    @property
    def kind(self) -> str:
        """The kind without `Patch` and `List`, from the type token."""
        return self.type.rpartition(":")[2].removesuffix("Patch").removesuffix("List")

    @property
    def patch(self) -> bool:
        """Whether it changes an object that somebody else made."""
        return self.type.endswith("Patch")

    @cached_property
    def objects(self) -> tuple[Object, ...]:
        """The resource, or what a `*List` holds."""
        whole = self.root.at("items")
        if whole.unknown and self.type.endswith("List"):
            return (Object(whole, self.kind),)
        items = tuple(whole.elements())
        listed = tuple(Object(node, node.at("kind").text or self.kind) for node in items)
        return listed or (Object(self.root, self.kind),)

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod specification in it, however deep; an unknown one has an unknown container."""
        return tuple(
            Pod(node, self._labels_of(node), containers)
            for node in self.root.walk()
            if (containers := tuple(self._containers(node)))
        )

    @property
    def containers(self) -> Iterator[Container]:
        """All containers of all pods."""
        return (container for pod in self.pods for container in pod.containers)

    def document_key(self, node: Node) -> str | None:
        """The stack document's key that `node` was rendered from, if its workload names one."""
        for annotations in self._metadata(node, "annotations"):
            key = annotations.at(DOCUMENT_KEY).text
            if key and _DOCUMENT_KEY_FORM.fullmatch(key):
                return key
        return None

    def _containers(self, node: Node) -> Iterator[Container]:
        """Containers of a pod specification; none when the node is something else."""
        if isinstance(node.value, dict):
            for key, role in _CONTAINER_LISTS:
                yield from _listed(node.at(key), role)
            if self.kind not in _CHARTS and _is_lone_container(node):
                yield Container(node, "main")
        elif node.unknown and self._hides_pod(node):
            yield Container(node, "main")

    def _hides_pod(self, node: Node) -> bool:
        """Whether an unknown value stands where a workload has its pod."""
        around = (self.kind, *(step for step in node.steps if isinstance(step, str)))
        owner, last = ("", *around)[-2:]
        holds = _TEMPLATES | _WORKLOADS if last == "spec" else _WORKLOADS
        listed = last == "items" and not owner  # of a plain `List`
        return listed or last in _TEMPLATES or (last in {"spec", "items"} and owner in holds)

    def _labels_of(self, node: Node) -> Mapping[str, str]:
        return next((texts(labels) for labels in self._metadata(node, "labels")), dict[str, str]())

    def _metadata(self, node: Node, part: str) -> Iterator[Node]:
        """`metadata.<part>` of every object around a node, the nearest first."""
        for length in range(len(node.steps), -1, -1):
            found = self.root.at(*node.steps[:length]).at("metadata", part)
            if isinstance(found.value, dict):
                yield found


def texts(node: Node) -> dict[str, str]:
    """The scalar values of an object."""
    return {key: child.text for key, child in node.items() if child.text is not None}


def _is_lone_container(node: Node) -> bool:
    """Whether a custom resource has a container here, outside the lists that pods have."""
    image = node.at("image")
    listed = len(node.steps) > 1 and node.steps[-2] in _LISTS and isinstance(node.steps[-1], int)
    named = isinstance(image.value, str) or image.unknown
    return named and not listed and any(not node.at(part).absent for part in _CONTAINER_PARTS)


def _listed(listed: Node, role: Role) -> Iterator[Container]:
    if listed.unknown:  # stands for any container: every check on it meets UNKNOWN
        yield Container(listed, role)
    for node in listed.elements():
        restarts = node.at("restartPolicy")
        sidecar = role == "init" and (restarts.unknown or restarts.text == "Always")
        if isinstance(node.value, dict) or node.unknown:
            yield Container(node, "sidecar" if sidecar else role)


def _literal(entry: Node) -> Word:
    """The value of an `env` entry; UNKNOWN for a reference, whose target nobody sees here."""
    value = entry.at("value")
    if value.unknown or not entry.at("valueFrom").absent:
        return UNKNOWN
    return value.text or ""


def _words(node: Node) -> tuple[Word, ...]:
    """Words of `command` or `args`; a single UNKNOWN when the list itself is unknown."""
    if node.unknown:
        return (UNKNOWN,)
    return tuple(
        UNKNOWN if word.text is None and word.value is not ABSENT else word.text or ""
        for word in node.elements()
    )
