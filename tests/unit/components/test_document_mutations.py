"""Whatever stands in a stack file, the answer is settings or sentences, never a traceback."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.document import ROOT, DocumentError, PlatformSettings, read_document
from tests.rendering import STACKS, document

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def _paths(value: object, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document below its root."""
    if isinstance(value, dict):
        items: list[tuple[Any, Any]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType] - JSON
    elif isinstance(value, list):
        items = list(enumerate(value))  # pyright: ignore[reportUnknownArgumentType] - JSON
    else:
        return []
    return [
        path for key, inner in items for path in [(*prefix, key), *_paths(inner, (*prefix, key))]
    ]


@st.composite
def _mutations(draw: st.DrawFn) -> dict[str, Any]:
    """A committed document with one to three random faults."""
    mutated = document(draw(st.sampled_from(STACKS)))
    for _ in range(draw(st.integers(1, 3))):
        places = _paths(mutated)
        if not places:
            break
        *outer, last = draw(st.sampled_from(places))
        place: Any = mutated
        for part in outer:
            place = place[part]
        match draw(st.sampled_from(["delete", "rename", "replace"])):
            case "delete":
                del place[last]
            case "rename" if isinstance(last, str):
                place[draw(st.text(max_size=12))] = place.pop(last)
            case _:
                place[last] = draw(_JSON)
    return mutated


@settings(max_examples=200, deadline=None)
@given(_mutations())
def test_any_mutation_is_either_settings_or_sentences_that_name_a_key(
    mutated: dict[str, Any],
) -> None:
    try:
        assert isinstance(read_document(mutated), PlatformSettings)
    except DocumentError as error:
        lines = str(error).splitlines()
        assert any(line.startswith(ROOT) for line in lines)
        assert all(line.strip() for line in lines)


@settings(max_examples=100, deadline=None)
@given(_JSON)
def test_any_value_at_all_is_answered_in_sentences(value: object) -> None:
    with pytest.raises(DocumentError, match=f"^{ROOT}"):
        read_document(value)
