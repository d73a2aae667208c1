"""A lock that changes under a revision, and what lies beside or instead of what it lists."""

import pytest

from tests.unit.programs.conftest import Preload, locked, repository
from tests.unit.programs.hub_files import FileHub

FIRST = "model-00001-of-00002.safetensors"
pytestmark = pytest.mark.timeout(60)


def test_a_relock_that_fails_leaves_the_earlier_lock_served(preload: Preload, hub: FileHub) -> None:
    """Its servers may restart at any time, and their files are whole."""
    preload.succeeds("fetch")
    earlier = preload.plan["models"]
    hub.files["vocab.json"] = b"{}"
    preload.plan["models"] = [locked(hub.files)]
    hub.refuses = (503, {})
    assert "the hub answered 503" in preload.refuses("fetch")
    assert "vocab.json was not verified against this lock" in preload.refuses("check")
    preload.plan["models"] = earlier
    preload.succeeds("check")


def test_a_relock_that_replaces_a_file_takes_the_marker_away_first(
    preload: Preload, hub: FileHub
) -> None:
    preload.succeeds("fetch")
    earlier = preload.plan["models"]
    hub.files["config.json"] = b'{"model_type": "gemma"}'
    preload.plan["models"] = [locked(hub.files)]
    hub.refuses = (503, {})
    preload.fails_to_fetch()
    preload.plan["models"] = earlier
    assert "its .complete is not there" in preload.refuses("check")


def test_strays_are_removed_before_the_marker_is_written(preload: Preload) -> None:
    preload.succeeds("fetch")
    for name in ("extra.safetensors", "modeling.py", "consolidated.safetensors"):
        (preload.folder / name).write_bytes(b"x")
    assert "consolidated.safetensors is there" in preload.refuses("check")
    assert preload.succeeds("fetch").count("removed, for the lock does not list it") == 3
    preload.is_served(repository())


def test_a_file_that_an_earlier_lock_listed_and_this_one_ignores_is_removed(
    preload: Preload, hub: FileHub
) -> None:
    preload.succeeds("fetch")
    del hub.files[FIRST]
    preload.plan["models"] = [locked(hub.files, ignored=[FIRST])]
    assert f"{FIRST}: removed" in preload.succeeds("fetch")
    preload.is_served(hub.files)


@pytest.mark.parametrize("size", [(64 << 20) + 1, 1 << 50])
def test_a_large_file_that_no_lock_lists_is_refused(
    preload: Preload, hub: FileHub, size: int
) -> None:
    hub.files["params.json"] = b"{}"
    hub.sizes["params.json"] = size
    preload.plan["models"] = [locked(repository(), complete=False)]
    sentence = preload.fails_to_fetch()
    assert f"params.json of {size} bytes" in sentence
    assert "make lock MODEL=team/model" in sentence
    assert not hub.sent


def test_a_large_file_that_an_incomplete_lock_lists_comes(preload: Preload, hub: FileHub) -> None:
    """The bound is for what nobody locked: this one gets as far as its bytes."""
    hub.sizes["tokenizer.json"] = 1 << 27
    model = locked(repository(), complete=False)
    model["files"][3]["size"] = 1 << 27
    preload.plan |= {"models": [model], "pauses_seconds": []}
    assert "tokenizer.json of team/model@111111111111: the answer ended" in preload.fails_to_fetch()


@pytest.mark.parametrize(
    "page", [b"<html>Sign in</html>", b"[]", b"{}", b"\xff", b'{"id": "x", "siblings": [{}]}']
)
def test_a_proxy_that_answers_for_the_hub_is_waited_out_and_then_said(
    preload: Preload, hub: FileHub, page: bytes
) -> None:
    preload.plan["models"] = [locked(repository(), complete=False)]
    hub.page = page
    sentence = preload.fails_to_fetch()
    assert "the listing of team/model@111111111111: the answer is not the hub's" in sentence
    assert "4 times in a row" in sentence
    hub.page = None
    preload.succeeds("fetch")
    preload.is_served(repository())
