"""The one access layer: every value of a resource is KNOWN, UNKNOWN or ABSENT.

Why not read the SDK's properties directly: its proxies raise on an unknown value, and the SDK then
turns a mandatory policy into advice; a slice of a list hands out the raw placeholder as if it were
a value; `isinstance(x, dict)` is false and `x == [...]` never true; every number is a float.
A policy therefore converts once, with `tree`, and reads `Node`s, which never raise.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast

from pulumi_policy import proxy

from components.core.launch import UNKNOWN, Unknown


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""Not there, null (the same to Kubernetes), or below a value of another shape."""

Scalar = str | int | float | bool
Plain = Scalar | Unknown | Absent | list["Plain"] | dict[str, "Plain"]

_SENTINELS = (
    proxy.UNKNOWN_BOOLEAN_VALUE,
    proxy.UNKNOWN_NUMBER_VALUE,
    proxy.UNKNOWN_STRING_VALUE,
    proxy.UNKNOWN_ARRAY_VALUE,
    proxy.UNKNOWN_ASSET_VALUE,
    proxy.UNKNOWN_ARCHIVE_VALUE,
    proxy.UNKNOWN_OBJECT_VALUE,
)
_SENTINEL = re.compile("|".join(map(re.escape, _SENTINELS)))
_SENTINEL_LENGTH = 36
_DEEPEST = 120
"""Levels; protobuf refuses messages nested deeper than 100, so no real resource gets there."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    Attributes:
        value: Plain Python value, UNKNOWN or ABSENT.
        steps: Keys and positions that lead to it from the resource's properties.
    """

    value: Plain
    steps: tuple[str | int, ...] = ()

    @property
    def path(self) -> str:
        """As in a manifest: `spec.template.spec.containers[0].image`."""
        text = ""
        for step in self.steps:
            if isinstance(step, int):
                text += f"[{step}]"
            elif _PLAIN_KEY.fullmatch(step):
                text += f".{step}" if text else step
            else:
                text += f'["{step}"]'
        return text or "the resource"

    @property
    def unknown(self) -> bool:
        """Whether the value is decided only while the update runs."""
        return self.value is UNKNOWN

    @property
    def absent(self) -> bool:
        """Whether there is no value."""
        return self.value is ABSENT

    def at(self, *steps: str | int) -> "Node":
        """What lies below: UNKNOWN below an unknown value, ABSENT where nothing is."""
        value = self.value
        for step in steps:
            value = _child(value, step)
        return Node(value, (*self.steps, *steps))

    def items(self) -> Iterator[tuple[str, "Node"]]:
        """Keys and values of an object; nothing for any other shape."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield key, Node(value, (*self.steps, key))

    def elements(self) -> Iterator["Node"]:
        """Elements of a list; nothing for any other shape."""
        if isinstance(self.value, list):
            for position, value in enumerate(self.value):
                yield Node(value, (*self.steps, position))

    @property
    def text(self) -> str | None:
        """The value as a string if it is a scalar, as YAML would print it; None otherwise."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return str(self.value) if isinstance(self.value, str | int | float) else None

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, parents first."""
        pending: list[Node] = [self]
        while pending:
            node = pending.pop()
            yield node
            below = [child for _, child in node.items()] or list(node.elements())
            pending.extend(reversed(below))


def tree(value: object) -> Node:
    """Convert the SDK's properties, or plain JSON, into a `Node`; never raises."""
    return Node(_plain(value, _DEEPEST))


def is_sentinel(text: str) -> bool:
    """Whether a string is, or holds, the SDK's placeholder of an unknown value."""
    return len(text) >= _SENTINEL_LENGTH and _SENTINEL.search(text) is not None


def _child(value: Plain, step: str | int) -> Plain:
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step, ABSENT)
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return ABSENT


def _plain(value: object, levels: int) -> Plain:
    if value is None:
        return ABSENT
    if isinstance(value, str | bool | int | float):
        return _scalar(value)
    if not isinstance(value, Mapping | Sequence) or not levels:
        return UNKNOWN  # an asset, or deeper than anything real: nothing to judge
    container = cast("Mapping[str, Any] | Sequence[Any]", value)
    if isinstance(container, Mapping):
        return {str(key): _read(container, key, levels - 1) for key in container}
    return [_read(container, position, levels - 1) for position in range(len(container))]


def _scalar(value: Scalar) -> Scalar | Unknown:
    if isinstance(value, str):
        return UNKNOWN if is_sentinel(value) else value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def _read(container: Any, key: str | int, levels: int) -> Plain:  # noqa: ANN401 - any JSON
    """One value of a proxy, which raises for unknown ones instead of handing them out."""
    try:
        value = container[key]
    except proxy.UnknownValueError:
        return UNKNOWN
    return _plain(value, levels)
