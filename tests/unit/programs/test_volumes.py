"""What the program does with volumes: checks them, shares them, and fills them up."""

import errno
import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.programs.conftest import (
    REVISION,
    SOURCE,
    Preload,
    fill,
    repository,
    wait_until,
)
from tests.unit.programs.hub_files import FileHub

FIRST = "model-00001-of-00002.safetensors"
pytestmark = pytest.mark.timeout(60)


def test_a_server_starts_on_what_a_job_finished(offline: Preload) -> None:
    fill(offline.volume)
    before = {path: path.stat().st_mtime_ns for path in offline.volume.rglob("*")}
    assert offline.succeeds("check") == ""
    assert {path: path.stat().st_mtime_ns for path in offline.volume.rglob("*")} == before


def test_a_folder_without_marker_is_not_served(offline: Preload) -> None:
    (fill(offline.volume) / ".complete").unlink()
    offline.plan["job"] = "Job models/preload-coder"
    sentence = offline.refuses("check")
    assert "its .complete is not there, or is of another revision" in sentence
    assert "Job models/preload-coder fills it" in sentence


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"files": [{}]}'])
def test_a_broken_marker_is_none(offline: Preload, text: str) -> None:
    (fill(offline.volume) / ".complete").write_text(text, encoding="utf-8")
    assert "its .complete is not there" in offline.refuses("check")


def test_a_marker_of_another_revision_is_none(offline: Preload) -> None:
    folder = fill(offline.volume, "2" * 40)
    folder.rename(folder.with_name(REVISION))
    assert "is of another revision" in offline.refuses("check")


def test_a_half_filled_folder_is_not_served(offline: Preload) -> None:
    folder = fill(offline.volume)
    with (folder / FIRST).open("ab") as file:
        file.truncate(700_000)
    assert f"{FIRST} has 700000 bytes instead of 1500000" in offline.refuses("check")
    (folder / FIRST).unlink()
    assert f"{FIRST} is not there" in offline.refuses("check")
    (folder / FIRST).symlink_to("/dev/null")
    assert f"{FIRST} is not there" in offline.refuses("check")


def test_a_lock_with_another_hash_is_not_served_from_older_files(offline: Preload) -> None:
    fill(offline.volume)
    offline.plan["models"][0]["files"][1]["sha256"] = "0" * 64
    assert f"{FIRST} was not verified against this lock" in offline.refuses("check")


@pytest.mark.parametrize(
    "name",
    ["other.safetensors", "x.bin", "x.pt", "x.PTH", "x.gguf", "x.h5", "a/modeling.py", "x.so"],
)
def test_weights_and_code_that_nobody_vouched_for_are_not_served(
    offline: Preload, name: str
) -> None:
    stray = fill(offline.volume) / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    assert f"{name} is there, and the lock does not list it" in offline.refuses("check")
    stray.unlink()
    stray.symlink_to("/dev/null")
    assert f"{name} is there" in offline.refuses("check")


def test_an_ignored_file_is_not_served_even_if_an_earlier_lock_vouched_for_it(
    offline: Preload,
) -> None:
    fill(offline.volume)
    model = offline.plan["models"][0]
    model["ignored"] = [model["files"].pop(1)["path"]]
    assert f"{FIRST} is there, and the lock does not list it" in offline.refuses("check")


def test_what_no_engine_reads_unasked_may_lie_beside_the_model(offline: Preload) -> None:
    """Also the bytes of a file on its way, which a later lock of the revision lists."""
    folder = fill(offline.volume)
    (folder / ".partial").mkdir()
    for name in ("README.md", ".partial/new.safetensors"):
        (folder / name).write_bytes(b"x")
    offline.succeeds("check")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("source", "../model"),
        ("source", "/etc/model"),
        ("source", "team/../model"),
        ("revision", "main"),
        ("revision", "../" + "1" * 37),
        ("path", "../x"),
        ("path", "a/../../x"),
        ("path", "/etc/passwd"),
        ("path", ".complete"),
        ("path", ".partial/x"),
        ("path", "a\nb"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(offline: Preload, where: str, name: str) -> None:
    model = offline.plan["models"][0]
    (model["files"][0] if where == "path" else model)[where] = name
    for verb in ("check", "collect"):
        assert "is not what a model lock can hold" in offline.refuses(verb)
    assert not list(offline.volume.iterdir())


@pytest.mark.parametrize("key", ["models", "target"])
def test_what_is_no_plan_is_refused(offline: Preload, key: str) -> None:
    offline.plan[key] = None
    assert "is no plan of this program" in offline.refuses("check")


def test_a_volume_that_is_too_small_is_known_before_anything_is_fetched(
    preload: Preload, hub: FileHub
) -> None:
    preload.plan["models"][0]["files"][1]["size"] = 1 << 60
    sentence = preload.refuses("fetch")
    assert "raise cache.size_gib of the model by" in sentence
    assert not hub.tokens
    assert "is not to be served" in preload.refuses("check")


_ON_A_SMALL_DISK = """
mount -t tmpfs -o size=4m none {volume} || exit 99
{fetch} & job=$!
until [ -s {part} ]; do sleep 0.02; done
head -c 8000000 /dev/zero > {volume}/filler 2> /dev/null
touch {volume}.full
wait $job; echo "fetch ended with $?"
ls {folder}/.complete {folder}/*.safetensors
{check}; echo "check ended with $?"
rm {volume}/filler
{fetch}; echo "fetch ended with $?"
{check}; echo "check ended with $?"
"""


def test_a10_a_disk_that_fills_up_leaves_nothing_half_written(
    preload: Preload, hub: FileHub
) -> None:
    """On a real file system of 4 MB, in a mount namespace of its own."""
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine allows no mount namespace, so there is no small disk to fill")
    hub.block_seconds = 0.5
    fetch, check = (" ".join(preload.command(verb)) for verb in ("fetch", "check"))
    part = preload.folder / ".partial" / FIRST
    names = {"volume": preload.volume, "folder": preload.folder, "part": part}
    script = _ON_A_SMALL_DISK.format(**names, fetch=fetch, check=check)
    process = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=preload.programs,
        env=preload.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(preload.volume.with_name("models.full").exists, 30)
    hub.block_seconds = 0
    out, err = process.communicate(timeout=30)
    steps = [line for line in out.splitlines() if " ended with " in line]
    assert steps == [f"{step} ended with {code}" for code in (1, 0) for step in ("fetch", "check")]
    assert "The volume is full (No space left on device); raise cache.size_gib" in err
    for name in (".complete", "*.safetensors"):
        assert f"cannot access '{preload.folder}/{name}'" in err
    total = sum(map(len, repository().values()))
    assert sum(hub.sent.values()) < 2 * total, "what came before the disk was full is used"


def test_two_jobs_on_one_volume_take_turns(preload: Preload, hub: FileHub) -> None:
    with (preload.volume / ".preload.lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        process = preload.start("fetch")
        assert process.stdout
        assert "another Job writes to" in process.stdout.readline()
        assert not hub.tokens
        fill(preload.volume)  # what the other Job did
    code, out, err = preload.finish(process)
    assert (code, err) == (0, "")
    assert "complete already, skipped" in out
    assert not hub.tokens


_NO_LOCKS = """
import errno, fcntl, runpy, sys
def flock(handle, how):
    raise OSError(errno.{name}, "not here")
fcntl.flock = flock
sys.argv[0:2] = []
sys.path.insert(0, ".")
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def test_where_there_are_no_locks_it_says_so_and_writes_under_names_of_its_own(
    preload: Preload, hub: FileHub
) -> None:
    """The system call is replaced, for no such file system can be mounted here."""
    theirs = preload.folder / ".partial" / FIRST
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"another Job's")
    code = _NO_LOCKS.format(name=errno.errorcode[errno.ENOLCK])
    preload.python = [sys.executable, "-c", code]
    out = preload.succeeds("fetch")
    assert "has no file locks (not here)" in out
    assert theirs.read_bytes() == b"another Job's"
    assert hub.starts[FIRST] == [0]
    assert (preload.folder / FIRST).read_bytes() == repository()[FIRST]
    shutil.rmtree(theirs.parent)
    preload.is_served(repository())


def test_with_a_staging_folder_the_volume_gets_whole_files_only(
    preload: Preload, hub: FileHub, tmp_path: Path
) -> None:
    """S3: no rename there, so parts, and the bytes of a run that was interrupted, are staged."""
    staging = tmp_path / "staging"
    staging.mkdir()
    preload.plan["staging"] = str(staging)
    pauses, preload.plan["pauses_seconds"] = preload.plan["pauses_seconds"], []
    hub.cuts = [200_000, 200_000]
    assert "the connection broke (RemoteProtocolError), 1 times" in preload.fails_to_fetch()
    assert not (preload.folder / FIRST).exists()
    assert [*(staging / SOURCE / REVISION).glob("*.safetensors")]
    preload.plan["pauses_seconds"] = pauses
    preload.succeeds("fetch")
    assert 200_000 in {start for starts in hub.starts.values() for start in starts}
    preload.is_served(repository())
    assert not [path for path in staging.rglob("*") if path.is_file()]
    assert [path.name for path in preload.volume.iterdir()] == ["team"], "not even a lock"


def test_a_link_out_of_the_volume_is_refused(preload: Preload, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (preload.volume / "team").symlink_to(tmp_path / "elsewhere")
    assert "leads elsewhere by a link" in preload.refuses("fetch")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("words", [[], ["fetch"], ["serve", "plan.json"]])
def test_another_command_line_shows_the_usage(offline: Preload, words: list[str]) -> None:
    done = subprocess.run(
        [*offline.python, "-m", "components.programs.preload", *words],
        cwd=offline.programs,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "usage: preload fetch|check|copy|collect plan.json\n",
    )
