"""How servers of a model are replaced when it changes, and what that means to its clients."""

from dataclasses import dataclass

from components.document.cache import is_shared
from components.document.plans import ModelPlan
from components.document.whole import ROOT, PlatformSettings

_MINUTE = 60


@dataclass(frozen=True)
class Replacement:
    """How a new version of a server takes over.

    Attributes:
        surge: Whether it starts before its predecessor ends; else the old one ends first.
        reason: Why, as a phrase.
    """

    surge: bool
    reason: str

    @property
    def word(self) -> str:
        """`surge` or `ordered`."""
        return "surge" if self.surge else "ordered"


def replacement(document: PlatformSettings, found: ModelPlan) -> Replacement:
    """How the servers of a model are replaced: by surge only where one more can exist."""
    model = found.settings
    spare = document.spare_gpus(model.pool)
    if not is_shared(model.cache):
        return Replacement(surge=False, reason="its volume is mounted by one node at a time")
    if spare < model.gpus_per_replica:
        pool = f"{ROOT}.node_pools.{model.pool}.max_gpus"
        return Replacement(
            surge=False,
            reason=f"{pool} leaves {spare} GPUs spare and a replica takes {model.gpus_per_replica}",
        )
    return Replacement(surge=True, reason=f"{spare} GPUs of pool {model.pool} are spare")


def sentence(document: PlatformSettings, found: ModelPlan) -> str:
    """What a change of this model will do, for the preview."""
    how, model = replacement(document, found), found.settings
    key = f"{ROOT}.models.{found.alias}"
    if how.surge:
        return (
            f"{key} is replaced by surge: a new server is ready before an old one ends, since "
            f"{how.reason}"
        )
    begin = (
        f"{key} is replaced in order: the old server ends before its successor starts, because "
        f"{how.reason}"
    )
    least = model.least_replicas
    if least > 1:
        return f"{begin}; {least - 1} of {least} answer meanwhile"
    seconds = found.deciding.start_seconds
    low, high = (max(1, round(each / _MINUTE)) for each in (seconds.low, seconds.high))
    return f"{begin}; nobody answers for {low} to {high} minutes"
