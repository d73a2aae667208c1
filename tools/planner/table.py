"""A plan as a table in the terminal or in Markdown, with what has to be said below it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.core.explain import plain
from components.core.hardware import PRICE_LIST_DATE, PRICE_LIST_REGION
from components.core.model_lock import LockedModel
from components.document import outside
from components.document.figures import NOT_PLANNED, machine_figures
from components.document.plans import ModelPlan
from components.document.whole import PlatformSettings
from tools.planner.catalogue import Option

_MINUTE = 60
_NARROWEST = 110
_STACK = ("model", "pool", "machine", "verdict", "at once", "longest", "start, min", "$/month",
          "$/M tokens")  # fmt: skip
_CATALOGUE = ("GPU", "count", "machine", "verdict", "at once", "longest", "$/month", "$/M tokens")
_PRICES = (
    f"Prices: on demand in {PRICE_LIST_REGION} on {PRICE_LIST_DATE}, or the document's own; "
    "tokens cost at least that, by the roofline."
)


@dataclass(frozen=True)
class Sheet:
    """A table and the lines below it.

    Attributes:
        columns: Titles.
        rows: Cells, as many as columns.
        remarks: Lines below.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str]


def stack_sheet(document: PlatformSettings, plans: Mapping[str, ModelPlan]) -> Sheet:
    """Every model of a stack; of a pool its cheapest machine, and the worst where it differs."""
    rows: list[Sequence[str]] = []
    for alias, model in document.models.items():
        if alias in plans:
            rows += _model_rows(plans[alias])
        else:
            rows.append((alias, model.engine, "", NOT_PLANNED, *[""] * 5))
    remarks = [
        line
        for found in plans.values()
        for line in (*found.problems, *(f"warning: {text}" for text in found.warnings))
    ]
    remarks += [f"warning: {text}" for text in outside.warnings(document)]
    users = [
        f"At once: requests of {_lengths(found)} tokens for {a}." for a, found in plans.items()
    ]
    return Sheet(_STACK, rows, (*remarks, *users, *([_PRICES] if plans else [])))


def _lengths(found: ModelPlan) -> str:
    traffic = found.settings.traffic
    return f"{traffic.prompt_tokens:,} + {traffic.output_tokens:,}"


def _model_rows(found: ModelPlan) -> list[Sequence[str]]:
    pool = found.settings.pool
    if not found.plans:
        return [(found.alias, pool, "", found.verdict, *[""] * 5)]
    shown = dict.fromkeys((found.cheapest.machine, found.worst.machine))
    by_name = {each.machine: machine_figures(found, each) for each in found.plans}
    if not any(each.fit.verdict == "refused" for each in found.plans):
        for figures in by_name.values():  # what the document forbids no machine may start
            figures["verdict"] = found.verdict if found.problems else figures["verdict"]
    return [(found.alias, pool, name, *_cells(by_name[name])) for name in shown]


def _cells(figures: Mapping[str, Any]) -> tuple[str, ...]:
    seconds = figures["start_seconds"]
    minutes = "-".join(f"{seconds[part] / _MINUTE:.0f}" for part in ("low", "expected", "high"))
    return (
        figures["verdict"],
        str(figures["concurrency"]),
        f"{figures['largest_max_model_len']:,}",
        minutes,
        _dollars(figures["usd_per_month"], 0),
        _dollars(figures["usd_per_million_tokens"], 2),
    )


def catalogue_sheet(lock: LockedModel, found: Sequence[Option], others: int) -> Sheet:
    """What a model would need.

    Args:
        lock: The model.
        found: The options in their order.
        others: How many kinds of GPU are not among them.
    """
    rows = [_option_row(option) for option in found]
    notes = [
        f"{lock.source}@{lock.revision}: $/month is that of the whole machine, $/M tokens that of "
        "the GPUs used."
    ]
    if any(option.links == "PCIe" for option in found):
        notes.append("PCIe: slower than NVLink, needs tensor_parallel_over_pcie in the document.")
    if others:
        notes.append(f"The catalogue has {others} kinds of GPU more, planned when --gpu names one.")
    return Sheet(_CATALOGUE, rows, (*_refused(found), *notes, _PRICES))


def _refused(found: Sequence[Option]) -> list[str]:
    """Why options are refused, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for option in found:
        if option.fit.verdict == "refused":
            ways = reasons.setdefault(option.figures.reason, [])
            ways.append(f"{option.gpus} x {option.machine.gpu.name}")
    return [f"{', '.join(ways)}: {reason}" for reason, ways in reasons.items()]


def _option_row(option: Option) -> tuple[str, ...]:
    figures = option.figures
    links = f" {option.links}" if option.links else ""
    return (
        option.machine.gpu.name,
        f"{option.gpus} of {option.machine.gpu_count}{links}",
        option.machine.name,
        figures.verdict,
        str(figures.concurrency) if figures.concurrency else "",
        f"{figures.largest_max_model_len:,}",
        _dollars(figures.machine_usd_per_month, 0),
        _dollars(figures.usd_per_million_tokens, 2) if figures.concurrency else "",
    )


def print_table(sheet: Sheet) -> None:
    """Print to the terminal."""
    console = Console(highlight=False)
    if console.width < _NARROWEST:
        console = Console(highlight=False, width=_NARROWEST)
    table = Table(*sheet.columns)
    for row in sheet.rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    console.print(table)
    for line in sheet.remarks:
        console.print(plain(line), markup=False, soft_wrap=True)


def print_markdown(sheet: Sheet) -> None:
    """Print as Markdown, for a pull request."""
    print(_line(sheet.columns))
    print(_line(["---"] * len(sheet.columns)))
    for row in sheet.rows:
        print(_line(row))
    print()
    for line in sheet.remarks:
        print(f"- {_dead(line)}")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(plain(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _dead(line: str) -> str:
    """A line as code, in which no markup, link or mention of a document or lock comes to life."""
    text = plain(line)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`"


def _dollars(amount: float | None, digits: int) -> str:
    return "unknown" if amount is None else f"{amount:,.{digits}f}"
