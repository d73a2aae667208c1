"""Kubernetes' quantities, `1Gi` or `500m`, as numbers."""

import math
import re
from fractions import Fraction

from policies.reading.tree import Node

_QUANTITY = re.compile(
    r"(?P<number>[+-]?([0-9]+\.?[0-9]*|\.[0-9]+))"
    r"(?P<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?"
)
_LONGEST = 30
"""Characters; the API server keeps quantities in 64 bits."""
_SUFFIXES = {
    **{unit: Fraction(1, 1000**power) for power, unit in enumerate("mun", start=1)},
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", start=1)},
}


def quantity(node: Node) -> Fraction | None:
    """The number that a value stands for; None where it is none, or not known yet."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    text = str(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    number, unit = Fraction(match["number"]), match["unit"]
    if unit is None:
        return number
    factor = _SUFFIXES.get(unit)
    return number * (factor if factor is not None else Fraction(10) ** int(unit[1:]))


def whole(node: Node, default: int) -> int | None:
    """A whole number, `default` where there is none; None where it is unknown or no number."""
    if node.absent:
        return default
    number = quantity(node)
    return int(number) if number is not None and number.denominator == 1 else None
