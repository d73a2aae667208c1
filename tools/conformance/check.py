"""One promise of the contract, and the judgement of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import httpx

from tools.conformance.target import Target


class BrokenPromiseError(Exception):
    """The deployment does otherwise than promised; the text says what came instead."""


class NotOfferedError(Exception):
    """Nothing was judged: it is not part of this deployment, or was not asked for; says which."""


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "pass"
    FAILED = "FAIL"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True)
class Check:
    """One promise.

    Attributes:
        name: Short and unique, for `--json` and tests.
        promise: What holds, as a sentence without its full stop.
        run: Returns where it holds, raises `BrokenPromiseError` or `NotOfferedError` where not.
        feature: Whether a deployment may do without: then it is told, and breaks nothing.
    """

    name: str
    promise: str
    run: Callable[[Target], None]
    feature: bool = False


@dataclass(frozen=True)
class Result:
    """A judged promise.

    Attributes:
        check: Which.
        outcome: What became of it.
        why: What came instead, or why nothing was judged; empty where it holds.
    """

    check: Check
    outcome: Outcome
    why: str = ""


def judge(check: Check, target: Target) -> Result:
    """Try one promise; a broken connection and an unreadable answer are broken promises too.

    Args:
        check: The promise.
        target: Whose.
    """
    try:
        check.run(target)
    except NotOfferedError as reason:
        return Result(check, Outcome.NOT_OFFERED, str(reason))
    except BrokenPromiseError as broken:
        why = str(broken)
    except httpx.TransportError as error:
        why = f"the connection failed: {type(error).__name__} {error}"
    except (KeyError, IndexError, TypeError, ValueError) as error:
        why = f"the answer is not of the form that OpenAI's API has: {type(error).__name__} {error}"
    else:
        return Result(check, Outcome.PASSED)
    return Result(check, Outcome.NOT_OFFERED if check.feature else Outcome.FAILED, why)


def require(holds: bool, instead: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Hold a promise against what came.

    Args:
        holds: Whether it holds.
        instead: What came.

    Raises:
        BrokenPromiseError: It does not.
    """
    if not holds:
        raise BrokenPromiseError(instead)
