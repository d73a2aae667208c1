"""Why the engine will not take a load."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why the engine will not take a load: our sentence, and its own words."""

    reason: str
    error: str
