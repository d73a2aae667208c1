"""How long load has to be low before a server goes: longer than its return would take."""

import math
from collections.abc import Iterator, Sequence

from components.core.sizing.plan import Plan
from components.document.vllm_model import VllmServerSettings

MOST_SECONDS = 3600
"""What a HorizontalPodAutoscaler looks back at most."""

_MINUTE = 60


def start_seconds(plans: Sequence[Plan]) -> int:
    """From "wanted" to the first answer on the slowest machine of the pool, at most."""
    return math.ceil(max(plan.start_seconds.high for plan in plans))


def scale_in_seconds(start: int) -> int:
    """Whole minutes, more than a start takes."""
    return (start // _MINUTE + 1) * _MINUTE


def too_slow(key: str, settings: VllmServerSettings, plans: Sequence[Plan]) -> Iterator[str]:
    """Why a model cannot be scaled whose start takes longer than an autoscaler looks back."""
    if settings.scaling is None or not plans:
        return
    start = start_seconds(plans)
    if scale_in_seconds(start) > MOST_SECONDS:
        yield (
            f"{key}.scaling is there, but a start may take {start} s and an autoscaler looks back "
            f"{MOST_SECONDS} s at most, so that servers would end that are wanted before their "
            f"successors answer: choose a faster {key}.cache, or say {key}.replicas instead"
        )
