"""The image lock is resolved against a registry that really speaks HTTP (SC-01: pinned images)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from components.core.images import read_lock
from tests.unit.tools_images.registry import Registry, digest_of, index, manifest, serve
from tools import lock_images

CHECKOUT = Path(__file__).parents[3]
TODAY = date(2026, 11, 21)
OLD = "sha256:" + "a" * 64


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serve(Registry(tags={"team/app:v1": index()})) as running:
        yield running


@pytest.fixture
def lock(tmp_path: Path, registry: Registry) -> Path:
    """A lock with one entry that was taken from somewhere else."""
    return _write(tmp_path, registry, OLD)


def _write(folder: Path, registry: Registry, digest: str, source: str = "public pins") -> Path:
    path = folder / "images.json"
    entry = {
        "name": "app",
        "repository": f"{registry.host}/team/app",
        "tag": "v1",
        "digest": digest,
        "kind": "index",
        "resolved_from": source,
        "resolved_on": "2026-01-01",
    }
    path.write_text(json.dumps({"images": [entry]}), encoding="utf-8")
    return path


def _run(lock: Path, *arguments: str, timeout: float = 10) -> int:
    # trust_env off: a proxy of the environment has no way to this loopback registry.
    with httpx.Client(timeout=timeout, follow_redirects=True, trust_env=False) as client:
        return lock_images.run(["--lock", str(lock), *arguments], client, TODAY)


def _one_sentence(text: str) -> str:
    """The failure among the lines of standard error: one line, and not a traceback."""
    lines = [line for line in text.splitlines() if not line.startswith("resolving ")]
    assert lines[1:] == ["Nothing was written."]
    assert "Traceback" not in text
    return lines[0]


def _assert_untouched(lock: Path, before: str) -> None:
    assert lock.read_text(encoding="utf-8") == before
    assert [path.name for path in lock.parent.iterdir()] == ["images.json"]


def test_a_moved_tag_is_reported_and_written(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(lock) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split() == [
        *("app", "v1", "aaaaaaaaaaaa", digest_of(index())[7:19], "moved"),
    ]
    assert f"has moved: it was {OLD} and is now {digest_of(index())}" in said.err
    entry = read_lock(lock).by_name()["app"]
    assert (entry.digest, entry.resolved_on) == (digest_of(index()), TODAY)
    assert entry.resolved_from.startswith("registry 127.0.0.1")
    assert [path.name for path in lock.parent.iterdir()] == ["images.json"]


def test_a_second_run_changes_nothing(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(lock)
    before = lock.read_bytes()
    capsys.readouterr()
    assert _run(lock) == 0
    assert "nothing was written" in capsys.readouterr().err
    assert lock.read_bytes() == before


def test_a_digest_from_elsewhere_is_confirmed_without_being_called_moved(
    tmp_path: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = _write(tmp_path, registry, digest_of(index()))
    assert _run(lock, "--check") == 0
    assert _run(lock) == 0
    said = capsys.readouterr()
    assert "confirmed" in said.out
    assert "moved" not in said.out + said.err
    assert read_lock(lock).by_name()["app"].resolved_on == TODAY


def test_check_fails_on_a_moved_tag_and_writes_nothing(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lock.read_text(encoding="utf-8")
    assert _run(lock, "--check") == 1
    assert "would change app" in capsys.readouterr().err
    _assert_untouched(lock, before)


def test_a_new_tag_is_resolved_and_written_with_its_digest(lock: Path, registry: Registry) -> None:
    registry.tags["team/app:v2"] = index(2)
    assert _run(lock, "app=v2") == 0
    entry = read_lock(lock).by_name()["app"]
    assert (entry.tag, entry.digest) == ("v2", digest_of(index(2)))


def test_json_has_both_digests_and_the_status(
    lock: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(lock, "--json", "--check")
    assert json.loads(capsys.readouterr().out) == {
        "images": [
            {
                "name": "app",
                "repository": f"{registry.host}/team/app",
                "tag": "v1",
                "old_digest": OLD,
                "new_digest": digest_of(index()),
                "kind": "index",
                "status": "moved",
            }
        ],
        "failures": [],
    }


def test_a_manifest_that_is_no_index_is_allowed_and_reported(
    lock: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.tags["team/app:v1"] = manifest()
    assert _run(lock) == 0
    assert "runs on one platform only" in capsys.readouterr().err
    entry = read_lock(lock).by_name()["app"]
    assert (entry.kind, entry.digest) == ("manifest", digest_of(manifest()))


def test_a_public_repository_behind_tokens_is_read(lock: Path, registry: Registry) -> None:
    registry.token = "let-me-in"
    assert _run(lock) == 0
    assert [path.partition("?")[0] for path in registry.requests] == [
        *("/v2/team/app/manifests/v1", "/token", "/v2/team/app/manifests/v1"),
    ]
    assert read_lock(lock).by_name()["app"].digest == digest_of(index())


def test_a_redirect_is_followed(lock: Path, registry: Registry) -> None:
    registry.redirect = True
    assert _run(lock) == 0
    assert registry.requests[-1] == "/mirror/team/app/manifests/v1"
    assert read_lock(lock).by_name()["app"].digest == digest_of(index())


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ({"tags": {}}, "has no"),
        ({"token": "x", "refuse_token": True}, "gives no anonymous access"),
        ({"token": "x", "basic_only": True}, "gives no anonymous access"),
        ({"status": 403}, "gives no anonymous access"),
        ({"status": 429, "headers": {"Retry-After": "30"}}, "after 30 s"),
        ({"status": 502}, "HTTP 502"),
        ({"lie": OLD}, f"is {OLD}, but its bytes are {digest_of(index())}"),
        ({"tags": {"team/app:v1": b"<html>please log in</html>"}}, "not an image manifest"),
        ({"tags": {"team/app:v1": b'["json", "but no manifest"]'}}, "not an image manifest"),
        (
            {"status": 302, "headers": {"Location": "/v2/team/app/manifests/v1"}},
            "cannot be reached",
        ),
    ],
)
def test_a_bad_answer_is_one_sentence_and_nothing_is_written(
    lock: Path,
    registry: Registry,
    behaviour: dict[str, object],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in behaviour.items():
        setattr(registry, name, value)
    before = lock.read_text(encoding="utf-8")
    assert _run(lock) == 1
    said = _one_sentence(capsys.readouterr().err)
    assert sentence in said
    assert "team/app:v1" in said
    _assert_untouched(lock, before)


def test_a_silent_registry_times_out(
    lock: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.delay_seconds = 1
    before = lock.read_text(encoding="utf-8")
    assert _run(lock, timeout=0.2) == 1
    assert "did not answer for" in _one_sentence(capsys.readouterr().err)
    _assert_untouched(lock, before)


def test_an_unreachable_registry_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(Registry()) as gone:
        lock = _write(tmp_path, gone, OLD)
    before = lock.read_text(encoding="utf-8")
    assert _run(lock) == 1
    assert "cannot be reached" in _one_sentence(capsys.readouterr().err)
    _assert_untouched(lock, before)


def test_one_failure_keeps_the_others_from_being_written(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(lock.read_text(encoding="utf-8"))
    document["images"].append(document["images"][0] | {"name": "other", "tag": "missing"})
    lock.write_text(json.dumps(document), encoding="utf-8")
    before = lock.read_text(encoding="utf-8")
    assert _run(lock) == 1
    said = capsys.readouterr()
    assert "moved" in said.out
    assert "has no" in _one_sentence(said.err)
    _assert_untouched(lock, before)


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("nope", "known are app"),
        ("app=not/a/tag", "'not/a/tag' in 'app=not/a/tag' cannot be a tag"),
    ],
)
def test_a_wrong_argument_is_one_sentence(
    lock: Path, argument: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(lock, argument) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_disk_that_fills_up_leaves_the_old_lock(
    lock: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tools.atomic_file.os.fsync", full)
    before = lock.read_text(encoding="utf-8")
    assert _run(lock) == 1
    assert "could not be written (No space left on device)" in capsys.readouterr().err
    _assert_untouched(lock, before)


def test_the_command_line_ends_with_a_sentence_and_not_with_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.lock_images", "--lock", str(tmp_path / "no.json")]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"The image lock {tmp_path}/no.json cannot be read (No such file or directory); "
        f"restore it with git.\n"
    )
