"""Published starts lie within the range that the phases add up to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.sizing.start_up import (
    STORAGE,
    Phase,
    Range,
    StartUp,
    phases,
    probe_seconds,
    total,
)

LLAMA_8B = StartUp(weight_gib=14.96, layers=32)


def seconds(start: StartUp, name: str) -> Range:
    return next(part.seconds for part in phases(start) if part.name == name)


@pytest.mark.parametrize(
    ("start", "measured"),
    [
        pytest.param(
            StartUp(weight_gib=52, layers=64, storage="unknown"), 966, id="kaito-2325-cold"
        ),
        pytest.param(
            StartUp(weight_gib=21.8, layers=40, storage="nvme", new_node=False),
            277,
            id="vllm-44881-rtx-5090",
        ),
        pytest.param(
            StartUp(weight_gib=61, layers=64, storage="page-cache", compile="warm", new_node=False),
            106,
            id="kempner-qwen2.5-32b-cached",
        ),
        pytest.param(
            StartUp(
                weight_gib=68,
                layers=80,
                storage="page-cache",
                tensor_parallel=8,
                graph_sizes=67,
                new_node=False,
            ),
            60 + 10 + 15 + 70 + 60,
            id="vllm-19824-llama-70b-tp8",
        ),
        pytest.param(
            # vLLM 0.5.5 did not compile yet and captured 35 sizes.
            replace(
                LLAMA_8B,
                storage="gp3",
                throughput_mib_per_second=1000,
                compile="off",
                graph_sizes=35,
                new_node=False,
            ),
            66,
            id="run-ai-llama-3-8b-gp3",
        ),
    ],
)
def test_a_published_start_lies_within_the_range(start: StartUp, measured: float) -> None:
    whole = total(phases(start))
    assert whole.low < measured < whole.high
    assert whole.expected < 2 * measured
    assert measured < 2.5 * whole.expected


@pytest.mark.parametrize(
    ("storage", "streamed", "measured"),
    [("gp3", False, 47.99), ("gp3", True, 14.34), ("io2", False, 44), ("io2", True, 7.53)],
)
def test_weights_take_what_run_ai_measured_on_ebs(
    storage: str, *, streamed: bool, measured: float
) -> None:
    """15 GB; a gp3 volume with 1000 MiB/s."""
    bought = 1000 if storage == "gp3" else None
    start = StartUp(
        weight_gib=15e9 / 2**30,
        layers=32,
        storage=storage,
        streamed=streamed,
        throughput_mib_per_second=bought,
    )
    took = seconds(start, "weights")
    assert took.low * 0.99 < measured < took.high * 1.01
    assert took.expected == pytest.approx(measured, rel=0.1)


def test_a_default_gp3_volume_reads_125_mib_a_second() -> None:
    start = replace(LLAMA_8B, storage="gp3")
    assert seconds(start, "weights").expected == pytest.approx(14.96 * 1024 / 125)


def test_a_faster_volume_does_not_help_the_default_loader_beyond_its_own_speed() -> None:
    fast = replace(LLAMA_8B, storage="gp3", throughput_mib_per_second=500)
    faster = replace(fast, throughput_mib_per_second=1000)
    assert seconds(fast, "weights") == seconds(faster, "weights")
    streamed = replace(faster, streamed=True)
    assert seconds(streamed, "weights").expected < seconds(faster, "weights").expected / 2.5


def test_a_new_pod_that_copies_first_takes_as_long_as_the_shared_volume_delivers() -> None:
    """It is no part of the engine's container, so its probe does not wait for it."""
    read = replace(LLAMA_8B, storage="nvme")
    copied = replace(read, copied_from="efs")
    assert seconds(copied, "copy").expected == LLAMA_8B.weight_gib * 1024 / 1500
    assert probe_seconds(phases(copied)) == probe_seconds(phases(read))
    with pytest.raises(ValueError, match="storage 'tape' is unknown; choose one of gp3, io2"):
        phases(replace(read, copied_from="tape"))


def test_enforce_eager_neither_compiles_nor_captures() -> None:
    eager = replace(LLAMA_8B, compile="off", graph_sizes=0)
    assert seconds(eager, "compile") == seconds(eager, "graphs") == Range(0, 0, 0)


def test_a_shared_cache_turns_compiling_into_seconds() -> None:
    cold, warm = (seconds(replace(LLAMA_8B, compile=how), "compile") for how in ("cold", "warm"))
    assert warm.high <= 25 < cold.expected


def test_a_node_that_is_there_has_the_image_too() -> None:
    there = replace(LLAMA_8B, new_node=False)
    assert seconds(there, "node") == seconds(there, "image") == Range(0, 0, 0)
    assert probe_seconds(phases(there)) == probe_seconds(phases(LLAMA_8B))


def test_one_gpu_waits_for_no_links() -> None:
    assert seconds(LLAMA_8B, "links") == Range(0, 0, 0)
    assert seconds(replace(LLAMA_8B, tensor_parallel=2), "links").high == 60


def test_graphs_take_time_by_their_number() -> None:
    one, ten = (seconds(replace(LLAMA_8B, graph_sizes=n), "graphs") for n in (1, 10))
    assert ten.expected == pytest.approx(10 * one.expected)


def test_the_probe_allows_the_longest_start_inside_the_container() -> None:
    parts = (
        Phase("node", Range(1, 2, 1000), in_container=False, source=""),
        Phase("engine", Range(1, 2, 4), in_container=True, source=""),
        Phase("weights", Range(10, 20, 40), in_container=True, source=""),
    )
    assert probe_seconds(parts) == 44
    assert total(parts) == Range(12, 24, 1044)


@given(
    weight_gib=st.floats(0.1, 2000),
    layers=st.integers(1, 200),
    storage=st.sampled_from(list(STORAGE)),
    streamed=st.booleans(),
    bought=st.none() | st.floats(1, 1e5),
    graph_sizes=st.integers(0, 200),
)
def test_every_phase_is_ordered_and_sourced(
    weight_gib: float,
    layers: int,
    storage: str,
    *,
    streamed: bool,
    bought: float | None,
    graph_sizes: int,
) -> None:
    start = StartUp(
        weight_gib=weight_gib,
        layers=layers,
        storage=storage,
        streamed=streamed,
        throughput_mib_per_second=bought,
        graph_sizes=graph_sizes,
    )
    parts = phases(start)
    names = [part.name for part in parts]
    assert names == ["node", "image", "engine", "links", "weights", "compile", "graphs"]
    for part in parts:
        assert 0 <= part.seconds.low <= part.seconds.expected <= part.seconds.high
        assert part.source
    heavier = replace(start, weight_gib=2 * weight_gib)
    assert total(phases(heavier)).expected > total(parts).expected


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (
            replace(LLAMA_8B, storage="tape"),
            "storage 'tape' is unknown; choose one of gp3, io2, efs, fsx-lustre, s3, nvme, "
            "page-cache, unknown",
        ),
        (replace(LLAMA_8B, weight_gib=0), "weight_gib 0 must be above 0"),
        (replace(LLAMA_8B, graph_sizes=-1), "graph_sizes -1 must be 0 or more"),
        (
            replace(LLAMA_8B, throughput_mib_per_second=0),
            "throughput_mib_per_second 0 must be above 0",
        ),
    ],
)
def test_a_wrong_number_is_refused_with_its_key(start: StartUp, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared below
        phases(start)
    assert str(caught.value) == sentence
