"""How right the planner is: its figures beside published start-up logs of vLLM.

Rows whose settings or GPU are in doubt are compared by KV bytes alone, which depend on neither.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.core.architecture import ArchitectureError
from components.core.sizing.request import SizingError
from components.core.sizing.verdict import GIB, LATE_UTILIZATION, Fit, fit
from tools.planner.published_starts import (
    ROOT,
    Start,
    architecture_of,
    device_of,
    load_of,
    read_starts,
    read_weight_bytes,
)

KV_BOUND = 0.01
"""Relative error of the KV cache's tokens that counts as exact."""
OVERHEAD_BOUND_GIB = 1.5
"""Error of the overhead beyond which a row is listed as a miss."""
_NEAR_GIB = 1.0


@dataclass(frozen=True)
class Comparison:
    """One published start beside its plan.

    Attributes:
        id: Of the row.
        url: Where it was published.
        note: What is special about the row.
        outcome: `started`, `failed` or `failed late`.
        verdict: The planner's.
        verdict_right: None where the row's settings are in doubt.
        kv_error: Relative error of the KV tokens in the printed GiB; None where not printed.
        overhead_error_gib: Planned less printed overhead, GiB; None where not printed or in doubt.
    """

    id: str
    url: str
    note: str
    outcome: str
    verdict: str
    verdict_right: bool | None
    kv_error: float | None
    overhead_error_gib: float | None


@dataclass(frozen=True)
class Accuracy:
    """What the comparisons come to."""

    rows: int
    unusable: int
    kv_rows: int
    kv_within_one_per_cent: float
    overhead_rows: int
    overhead_median_gib: float
    overhead_p95_gib: float
    verdict_rows: int
    verdict_failed_rows: int
    verdict_right: float
    may_fail_late: float


def compare(start: Start, weight_bytes: Mapping[str, int], root: Path = ROOT) -> Comparison:
    """Plan what a row's command asked for and hold it against what happened.

    Raises:
        ArchitectureError: The model cannot be planned, or its config was not published.
        SizingError: The GPU's memory or the engine's version is not known.
    """
    model = architecture_of(start, root)
    found = fit(model, device_of(start), load_of(start), weight_bytes.get(start.model))
    return Comparison(
        id=start.id,
        url=start.url,
        note=start.doubt or start.note,
        outcome=start.outcome,
        verdict=found.verdict,
        verdict_right=None if start.doubt else _right(start, found),
        kv_error=_kv_error(start, found),
        overhead_error_gib=None if start.doubt else _overhead_error(start, found),
    )


def accuracy(starts: Iterable[Start], root: Path = ROOT) -> tuple[Accuracy, list[Comparison]]:
    """Compare all rows; those that cannot be planned are counted, not hidden."""
    weight_bytes, compared, unusable = read_weight_bytes(root), list[Comparison](), 0
    for start in starts:
        try:
            compared.append(compare(start, weight_bytes, root))
        except (ArchitectureError, SizingError):
            unusable += 1
    kv = [abs(c.kv_error) for c in compared if c.kv_error is not None]
    over = sorted(abs(c.overhead_error_gib) for c in compared if c.overhead_error_gib is not None)
    judged = [c for c in compared if c.verdict_right is not None]
    return (
        Accuracy(
            rows=len(compared) + unusable,
            unusable=unusable,
            kv_rows=len(kv),
            kv_within_one_per_cent=sum(error <= KV_BOUND for error in kv) / len(kv),
            overhead_rows=len(over),
            overhead_median_gib=statistics.median(over),
            overhead_p95_gib=over[int(0.95 * len(over))],
            verdict_rows=len(judged),
            verdict_failed_rows=sum(c.outcome != "started" for c in judged),
            verdict_right=sum(bool(c.verdict_right) for c in judged) / len(judged),
            may_fail_late=sum(c.verdict == "may fail late" for c in judged) / len(judged),
        ),
        compared,
    )


def _kv_error(start: Start, found: Fit) -> float | None:
    """Tokens that the printed GiB come to by our arithmetic, beside the printed tokens."""
    available, tokens = start.printed.available_kv_gib, start.printed.kv_cache_tokens
    if not available or not tokens:
        return None
    return tokens / max(1, found.cache.capacity(available * GIB)) - 1


def _overhead_error(start: Start, found: Fit) -> float | None:
    available, weights = start.printed.available_kv_gib, start.printed.weights_gib
    offloaded = start.settings.other.cpu_offload_gb
    if not available or not weights or start.outcome == "failed" or offloaded:
        return None
    return found.overhead.total / GIB - (found.budget / GIB - weights - available)


def _right(start: Start, found: Fit) -> bool | None:
    """`may fail late` is right for late failures, close to the edge and at 0.94 and more only."""
    if start.settings.other.kv_cache_memory_bytes:
        return None
    if start.outcome == "failed late":
        return found.verdict != "will start"
    if found.verdict != "may fail late":
        return found.verdict == ("will start" if start.outcome == "started" else "refused")
    available = start.printed.available_kv_gib
    needed = found.cache.needed_bytes(found.settings.max_model_len) / GIB
    close = available is not None and abs(available - needed) <= _NEAR_GIB
    return close or found.settings.utilization >= LATE_UTILIZATION


def main() -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures and every row as JSON")
    asked = parser.parse_args()
    figures, compared = accuracy(read_starts())
    if asked.json:
        print(json.dumps({"accuracy": asdict(figures), "rows": [asdict(c) for c in compared]}))
        return 0
    _show(figures, compared)
    return 0


def _show(figures: Accuracy, compared: list[Comparison]) -> None:
    console = Console(soft_wrap=True)
    for line in summary(figures):
        console.print(line, highlight=False)
    table = Table(title="Misses", title_justify="left")
    for column in ("start", "miss", "what is known"):
        table.add_column(column, overflow="fold")
    for row in compared:
        miss = describe_miss(row)
        if miss:
            table.add_row(row.id, miss, row.note[:100])
    console.print(table)


def summary(figures: Accuracy) -> tuple[str, ...]:
    """The figures as README quotes them."""
    return (
        f"{figures.rows} published starts, of which {figures.unusable} name no GPU, version or "
        "config",
        f"KV cache tokens within 1 per cent: {figures.kv_within_one_per_cent:.1%} of "
        f"{figures.kv_rows}",
        f"overhead: {figures.overhead_median_gib:.2f} GiB off at the median, "
        f"{figures.overhead_p95_gib:.2f} GiB at the 95th percentile of {figures.overhead_rows}",
        f"verdict right: {figures.verdict_right:.1%} of {figures.verdict_rows}, of which "
        f"{figures.verdict_failed_rows} failed; `may fail late` was said for "
        f"{figures.may_fail_late:.1%}",
    )


def describe_miss(row: Comparison) -> str:
    """What was off in a row; empty where nothing was."""
    parts: list[str] = []
    if row.kv_error is not None and abs(row.kv_error) > KV_BOUND:
        parts.append(f"KV {row.kv_error:+.1%}")
    if row.overhead_error_gib is not None and abs(row.overhead_error_gib) > OVERHEAD_BOUND_GIB:
        parts.append(f"overhead {row.overhead_error_gib:+.1f} GiB")
    if row.verdict_right is False:
        parts.append(f"{row.verdict}, but it {row.outcome}")
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
