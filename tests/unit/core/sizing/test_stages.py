"""How a pipeline shares layers out (`get_pp_indices` of vLLM's `distributed/utils.py`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.sizing.stages import stage_sizes


@pytest.mark.parametrize(
    ("layers", "stages", "sizes"),
    [
        (28, 1, [28]),
        (28, 3, [9, 10, 9]),
        (61, 4, [15, 15, 16, 15]),
        (62, 4, [15, 16, 16, 15]),
        (63, 4, [16, 16, 16, 15]),
        (31, 2, [16, 15]),
        (3, 5, [0, 1, 1, 1, 0]),
    ],
)
def test_what_is_over_goes_to_the_stages_before_the_last(
    layers: int, stages: int, sizes: list[int]
) -> None:
    assert stage_sizes(layers, stages) == sizes


@given(st.integers(1, 200), st.integers(1, 64))
def test_every_layer_has_a_stage_and_the_last_is_never_the_fuller(layers: int, stages: int) -> None:
    sizes = stage_sizes(layers, stages)
    assert len(sizes) == stages
    assert sum(sizes) == layers
    assert max(sizes) - min(sizes) <= 1
    assert sizes[-1] == min(sizes)
