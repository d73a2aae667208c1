"""What a case is: one changed manifest and the exact set of policies and paths that refuse it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Group = Literal["good", "bad", "unknown", "bypass"]


@dataclass(frozen=True)
class Case:
    """One resource and what the pack must say about it.

    Attributes:
        policy: Name of the policy the case is about.
        group: `bypass` cases are those of the list of known ways around a naive check.
        title: What is special.
        path: Where the policy must point; empty for a good case.
        also: Further policies that refuse it rightly.
        beside: Types and properties of the other resources of its stack.
    """

    policy: str
    group: Group
    title: str
    type: str
    properties: Mapping[str, Any]
    path: str = ""
    also: tuple[str, ...] = ()
    beside: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    @property
    def id(self) -> str:
        """Name of the test."""
        return f"{self.policy[:5]}-{self.group}-{self.title.replace(' ', '-')}"
