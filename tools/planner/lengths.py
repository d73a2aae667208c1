"""How long prompts and answers are, from an engine's metrics or from one request a line.

A metrics page is what a vLLM serves at /metrics, or several of them one after the other. Its
histograms have buckets of 1, 2, 5, 10, ... up to `max_model_len` (vllm/v1/metrics/buckets.py), so
that a share of requests is known at these lengths and interpolated linearly in between.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from tools.problem import ToolError

PROMPTS, ANSWERS = "vllm:request_prompt_tokens", "vllm:request_generation_tokens"
_LINE = re.compile(
    rf"^(?P<name>{PROMPTS}|{ANSWERS})_bucket\{{(?P<labels>.*)\}}\s+(?P<value>\S+)(\s+-?\d+)?$"
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_PAGE = re.compile(r"^(# (HELP|TYPE) |[a-z]+:\w+[{ ])", re.MULTILINE)
_MOST_TOKENS = 2**24


class Distribution(Protocol):
    """Lengths in tokens, known more or less exactly."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def quantile(self, share: float) -> int | None:
        """The length that this share of them does not exceed; None where nobody knows."""
        ...

    def above(self, length: int) -> float:
        """The share of them that is longer."""
        ...


@dataclass(frozen=True)
class Sample:
    """Every length by itself.

    Attributes:
        values: In tokens, ascending.
    """

    values: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.values)

    def quantile(self, share: float) -> int:
        """The smallest length of the sample that this share does not exceed."""
        return self.values[max(0, math.ceil(share * len(self.values)) - 1)]

    def above(self, length: int) -> float:
        """The share that is longer."""
        return 1 - bisect_right(self.values, length) / len(self.values)


@dataclass(frozen=True)
class Histogram:
    """Counts of lengths in buckets.

    Attributes:
        bounds: Upper ends of the buckets in tokens, ascending.
        cumulative: How many lengths do not exceed each, and at last how many there are.
        ceiling: What no length exceeds: the `max_model_len` that they were served under.
    """

    bounds: tuple[float, ...]
    cumulative: tuple[float, ...]
    ceiling: int | None

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.cumulative[-1])

    def quantile(self, share: float) -> int | None:
        """The length that this share does not exceed, rounded up; None above the last bucket."""
        wanted = share * self.cumulative[-1]
        low, before = 0.0, 0.0
        for high, until in zip(self._ends(), self.cumulative, strict=True):
            if until >= wanted and until > before:
                return (
                    None
                    if math.isinf(high)
                    else math.ceil(low + (high - low) * (wanted - before) / (until - before))
                )
            low, before = high, until
        return math.ceil(low)

    def above(self, length: int) -> float:
        """The share that is longer; in the bucket of `length`, by interpolation."""
        points = [(0.0, 0.0), *zip(self._ends(), self.cumulative, strict=True)]
        for (low, before), (high, until) in pairwise(points):
            if length < high:
                within = (length - low) / (high - low)
                return 1 - (before + (until - before) * within) / self.cumulative[-1]
        return 0.0

    def _ends(self) -> tuple[float, ...]:
        """Upper ends of all buckets, the open one's included."""
        if self.cumulative[-1] == self.cumulative[-2]:
            return (*self.bounds, self.bounds[-1])
        ceiling = math.inf if self.ceiling is None else self.ceiling
        return (*self.bounds, max(ceiling, self.bounds[-1]))


@dataclass(frozen=True)
class Lengths:
    """What was measured.

    Attributes:
        prompts: Of every request.
        answers: Of every request; None where they were not measured.
        sums: Prompt and answer of a request together; None where they are known apart only.
    """

    prompts: Distribution
    answers: Distribution | None
    sums: Sample | None


def read_lengths(text: str, current: int | None) -> Lengths:
    """Read metrics pages, or one request a line: `prompt` or `prompt,answer`, in tokens.

    Args:
        text: What was measured.
        current: The `max_model_len` that it was served under, if known.

    Raises:
        ToolError: It is neither, or holds no request.
    """
    if _PAGE.search(text):
        series = _series(text)
        return Lengths(
            _histogram(series, PROMPTS, current),
            _histogram(series, ANSWERS, current),
            None,
        )
    return _listed(text)


def _series(text: str) -> Mapping[str, list[dict[float, float]]]:
    """Buckets of each of the two histograms, a mapping for every replica that has one."""
    found: dict[str, list[dict[float, float]]] = {PROMPTS: [], ANSWERS: []}
    names: set[str] = set()
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        labels = dict(_LABEL.findall(match["labels"]))
        names.add(labels.get("model_name", ""))
        bound, value = _number(labels.get("le", "")), _number(match["value"])
        if bound is None or value is None or value < 0:
            raise ToolError(f"this line is no bucket of a histogram: {line[:120]}")
        series = found[match["name"]]
        if not series or bound <= max(series[-1]):  # buckets ascend, so that the next replica began
            series.append({})
        series[-1][bound] = value
    if len(names) > 1:
        raise ToolError(
            f"the pages are of several models ({', '.join(sorted(names))}): give those of one"
        )
    return found


def _histogram(
    found: Mapping[str, list[dict[float, float]]], name: str, ceiling: int | None
) -> Histogram:
    """The sum over replicas, at the bounds that all of them have."""
    series = [each for each in found[name] if math.inf in each]
    if not series:
        raise ToolError(
            f"no {name}_bucket stands there: give the whole page of a vLLM's /metrics, "
            "http://<pod>:8000/metrics, not that of the gateway"
        )
    shared = sorted(set(series[0]).intersection(*series[1:]))
    cumulative = tuple(sum(each[bound] for each in series) for bound in shared)
    if len(shared) < 2:  # noqa: PLR2004 - one bound besides infinity
        raise ToolError(f"the buckets of {name} have no bound in common: give pages of one version")
    if any(low > high for low, high in pairwise(cumulative)):
        raise ToolError(f"the counts of {name} fall from bucket to bucket, so the page is damaged")
    if not cumulative[-1]:
        raise ToolError(f"{name} has counted no request yet: take the page after a day of traffic")
    return Histogram(tuple(shared[:-1]), cumulative, ceiling)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _listed(text: str) -> Lengths:
    rows = [
        _row(number, line.split("#")[0])
        for number, line in enumerate(text.splitlines(), start=1)
        if line.split("#")[0].strip()
    ]
    if not rows:
        raise ToolError(
            "nothing was measured: give a vLLM's /metrics page, or a line a request with its "
            "prompt's tokens, or `prompt,answer`"
        )
    prompts = _sample(row[0] for row in rows)
    pairs = [row for row in rows if len(row) > 1]
    if not pairs:
        return Lengths(prompts, None, None)
    if len(pairs) < len(rows):
        raise ToolError(f"{len(rows) - len(pairs)} of {len(rows)} lines have no answer: give all")
    return Lengths(prompts, _sample(row[1] for row in pairs), _sample(map(sum, pairs)))


def _row(number: int, line: str) -> Sequence[int]:
    words = line.replace(",", " ").split()
    values = [int(word) for word in words if word.isascii() and word.isdecimal()]
    if len(values) != len(words) or len(values) > 2 or max(values) > _MOST_TOKENS:  # noqa: PLR2004 - a pair
        raise ToolError(
            f"line {number} is {line.strip()[:60]!r}: write a prompt's tokens, or `prompt,answer`"
        )
    return values


def _sample(values: Iterable[int]) -> Sample:
    return Sample(tuple(sorted(values)))
