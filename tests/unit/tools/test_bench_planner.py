"""The planner's accuracy on published start-up logs; the bounds are those that README promises."""

from collections import Counter

import pytest

from components.core.architecture import ArchitectureError
from components.core.sizing.request import SizingError
from tools.planner.bench import Accuracy, Comparison, accuracy, describe_miss, summary
from tools.planner.published_starts import ROOT, architecture_of, read_starts, read_weight_bytes


@pytest.fixture(scope="module")
def compared() -> tuple[Accuracy, list[Comparison]]:
    return accuracy(read_starts())


def test_there_are_many_starts_and_each_says_where_it_was_published() -> None:
    starts = list(read_starts())
    assert len(starts) >= 200
    assert [start.id for start in starts if not start.url] == []
    twice = [name for name, count in Counter(start.id for start in starts).items() if count > 1]
    assert twice == []


def test_there_are_failures_among_the_starts() -> None:
    """Always answering "will start" must not look good."""
    failed = [start for start in read_starts() if start.outcome != "started"]
    assert len(failed) >= 50


def test_kv_cache_tokens_are_exact(compared: tuple[Accuracy, list[Comparison]]) -> None:
    figures, _ = compared
    assert figures.kv_rows >= 100
    assert figures.kv_within_one_per_cent >= 0.95


def test_overhead_is_within_its_bounds(compared: tuple[Accuracy, list[Comparison]]) -> None:
    figures, _ = compared
    assert figures.overhead_rows >= 100
    assert figures.overhead_median_gib <= 0.5
    assert figures.overhead_p95_gib <= 1.5


def test_verdicts_are_right(compared: tuple[Accuracy, list[Comparison]]) -> None:
    figures, _ = compared
    assert figures.verdict_right >= 0.95
    always_will_start = 1 - figures.verdict_failed_rows / figures.verdict_rows
    assert figures.verdict_right > always_will_start + 0.1


def test_may_fail_late_stays_a_narrow_answer(
    compared: tuple[Accuracy, list[Comparison]],
) -> None:
    figures, _ = compared
    assert figures.may_fail_late <= 0.2


def test_what_cannot_be_planned_is_counted(compared: tuple[Accuracy, list[Comparison]]) -> None:
    figures, rows = compared
    assert figures.rows == len(rows) + figures.unusable
    unusable = 0
    for start in read_starts():
        try:
            architecture_of(start)
        except (ArchitectureError, SizingError):
            unusable += 1
    assert unusable <= figures.unusable


def test_every_miss_is_described(compared: tuple[Accuracy, list[Comparison]]) -> None:
    _, rows = compared
    wrong = [row for row in rows if row.verdict_right is False]
    assert wrong
    assert all(describe_miss(row) for row in wrong)


def test_the_summary_names_every_figure(compared: tuple[Accuracy, list[Comparison]]) -> None:
    figures, _ = compared
    text = "\n".join(summary(figures))
    assert f"{figures.overhead_median_gib:.2f} GiB off at the median" in text
    assert f"{figures.verdict_right:.1%}" in text


def test_every_config_and_weight_belongs_to_a_start() -> None:
    models = {start.model for start in read_starts()}
    configs = {path.stem.replace("--", "/", 1) for path in (ROOT / "configs").glob("*.json")}
    assert configs - models == set()
    assert set(read_weight_bytes()) - models == set()
