"""The contract: all of its promises, and what a deployment may offer beyond."""

from collections.abc import Callable, Sequence

from tools.conformance.accounts import ACCOUNTS, LAST
from tools.conformance.check import Outcome, Result, judge
from tools.conformance.features import FEATURES
from tools.conformance.refusals import REFUSAL_FEATURES, REFUSALS
from tools.conformance.routes import ROUTES
from tools.conformance.streaming import STREAMING, STREAMING_FEATURES
from tools.conformance.target import Target

CHECKS = (
    *ROUTES,
    *REFUSALS,
    *STREAMING,
    *ACCOUNTS,
    *FEATURES,
    *STREAMING_FEATURES,
    *REFUSAL_FEATURES,
    *LAST,
)


def judged(target: Target, told: Callable[[Result], None] = lambda _: None) -> tuple[Result, ...]:
    """Try all promises, one after the other.

    Args:
        target: Whose.
        told: Called with each as soon as it is judged.
    """
    results: list[Result] = []
    for check in CHECKS:
        result = judge(check, target)
        told(result)
        results.append(result)
    return tuple(results)


def broken(results: Sequence[Result]) -> tuple[Result, ...]:
    """Those that break the contract.

    Args:
        results: Of all promises.
    """
    return tuple(result for result in results if result.outcome == Outcome.FAILED)
