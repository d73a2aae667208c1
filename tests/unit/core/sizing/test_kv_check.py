"""What the start-up check asks for, and what the log prints, version by version."""

import pytest
from hypothesis import given
from hypothesis import settings as example
from hypothesis import strategies as st

from tests.unit.core.sizing.published import (
    DEEPSEEK_R1,
    GEMMA3_27B,
    GEMMA4_26B,
    GPT_OSS_20B,
    LLAMA_8B,
    QWEN3_NEXT,
    layout,
)

LLAMA_BLOCK = 16 * 131_072
GPT_OSS_BLOCK = 12 * 16 * 2_048
MIXED = (GPT_OSS_20B, GEMMA3_27B, GEMMA4_26B, QWEN3_NEXT, DEEPSEEK_R1, LLAMA_8B)


@pytest.mark.parametrize(
    ("version", "blocks"), [((0, 13, 0), 63), ((0, 28, 0), 63), ((0, 29, 0), 64), ((0, 33, 0), 64)]
)
def test_from_0_29_on_one_block_more_is_needed(version: tuple[int, int, int], blocks: int) -> None:
    """1000 tokens are 63 blocks of 16; the null block is set aside from 0.29 on."""
    found = layout(LLAMA_8B, engine_version=version, max_model_len=1000)
    assert found.needed_bytes(1000) == blocks * LLAMA_BLOCK
    assert found.request_bytes(1000) == 63 * LLAMA_BLOCK


@pytest.mark.parametrize(
    ("version", "blocks"),
    [
        ((0, 13, 0), 137 + 8192),
        ((0, 14, 0), 137),  # the first group is that of the windows
        ((0, 18, 1), 137),
        ((0, 19, 0), 137 + 8192),
        ((0, 25, 1), 137 + 8192),
        ((0, 26, 0), 265 + 8192),  # two batches are in flight: cdiv(127 + 4096, 16) + 1
        ((0, 29, 0), 265 + 8192 + 1),
    ],
)
def test_between_0_14_and_0_18_the_first_group_alone_is_checked(
    version: tuple[int, int, int], blocks: int
) -> None:
    """A window of 128 with a step of 2048 tokens: cdiv(127 + 2048, 16) + 1 = 137 blocks; full
    attention: 131072 / 16 = 8192."""
    found = layout(
        GPT_OSS_20B, engine_version=version, max_model_len=131_072, max_num_batched_tokens=2048
    )
    assert found.needed_bytes(131_072) == blocks * GPT_OSS_BLOCK


def test_tokens_were_counted_by_blocks_until_0_20_0_and_by_concurrency_since() -> None:
    """0.9 to 0.20.0: blocks // groups x block; then int(concurrency x max_model_len)."""
    available = 10_000 * GPT_OSS_BLOCK
    old, new = (
        layout(GPT_OSS_20B, engine_version=version, max_num_batched_tokens=2048)
        for version in ((0, 20, 0), (0, 20, 2))
    )
    assert old.capacity(available) == 10_000 // 2 * 16
    assert new.capacity(available) == int(10_000 / (137 + 8192) * 131_072)


def test_a_length_that_is_no_multiple_of_the_block_loses_tokens_since_0_20_1() -> None:
    found = layout(LLAMA_8B, engine_version=(0, 21, 0), max_model_len=1000)
    assert found.capacity(63 * LLAMA_BLOCK) == 1000
    before = layout(LLAMA_8B, engine_version=(0, 20, 0), max_model_len=1000)
    assert before.capacity(63 * LLAMA_BLOCK) == 1008


@pytest.mark.parametrize(
    ("version", "caching", "states"),
    [
        ((0, 25, 0), None, 1),
        ((0, 26, 0), None, 2),
        ((0, 27, 0), None, 1),
        ((0, 28, 0), None, 2),
        ((0, 28, 0), False, 1),
        ((0, 25, 0), True, 2),
        ((0, 14, 1), True, 1),
    ],
)
def test_a_request_keeps_its_state_twice_where_prefixes_are_cached(
    version: tuple[int, int, int], *, caching: bool | None, states: int
) -> None:
    """ "align" is there from 0.15 on; hybrids cache by default in 0.26 and from 0.28 on."""
    found = layout(QWEN3_NEXT, engine_version=version, prefix_caching=caching)
    kept = [g.blocks(4096, found.settings) for g in found.groups if g.layer.kind == "state"]
    assert kept == [states] * 3


def test_draft_tokens_keep_a_state_each() -> None:
    found = layout(
        QWEN3_NEXT, engine_version=(0, 25, 0), speculative_tokens=2, prefix_caching=False
    )
    kept = {g.blocks(4096, found.settings) for g in found.groups if g.layer.kind == "state"}
    assert kept == {3}


@pytest.mark.parametrize("model", MIXED)
@pytest.mark.parametrize("version", [(0, 9, 1), (0, 14, 0), (0, 19, 0), (0, 25, 0), (0, 33, 0)])
def test_the_longest_request_passes_the_check_and_one_block_more_does_not(
    model: str, version: tuple[int, int, int]
) -> None:
    found = layout(model, engine_version=version)
    limit = found.settings.max_model_len
    least = found.needed_bytes(1)

    @example(max_examples=40, deadline=None)
    @given(share=st.floats(0.0, 1.2))
    def check(share: float) -> None:
        available = least + share * (found.needed_bytes(limit) - least)
        longest = found.longest(available, limit)
        assert found.needed_bytes(longest) <= available
        if longest < limit:
            assert found.needed_bytes(longest + 1) > available

    check()


def test_nothing_fits_into_no_memory() -> None:
    found = layout(LLAMA_8B)
    assert found.longest(0, 1000) == 0
    assert found.longest(-5.0, 1000) == 0
    assert found.blocks(-5.0) == 0
    assert found.capacity(0.0) == 0
    assert found.concurrency(0.0, 1000) == 0


@pytest.mark.parametrize("tokens", [16, 1024, 65_536, 131_072])
def test_concurrency_is_blocks_over_blocks_of_a_request(tokens: int) -> None:
    found = layout(LLAMA_8B)
    assert found.concurrency(8192 * LLAMA_BLOCK, tokens) == 8192 * 16 / tokens


@pytest.mark.parametrize(("tokens", "blocks"), [(16, 2), (17, 3), (2144, 135), (2145, 135)])
def test_a_window_holds_one_token_less_than_its_width_and_a_block_more(
    tokens: int, blocks: int
) -> None:
    """`SlidingWindowSpec`: cdiv(min(window - 1 + F, L), block) + 1; a window of 128 with a step
    of 2017 tokens is 2144 tokens, 134 blocks, and never more."""
    found = layout(GPT_OSS_20B, engine_version=(0, 25, 0), max_num_batched_tokens=2017)
    windows = next(group for group in found.groups if group.layer.kind == "sliding")
    assert windows.blocks(tokens, found.settings) == blocks
