"""The timing chain holds for every stream that a document may ask for."""

from hypothesis import given
from hypothesis import strategies as st

from components.core.drain import (
    ENDPOINT_REMOVAL_SECONDS,
    IDLE_CONNECTION_SECONDS,
    DrainChain,
)

_LONGEST = st.integers(1, 3600)

MEASURED_TEARDOWN_SECONDS = 11
"""Of vLLM between its last token and its exit."""


@given(_LONGEST)
def test_a_stream_that_starts_at_the_last_moment_ends_before_its_pod(longest: int) -> None:
    chain = DrainChain(longest)
    for pre_stop, after_sigterm in (
        (chain.pre_stop_seconds, chain.shutdown_timeout_seconds),
        (chain.abrupt_pre_stop_seconds, 0),
    ):
        last_start = ENDPOINT_REMOVAL_SECONDS
        assert pre_stop + after_sigterm >= last_start + longest
        assert pre_stop + after_sigterm + MEASURED_TEARDOWN_SECONDS <= chain.pod_grace_seconds


@given(_LONGEST)
def test_each_layer_outlives_the_one_inside(longest: int) -> None:
    chain = DrainChain(longest)
    assert longest <= chain.request_timeout_seconds <= chain.pod_grace_seconds
    assert chain.pod_grace_seconds < chain.node_grace_seconds
    assert chain.request_timeout_seconds < chain.silence_timeout_seconds
    assert chain.silence_timeout_seconds < chain.keep_alive_seconds > IDLE_CONNECTION_SECONDS


@given(_LONGEST)
def test_one_more_second_of_stream_moves_every_layer_by_one(longest: int) -> None:
    shorter, longer = DrainChain(longest), DrainChain(longest + 1)
    for layer in (
        "abrupt_pre_stop_seconds",
        "shutdown_timeout_seconds",
        "request_timeout_seconds",
        "pod_grace_seconds",
        "node_grace_seconds",
    ):
        assert getattr(longer, layer) == getattr(shorter, layer) + 1
    assert longer.pre_stop_seconds == shorter.pre_stop_seconds


def test_the_chain_of_five_minutes_in_numbers() -> None:
    chain = DrainChain(300)
    assert (chain.pre_stop_seconds, chain.shutdown_timeout_seconds) == (15, 300)
    assert (chain.pod_grace_seconds, chain.node_grace_seconds) == (345, 435)
