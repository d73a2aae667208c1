"""Copies from one volume to another, and revisions that nobody uses any more."""

from pathlib import Path

from tests.unit.programs.conftest import REVISION, Preload, fill, repository

FIRST = "model-00001-of-00002.safetensors"


def test_a_copy_is_verified_and_marked(offline: Preload, tmp_path: Path) -> None:
    fill(tmp_path / "shared")
    offline.plan["from"] = str(tmp_path / "shared")
    offline.succeeds("copy")
    offline.is_served(repository())
    assert "complete already, skipped" in offline.succeeds("copy")


def test_a_copy_brings_what_the_hub_added_to_an_incomplete_lock(
    offline: Preload, tmp_path: Path
) -> None:
    fill(tmp_path / "shared")
    del offline.plan["models"][0]["files"][0]
    offline.plan["models"][0]["complete"] = False
    offline.plan["from"] = str(tmp_path / "shared")
    offline.succeeds("copy")
    offline.is_served(repository())


def test_a_source_that_rotted_is_not_copied(offline: Preload, tmp_path: Path) -> None:
    folder = fill(tmp_path / "shared")
    (folder / FIRST).write_bytes(bytes(1_500_000))
    offline.plan["from"] = str(tmp_path / "shared")
    sentence = offline.refuses("copy")
    assert f"{FIRST} of team/model@111111111111 came twice" in sentence
    assert f"remove .complete in {folder} and run the preload Job" in sentence
    offline.is_not_served()


def test_an_unfinished_source_is_not_copied(offline: Preload, tmp_path: Path) -> None:
    (fill(tmp_path / "shared") / ".complete").unlink()
    offline.plan["from"] = str(tmp_path / "shared")
    assert "is not to be served: its .complete is not there" in offline.refuses("copy")
    offline.is_not_served()


def test_a_copy_goes_on_from_what_is_there(offline: Preload, tmp_path: Path) -> None:
    fill(tmp_path / "shared")
    part = offline.folder / ".partial" / FIRST
    part.parent.mkdir(parents=True)
    part.write_bytes(repository()[FIRST][:700_000])
    offline.plan["from"] = str(tmp_path / "shared")
    assert "deleted" not in offline.succeeds("copy")
    offline.is_served(repository())


def test_collect_removes_what_the_plan_does_not_name_and_nothing_else(
    offline: Preload, tmp_path: Path
) -> None:
    kept, old = fill(offline.volume), fill(offline.volume, "2" * 40)
    other = fill(offline.volume, "3" * 40, "another/model")
    half_deleted = fill(offline.volume, ".gone-" + REVISION)
    elsewhere = fill(tmp_path / "elsewhere", "4" * 40)
    (old.parent / ("4" * 40)).symlink_to(elsewhere)
    (offline.volume / "linked").symlink_to(tmp_path / "elsewhere" / "team")
    (old / "inner").symlink_to(elsewhere)
    spared = [
        offline.volume / "lost+found" / "x" / ("5" * 40),
        offline.volume / "team" / "model" / "main",
        offline.volume / "team" / ("6" * 40),
        offline.volume / "7777777" / "model" / ("7" * 39),
    ]
    for folder in spared:
        folder.mkdir(parents=True)
    out = offline.succeeds("collect")
    assert out.count("removed ") == 3
    assert not any(folder.exists() for folder in (old, other, half_deleted))
    assert all(folder.is_dir() for folder in (kept, *spared))
    assert len(list(elsewhere.iterdir())) == 5
    offline.succeeds("check")
