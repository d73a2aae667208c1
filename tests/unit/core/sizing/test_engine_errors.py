"""The engine's own words, copied from the sources of each version."""

import pytest

from components.core.sizing.engine_errors import more_than_stored, no_memory, too_small
from tests.unit.core.sizing.published import GIB

SEE = "See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
HOST = "(this flag also controls CPU memory reservation on the CPU backend, despite its name)"


@pytest.mark.parametrize(
    ("version", "end"),
    [
        ((0, 8, 5), "initializing the engine."),
        ((0, 12, 0), "initializing the engine."),
        ((0, 13, 0), f"initializing the engine. {SEE}"),
        ((0, 21, 0), f"initializing the engine. {SEE}"),
        ((0, 22, 1), f"initializing the engine {HOST}. {SEE}"),
        ((0, 33, 0), f"initializing the engine {HOST}. {SEE}"),
    ],
)
def test_no_memory_for_blocks(version: tuple[int, int, int], end: str) -> None:
    assert no_memory(version) == (
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        + end
    )


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (
            (0, 8, 2),
            "To serve at least one request with the models's max seq len (131072), (16.00 GB KV "
            "cache is needed, which is larger than the available KV cache memory (3.50 GB). Try "
            "increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing "
            "the engine.",
        ),
        (
            (0, 8, 5),
            "To serve at least one request with the models's max seq len (131072), (16.00 GiB KV "
            "cache is needed, which is larger than the available KV cache memory (3.50 GiB). Try "
            "increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing "
            "the engine.",
        ),
        (
            (0, 12, 0),
            "To serve at least one request with the models's max seq len (131072), (16.00 GiB KV "
            "cache is needed, which is larger than the available KV cache memory (3.50 GiB). Based "
            "on the available memory, the estimated maximum model length is 28672. Try increasing "
            "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.",
        ),
        (
            (0, 21, 0),
            "To serve at least one request with the models's max seq len (131072), (16.0 GiB KV "
            "cache is needed, which is larger than the available KV cache memory (3.5 GiB). Based "
            "on the available memory, the estimated maximum model length is 28672. Try increasing "
            "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine. "
            + SEE,
        ),
        (
            (0, 22, 1),
            "To serve at least one request with the model's max seq len (131072), (16.0 GiB KV "
            "cache is needed, which is larger than the available KV cache memory (3.5 GiB). Based "
            "on the available memory, the estimated maximum model length is 28672. Try increasing "
            "`gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or "
            f"decreasing `max_model_len` when initializing the engine. {SEE}",
        ),
    ],
)
def test_one_request_does_not_fit(version: tuple[int, int, int], text: str) -> None:
    assert too_small(version, 131_072, 16 * GIB, 3.5 * GIB, 28_672) == text


def test_without_a_length_that_fits_no_estimate_is_printed() -> None:
    assert "estimated" not in too_small((0, 33, 0), 4096, 2 * GIB, 0.01 * GIB, 0)


def test_the_first_engine_speaks_of_tokens() -> None:
    assert more_than_stored(131_072, 28_672) == (
        "The model's max seq len (131072) is larger than the maximum number of tokens that can be "
        "stored in KV cache (28672). Try increasing `gpu_memory_utilization` or decreasing "
        "`max_model_len` when initializing the engine."
    )
