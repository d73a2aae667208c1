"""The program that holds Ollama's volume against the pins, run on volumes made by hand."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "components" / "programs" / "ollama_verify.py"
SOURCE = "qwen2.5:3b"
OLD = "manifests/registry.ollama.ai/library/qwen2.5/3b"
NEW = "manifests-v2/ollama.com/library/qwen2.5/3b"
FILES = {"config": b"{}", "model": b"weights" * 1000, "license": b"Apache-2.0"}
LIST = "application/vnd.ollama.manifest.list.v2+json"


@dataclass(frozen=True)
class Volume:
    """A folder as Ollama fills it, and the digest of its one model."""

    folder: Path
    pin: str

    def blob(self, name: str) -> Path:
        return self.folder / "blobs" / f"sha256-{_sha(FILES[name])}"

    def checked(self, *options: str, pin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-I",
                PROGRAM,
                *options,
                self.folder,
                f"{SOURCE}={pin or self.pin}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    def is_refused(self, sentence: str, *options: str) -> None:
        done = self.checked(*options)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr == f"{SOURCE} {sentence}.\n"


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _layer(content: bytes) -> Mapping[str, object]:
    return {"digest": f"sha256:{_sha(content)}", "size": len(content)}


def _manifest() -> bytes:
    config, *layers = (_layer(content) for content in FILES.values())
    return json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()


def _volume(folder: Path, manifest: bytes, place: str = OLD) -> Volume:
    (folder / "blobs").mkdir()
    for content in FILES.values():
        (folder / "blobs" / f"sha256-{_sha(content)}").write_bytes(content)
    (folder / place).parent.mkdir(parents=True)
    (folder / place).write_bytes(manifest)
    return Volume(folder, _sha(manifest))


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return _volume(tmp_path, _manifest())


def test_a_whole_model_passes_and_its_files_are_counted(volume: Volume) -> None:
    """Row A3"""
    done = volume.checked()
    total = sum(len(content) for content in FILES.values())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{SOURCE} is whole: 3 files, {total} bytes.\n"


def test_another_manifest_is_refused_with_both_digests(volume: Volume) -> None:
    """Row A3: the tag has moved."""
    done = volume.checked(pin="0" * 64)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"{SOURCE} is not what is pinned: its manifest is {volume.pin}, the digest agreed on is "
        f"{'0' * 64}; "
    )
    assert (volume.folder / OLD).is_file()
    assert volume.checked("--discard", pin="0" * 64).returncode == 1
    assert not (volume.folder / OLD).exists()


def test_a_model_that_was_never_pulled_is_refused(volume: Volume) -> None:
    (volume.folder / OLD).unlink()
    volume.is_refused("is not on the volume; the preload Job has to pull it first")


def test_a_file_that_is_missing_is_refused(volume: Volume) -> None:
    name = volume.blob("license").name
    volume.blob("license").unlink()
    volume.is_refused(f"lacks its file {name}; the preload Job has to pull it")


def test_a_file_that_is_cut_off_is_refused_and_discarded_on_request(volume: Volume) -> None:
    blob = volume.blob("model")
    blob.write_bytes(FILES["model"][:-10])
    said = f"has 6990 of the 7000 bytes of its file {blob.name}; the preload Job has to pull it"
    volume.is_refused(f"{said} again")
    assert blob.exists()
    volume.is_refused(f"{said} again", "--discard")
    assert not blob.exists()
    assert (volume.folder / OLD).exists()


def test_a_file_of_the_right_size_and_another_content_is_refused(volume: Volume) -> None:
    blob = volume.blob("model")
    blob.write_bytes(FILES["model"].replace(b"w", b"v", 1))
    volume.is_refused(
        f"has a file {blob.name} of another content; the preload Job has to pull it again"
    )


def test_newer_releases_keep_a_link_under_another_host(tmp_path: Path) -> None:
    """As Ollama does since manifests-v2: a link to the manifest among the files."""
    volume = _volume(tmp_path, _manifest())
    content = (tmp_path / OLD).read_bytes()
    blob = tmp_path / "blobs" / f"sha256-{_sha(content)}"
    (tmp_path / OLD).rename(blob)
    (tmp_path / NEW).parent.mkdir(parents=True)
    (tmp_path / NEW).symlink_to(Path("../../../../blobs") / blob.name)
    assert volume.checked().returncode == 0


def test_every_manifest_that_a_server_might_read_has_to_be_the_pinned_one(volume: Volume) -> None:
    """A newer release reads the new place first, an older one knows only the old one."""
    (volume.folder / NEW).parent.mkdir(parents=True)
    (volume.folder / NEW).write_bytes(b"{}")
    assert volume.checked().returncode == 1
    assert volume.checked("--discard").returncode == 1
    assert not (volume.folder / NEW).exists()
    assert volume.checked().returncode == 0


def test_of_a_list_of_variants_the_one_that_was_pulled_has_to_be_whole(tmp_path: Path) -> None:
    absent = {"mediaType": "m", "digest": f"sha256:{'1' * 64}", "runner": "mlx"}
    inline = json.loads(_manifest())
    volume = _volume(
        tmp_path, json.dumps({"mediaType": LIST, "manifests": [absent, inline]}).encode()
    )
    assert volume.checked().returncode == 0
    volume.blob("model").write_bytes(b"")
    assert volume.checked().returncode == 1


def test_a_manifest_that_names_no_digest_is_refused(tmp_path: Path) -> None:
    manifest = {"config": {"digest": "../../etc/passwd"}}
    volume = _volume(tmp_path, json.dumps(manifest).encode())
    volume.is_refused("names a file by something that is no SHA-256; its pin is wrong")


@pytest.mark.parametrize("word", ["qwen2.5:3b", "qwen2.5:3b=abc", "../x:y=" + "0" * 64])
def test_a_pin_that_is_none_is_a_usage_error(tmp_path: Path, word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", PROGRAM, tmp_path, word], capture_output=True, check=False
    )
    assert done.returncode == 2


def test_each_fault_is_told_and_the_other_models_are_looked_at(volume: Volume) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            PROGRAM,
            volume.folder,
            f"absent:1b={'0' * 64}",
            f"{SOURCE}={volume.pin}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert SOURCE in done.stdout
