"""What is said of a plan: the machine, the binding constraint, the engine's words, what to do."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from components.core.hardware import GPUS, InstanceType
from components.core.sizing.fixes import Fix
from components.core.sizing.plan import Plan
from components.core.sizing.verdict import Verdict
from components.document.vllm_model import VllmServerSettings
from components.document.whole import ROOT

_NAMES = {
    "tensor_parallel_size": "tensor_parallel",
    "pipeline_parallel_size": "pipeline_parallel",
    "data_parallel_size": "data_parallel",
}
"""The engine's names of settings that the document calls otherwise."""
_NVLINK = GPUS["a100-80gb"].nvlink_gb_per_s
_MOST_NAMED = 3
_LONGEST = 200


def refusals(
    key: str,
    settings: VllmServerSettings,
    plans: Sequence[Plan],
    machines: Mapping[str, InstanceType],
) -> Iterator[str]:
    """A sentence for each reason for which machines of the pool refuse a model."""
    for group in _groups(plans, "refused"):
        said = f'; vLLM would say: "{group[0].fit.expected_error}"'
        yield (
            f"{key} would not start on {_types(group)} of pool {settings.pool}: "
            f"{_reason(group[0])}{said if group[0].fit.expected_error else ''}; "
            f"{_advice(key, settings, group, plans, machines)}"
        )


def late(
    key: str,
    settings: VllmServerSettings,
    plans: Sequence[Plan],
    machines: Mapping[str, InstanceType],
) -> Iterator[str]:
    """A sentence for each reason for which a model may fail late."""
    for group in _groups(plans, "may fail late"):
        yield (
            f"{key} may fail late on {_types(group)} of pool {settings.pool}: "
            f"{_reason(group[0])}; {_advice(key, settings, group, plans, machines)}"
        )


def link_cost(
    key: str,
    settings: VllmServerSettings,
    machine: InstanceType,
    speeds: tuple[float, float] | None,
) -> str:
    """What PCIe costs.

    Args:
        key: Of the model.
        settings: Of the model.
        machine: Without NVLink.
        speeds: Upper bounds of tokens a second as it is and with NVLink; None if unknown.
    """
    begin = (
        f"{key}.tensor_parallel_over_pcie: {settings.tensor_parallel} GPUs of {machine.name} talk "
        "over PCIe"
    )
    if speeds is None:
        return f"{begin}, which is slower than NVLink"
    slow, fast = speeds
    return (
        f"{begin}: at most {slow:,.0f} tokens/s, {1 - slow / fast:.0%} below the {fast:,.0f} of "
        "the same GPUs with NVLink"
    )


def joined_by_nvlink(machine: InstanceType) -> InstanceType:
    """The same machine as if NVLink, of an A100's speed, joined its GPUs."""
    return replace(machine, nvlink=True, gpu=replace(machine.gpu, nvlink_gb_per_s=_NVLINK))


def nearest(name: str, known: Iterable[str]) -> str:
    """Which names are meant, or some that are possible."""
    names = list(known)
    close = difflib.get_close_matches(name[:_LONGEST], names, n=_MOST_NAMED)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:_MOST_NAMED])
    return f"known are {shown}{' and others' if len(names) > _MOST_NAMED else ''}"


def own_names(text: str) -> str:
    """The planner's words with the document's keys instead of the engine's settings."""
    for engine, own in _NAMES.items():
        text = text.replace(engine, own)
    return text


def advice(key: str, pool: str, found: Plan, machine: InstanceType) -> tuple[str, ...]:
    """The plan's fixes as phrases with the key to change."""
    return tuple(_phrase(key, pool, fix, machine) for fix in found.fixes)


def _advice(
    key: str,
    settings: VllmServerSettings,
    group: Sequence[Plan],
    plans: Sequence[Plan],
    machines: Mapping[str, InstanceType],
) -> str:
    phrases = [*advice(key, settings.pool, group[0], machines[group[0].machine])]
    if any(each.fit.verdict == "will start" for each in plans):
        types = f"{ROOT}.node_pools.{settings.pool}.instance_types"
        phrases.insert(0, f"take {_types(group)} out of {types}")
    return ", or ".join(phrases) or "no single change helps: take a smaller model or larger GPUs"


def _phrase(key: str, pool: str, fix: Fix, machine: InstanceType) -> str:
    if fix.key == "pool":
        return f"{fix.text} in {ROOT}.node_pools.{pool}.instance_types{_extra(fix)}"
    phrase = f"set {key}.{_NAMES.get(fix.key, fix.key)} to {fix.value}"
    if fix.key == "tensor_parallel_size" and not machine.nvlink:
        phrase += " and tensor_parallel_over_pcie to true"
    return f"{phrase}{_extra(fix)}"


def _extra(fix: Fix) -> str:
    dollars = fix.extra_usd_per_hour
    if not dollars:
        return ""
    return f" ({'+' if dollars > 0 else '-'}${abs(dollars):.2f} an hour)"


def _groups(plans: Sequence[Plan], verdict: Verdict) -> list[list[Plan]]:
    """Plans of a verdict, those of one reason together."""
    groups: dict[str, list[Plan]] = {}
    for each in plans:
        if each.fit.verdict == verdict:
            groups.setdefault(each.fit.reason, []).append(each)
    return list(groups.values())


def _types(group: Sequence[Plan]) -> str:
    return " and ".join(each.machine for each in group)


def _reason(found: Plan) -> str:
    return own_names(found.fit.reason)
