"""What holds for any model, GPU and setting."""

import json
import math
import time
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import settings as example
from hypothesis import strategies as st

from components.core.architecture import ArchitectureError, read_architecture
from components.core.sizing.limits import refusals
from components.core.sizing.request import Device, Load
from components.core.sizing.verdict import GIB, Fit, fit
from tests.unit.core.sizing.asking import OUTPUT, answers
from tests.unit.core.sizing.published import CONFIGS, LLAMA_8B, QWEN_7B, config

DEEPSEEK_LITE = "deepseek-ai--DeepSeek-Coder-V2-Lite-Instruct"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.json"))
VERSIONS = ["0.7.3", "0.8.5", "0.11.0", "0.14.0", "0.19.0", "0.21.0", "0.28.0", "0.33.0"]
_ODD: list[Any] = [
    None, 0, -1, 1, 2, 3, 7, 64, 128, 1000, 10**6, 2**40, 2**70, 0.5, 1e300, True, False, "",
    "none", "4096", [], [0], [1, 2], ["full_attention"], [None], {}, {"a": 1}, [[]],
]  # fmt: skip


def planned_names() -> list[str]:
    """Published models that can be sized."""
    kept: list[str] = []
    for name in NAMES:
        try:
            read_architecture(config(name))
        except ArchitectureError:
            continue
        kept.append(name)
    return kept


PLANNED = planned_names()


@st.composite
def loads(draw: st.DrawFn) -> Load:
    version = draw(st.sampled_from(VERSIONS)).split(".")
    return Load(
        engine_version=(int(version[0]), int(version[1]), int(version[2])),
        tensor_parallel_size=draw(st.sampled_from([1, 2, 4, 8])),
        pipeline_parallel_size=draw(st.sampled_from([1, 1, 2, 3])),
        gpu_memory_utilization=draw(st.sampled_from([None, 0.7, 0.9])),
        max_num_seqs=draw(st.sampled_from([16, 256, 1024])),
        max_num_batched_tokens=draw(st.sampled_from([2048, 8192])),
        kv_cache_dtype=draw(st.sampled_from(["auto", "fp8"])),
        enforce_eager=draw(st.booleans()),
    )


def on(name: str, gib: float, load: Load) -> Fit:
    return fit(read_architecture(config(name)), Device("card", gib), load, None)


@example(max_examples=300, deadline=None)
@given(st.sampled_from(PLANNED), st.floats(8, 200), loads())
def test_the_largest_length_starts_and_one_block_more_does_not(
    name: str, gib: float, load: Load
) -> None:
    """To the edge of half a GiB, within which two starts of one server differ."""
    found = on(name, gib, replace(load, max_model_len=2048))
    assume(found.longest > 0)
    shape = read_architecture(config(name))
    assume(not list(refusals(shape, Device("card", gib), load, found.settings)))
    at_most = on(name, gib, replace(load, max_model_len=found.longest))
    assert at_most.verdict != "refused", at_most.reason
    assert at_most.cache.needed_bytes(found.longest) <= at_most.available
    if found.longest < found.max_position:
        beyond = on(name, gib, replace(load, max_model_len=found.longest + 1))
        assert beyond.verdict != "will start"
        assert beyond.cache.needed_bytes(found.longest + 1) > beyond.available


@example(max_examples=200, deadline=None)
@given(st.sampled_from(PLANNED), st.floats(8, 200), loads(), st.integers(512, 200_000))
def test_the_largest_length_does_not_depend_on_the_length_asked(
    name: str, gib: float, load: Load, length: int
) -> None:
    short = on(name, gib, replace(load, max_model_len=512))
    assert on(name, gib, replace(load, max_model_len=length)).longest == short.longest


@example(max_examples=100, deadline=None)
@given(st.sampled_from([LLAMA_8B, QWEN_7B, DEEPSEEK_LITE]), st.floats(18, 48))
def test_the_first_engine_s_step_grows_with_the_length_and_its_largest_is_exact(
    name: str, gib: float
) -> None:
    """V0 reads a whole prompt in one step up to 32,768 tokens, so a longer one leaves less."""
    load = Load(engine_version=(0, 7, 3), gpu_memory_utilization=0.9)
    found = on(name, gib, replace(load, max_model_len=2048))
    assert on(name, gib, load).longest == found.longest
    if found.longest:
        most = on(name, gib, replace(load, max_model_len=found.longest))
        assert most.cache.needed_bytes(found.longest) <= most.available
    if found.longest < found.max_position:
        beyond = on(name, gib, replace(load, max_model_len=found.longest + 1))
        assert beyond.cache.needed_bytes(found.longest + 1) > beyond.available


@example(max_examples=300, deadline=None)
@given(st.sampled_from(PLANNED), st.floats(8, 200), st.floats(0, 100), loads())
def test_more_memory_never_turns_a_start_into_a_refusal(
    name: str, gib: float, more: float, load: Load
) -> None:
    """With sequences and tokens given: their defaults grow at 70 and 160 GiB."""
    asked = replace(load, max_model_len=4096)
    before, after = on(name, gib, asked), on(name, gib + more, asked)
    if before.verdict == "will start":
        assert after.verdict == "will start", after.reason
    if before.verdict == "may fail late":
        assert after.verdict != "refused", after.reason
    assert after.longest >= before.longest
    assert after.tokens >= before.tokens


@example(max_examples=200, deadline=None)
@given(st.sampled_from(PLANNED), st.floats(8, 300), loads())
def test_words_of_the_engine_go_with_a_refusal_and_never_with_a_start(
    name: str, gib: float, load: Load
) -> None:
    found = on(name, gib, load)
    assert found.reason
    if found.verdict == "refused":
        assert found.expected_error
    if found.verdict == "will start":
        assert not found.expected_error
        assert found.available >= found.cache.needed_bytes(found.settings.max_model_len)
    parts = found.weights + found.overhead.total + found.available
    assert math.isclose(parts, gib * GIB * found.settings.utilization, rel_tol=1e-9)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A published config with one to three of its values, at any depth, replaced or taken out."""
    changed = config(draw(st.sampled_from(NAMES)))
    for _ in range(draw(st.integers(1, 3))):
        holder = changed
        while holder:
            key = draw(st.sampled_from(sorted(holder)))
            inner = holder[key]
            if isinstance(inner, dict) and inner and draw(st.booleans()):
                holder = cast("dict[str, Any]", inner)
                continue
            if draw(st.booleans()):
                holder[key] = deepcopy(draw(st.sampled_from(_ODD)))
            else:
                del holder[key]
            break
    return changed


def _timed(line: str) -> tuple[dict[str, Any], float]:
    began = time.process_time()
    (found,) = answers(line)
    return found, time.process_time() - began


@pytest.mark.timeout(120)
@example(max_examples=600, deadline=None)
@given(
    mutated(),
    st.sampled_from([1, 2, 3, 8]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(VERSIONS),
)
def test_a_mutated_config_gets_an_answer_or_an_error_within_50_ms(
    changed: dict[str, Any], tensor: int, stages: int, version: str
) -> None:
    line = json.dumps(
        {
            "config": changed,
            "gpu": "H100",
            "engine_version": version,
            "tensor_parallel_size": tensor,
            "pipeline_parallel_size": stages,
        }
    )
    found, seconds = _timed(line)
    if seconds >= 0.05:  # another process may have had the caches
        seconds = min(_timed(line)[1] for _ in range(4))
    assert seconds < 0.05
    if "error" in found:
        assert set(found) == {"error"}
        assert found["error"]
        assert "\n" not in found["error"]
        return
    assert set(found) == OUTPUT
    figures = [value for value in found.values() if isinstance(value, int | float)]
    assert all(math.isfinite(value) and value >= 0 for value in figures), found
