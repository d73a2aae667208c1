"""The preload Job's program against a hub that behaves and one that does not."""

import random
import signal

import pytest

from tests.unit.programs.conftest import (
    REVISION,
    SOURCE,
    TOKEN,
    Preload,
    end,
    locked,
    repository,
    wait_until,
)
from tests.unit.programs.hub_files import BLOCK, FileHub

FIRST = "model-00001-of-00002.safetensors"
TOTAL = sum(map(len, repository().values()))
pytestmark = pytest.mark.timeout(60)


def test_a10_a_model_comes_whole_and_is_marked_last(preload: Preload, hub: FileHub) -> None:
    out = preload.succeeds("fetch")
    preload.is_served(repository())
    assert sum(hub.sent.values()) == TOTAL
    assert "100 %" in out
    assert "complete, 4 files verified" in out


def test_the_token_goes_to_the_hub_and_to_no_other_host(preload: Preload, hub: FileHub) -> None:
    preload.succeeds("fetch")
    assert set(hub.tokens) == {f"Bearer {TOKEN}"}
    assert hub.storage_tokens == [None, None]


def test_a_second_run_fetches_nothing(preload: Preload, hub: FileHub) -> None:
    preload.succeeds("fetch")
    hub.sent.clear()
    assert "complete already, skipped" in preload.succeeds("fetch")
    assert not hub.sent


def test_without_the_marker_files_are_verified_again_and_kept(
    preload: Preload, hub: FileHub
) -> None:
    preload.succeeds("fetch")
    (preload.folder / ".complete").unlink()
    (preload.folder / FIRST).write_bytes(bytes(1_500_000))  # of the right size
    hub.sent.clear()
    out = preload.succeeds("fetch")
    assert f"{FIRST}: there, but not verified" in out
    assert out.count("skipped, verified again") == 3
    assert set(hub.sent) == {FIRST}
    preload.is_served(repository())


def test_a_file_more_in_the_plan_is_fetched_without_reading_the_others(
    preload: Preload, hub: FileHub
) -> None:
    preload.succeeds("fetch")
    hub.files["vocab.json"] = b"{}"
    hub.sent.clear()
    preload.plan["models"] = [locked(hub.files)]
    assert "vocab.json was not verified against this lock" in preload.refuses("check")
    out = preload.succeeds("fetch")
    assert out.count("skipped, an earlier run verified it") == 4
    assert hub.sent == {"vocab.json": 2}
    preload.is_served(hub.files)


def test_a10_killed_at_any_moment_it_goes_on_from_the_bytes_that_are_there(
    preload: Preload, hub: FileHub
) -> None:
    """Nothing is sent twice, but for what was on its way to a process that was gone."""
    hub.block_seconds = 0.03
    chosen, kills = random.Random(10), 4
    for _ in range(kills):
        before = sum(hub.sent.values())
        process = preload.start("fetch")
        more = before + chosen.randrange(BLOCK, TOTAL // 5)
        wait_until(lambda more=more: sum(hub.sent.values()) >= more)
        assert end(process, signal.SIGKILL) < 2
        preload.finish(process)
        preload.is_not_served()
    hub.block_seconds = 0
    preload.succeeds("fetch")
    preload.is_served(repository())
    assert TOTAL <= sum(hub.sent.values()) <= TOTAL + kills * 2 * 4 * BLOCK
    assert max(hub.starts[FIRST]) > 0


def test_sigterm_ends_it_at_once_and_keeps_what_came(preload: Preload, hub: FileHub) -> None:
    hub.block_seconds = 0.1
    process = preload.start("fetch")
    wait_until(lambda: preload.partial_bytes() > 3 * BLOCK)
    assert end(process, signal.SIGTERM) < 2
    code, _, err = preload.finish(process)
    assert code == 128 + signal.SIGTERM
    assert err == "told to stop; the next run goes on from what is there\n"
    preload.is_not_served()
    kept = preload.partial_bytes()
    assert kept > 3 * BLOCK
    hub.sent.clear()
    hub.block_seconds = 0
    preload.succeeds("fetch")
    preload.is_served(repository())
    assert sum(hub.sent.values()) <= TOTAL - kept + 2 * BLOCK, "the hub may notice the end late"


def test_a10_wrong_content_of_the_right_size_is_never_kept(preload: Preload, hub: FileHub) -> None:
    hub.instead[FIRST] = bytes(1_500_000)
    assert f"{FIRST} of team/model@111111111111 came twice" in preload.fails_to_fetch()
    assert hub.starts[FIRST] == [0, 0]
    hub.instead.clear()
    preload.succeeds("fetch")
    preload.is_served(repository())


def test_a_small_file_that_only_git_hashes_is_verified_too(preload: Preload, hub: FileHub) -> None:
    hub.instead["config.json"] = b'{"model_type": "gemma"}'
    assert "config.json of team/model@111111111111 came twice" in preload.fails_to_fetch()


def test_a_half_fetched_file_that_was_damaged_is_fetched_anew(
    preload: Preload, hub: FileHub
) -> None:
    part = preload.folder / ".partial" / FIRST
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(700_000))
    assert f"{FIRST}: 1500000 bytes came that do not verify; deleted" in preload.succeeds("fetch")
    assert hub.starts[FIRST] == [700_000, 0]
    preload.is_served(repository())


@pytest.mark.parametrize("length", [700_000, 1_600_000])
def test_a10_a_file_of_another_length_is_never_kept(
    preload: Preload, hub: FileHub, length: int
) -> None:
    hub.instead[FIRST] = (repository()[FIRST] * 2)[:length]
    sentence = preload.fails_to_fetch()
    expected = "the answer ended early, 4 times in a row" if length < 1_500_000 else "came twice"
    assert f"{FIRST} of team/model@111111111111" in sentence
    assert expected in sentence


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    preload: Preload, hub: FileHub
) -> None:
    """More often than there are pauses: each time something came."""
    hub.cuts = [200_000] * 8
    out = preload.succeeds("fetch")
    assert "the connection broke (RemoteProtocolError); again in" in out
    assert sum(hub.sent.values()) == TOTAL
    preload.is_served(repository())


def test_a_server_without_ranges_begins_anew(preload: Preload, hub: FileHub) -> None:
    hub.ranges = False
    hub.cuts = [200_000]
    preload.succeeds("fetch")
    assert sum(hub.sent.values()) == TOTAL + 200_000
    preload.is_served(repository())


def test_a_silent_server_is_given_up(preload: Preload, hub: FileHub) -> None:
    hub.silent = True
    preload.plan |= {"timeout_seconds": 0.3, "pauses_seconds": [0.02]}
    assert "the connection broke (ReadTimeout), 2 times in a row" in preload.fails_to_fetch()


def test_a_hub_that_is_not_there_is_given_up(preload: Preload) -> None:
    preload.endpoint = "http://127.0.0.1:9"
    assert "the connection broke (ConnectError), 4 times in a row" in preload.fails_to_fetch()


def test_a_slow_server_is_waited_for_and_reported(preload: Preload, hub: FileHub) -> None:
    hub.block_seconds = 0.16
    progress = [line for line in preload.succeeds("fetch").splitlines() if " %" in line]
    assert len(progress) >= 2
    assert "s left, now model-0000" in progress[0]
    assert " MB/s" in progress[0]
    preload.is_served(repository())


@pytest.mark.parametrize("status", [401, 403])
def test_a10_a_gated_model_names_its_licence_and_the_key(
    preload: Preload, hub: FileHub, status: int
) -> None:
    hub.refuses = (status, {"X-Error-Code": "GatedRepo"})
    preload.plan["models"][0]["gated"] = True
    sentence = preload.fails_to_fetch()
    assert f"https://huggingface.co/{SOURCE}" in sentence
    assert "hub.token" in sentence
    assert len(hub.tokens) <= 4, "each of the four workers may have asked once"


@pytest.mark.parametrize(
    ("status", "part"), [(401, "does not exist or is private"), (404, "make lock MODEL=team/model")]
)
def test_what_no_patience_helps_against_fails_at_once(
    preload: Preload, hub: FileHub, status: int, part: str
) -> None:
    hub.refuses = (status, {})
    assert part in preload.fails_to_fetch()
    assert len(hub.tokens) <= 4


def test_a_revision_that_is_gone_is_said(preload: Preload) -> None:
    preload.plan["models"][0]["revision"] = "2" * 40
    assert "no longer has team/model@222222222222" in preload.refuses("fetch")
    assert "is not to be served" in preload.refuses("check")


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {"RateLimit": '"resolvers";r=0;t=1'}])
def test_a_limit_of_rate_is_waited_out(
    preload: Preload, hub: FileHub, headers: dict[str, str]
) -> None:
    preload.plan["models"][0]["files"] = preload.plan["models"][0]["files"][1:2]
    hub.refusals = [(429, headers)]
    assert "the hub answered 429; again in 1.0 s" in preload.succeeds("fetch")
    assert hub.times[1] - hub.times[0] > 0.99
    preload.is_served({FIRST: repository()[FIRST]})


def test_a_hub_that_recovers_is_asked_again_and_one_that_does_not_is_given_up(
    preload: Preload, hub: FileHub
) -> None:
    hub.refuses = (503, {})
    assert "the hub answered 503, 4 times in a row" in preload.fails_to_fetch()
    hub.refuses, hub.refusals = None, [(503, {}), (500, {}), (502, {})]
    preload.succeeds("fetch")
    preload.is_served(repository())


def test_an_incomplete_lock_is_completed_with_small_files_only(
    preload: Preload, hub: FileHub
) -> None:
    more = {"merges.txt": b"a b", "chat_template.jinja": b"{{ x }}", "params.json": b"{}"}
    unwanted = {
        "modeling.py": b"import os",
        "pytorch_model.bin": bytes(BLOCK),
        "consolidated.safetensors": bytes(BLOCK),
        "original/params.json": b"{}",
        "README.md": b"# model",
    }
    hub.files |= more | unwanted
    model = locked(
        repository(), complete=False, ignored=["consolidated.safetensors", "params.json"]
    )
    model["files"][0] |= {"sha256": None, "git_blob": None}  # only the hub knows it
    preload.plan["models"] = [model]
    hub.instead["merges.txt"] = b"a c"
    assert "merges.txt of team/model@111111111111 came twice" in preload.fails_to_fetch()
    hub.instead.clear()
    preload.succeeds("fetch")
    del more["params.json"]
    preload.is_served(repository() | more)
    assert not set(unwanted) & set(hub.sent)


def test_a_file_that_the_hub_lists_otherwise_is_refused(preload: Preload) -> None:
    preload.plan["models"][0]["files"][0] |= {"sha256": None, "git_blob": None, "size": 5}
    assert "config.json of 5 bytes is not in its listing" in preload.fails_to_fetch()


def test_several_models_of_a_plan_are_each_marked(preload: Preload) -> None:
    other = locked(repository(), revision="2" * 40)
    preload.plan["models"].append(other)
    assert "the hub answers 404" in preload.refuses("fetch")
    assert f"{SOURCE}@222222222222" in preload.refuses("check")
    del preload.plan["models"][1]
    preload.is_served(repository())
    assert (preload.folder.parent / REVISION / ".complete").exists()
