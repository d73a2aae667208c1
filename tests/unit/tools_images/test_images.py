"""The committed image lock and what is said about a damaged one (SC-01: pinned images)."""

import re
from pathlib import Path

import pytest

from components.core.images import (
    LOCK_FILE,
    ImageLockError,
    image,
    images,
    lock_text,
    read_lock,
)


def test_every_image_of_the_platform_is_pinned_by_tag_and_index_digest() -> None:
    assert set(images()) == {"vllm", "litellm", "ollama", "python", "postgres", "valkey"}
    for name, entry in images().items():
        assert re.fullmatch(r"(docker\.io|ghcr\.io)/[^:@]+:[^:@]+@sha256:[0-9a-f]{64}", image(name))
        assert entry.kind == "index"
        assert entry.tag != "latest"


def test_the_committed_file_is_what_the_tool_would_write() -> None:
    assert lock_text(read_lock()) == LOCK_FILE.read_text(encoding="utf-8")


def test_an_unknown_image_names_the_known_ones() -> None:
    with pytest.raises(ImageLockError, match=r"no image vlm .* known are vllm, litellm, ollama"):
        image("vlm")


@pytest.mark.parametrize(
    ("find", "replace", "sentence"),
    [
        ('"sha256:c1c9', '"sha256:', r"at images\.0\.digest: .*pattern"),
        ('"tag"', '"tags"', r"at images\.0\.tag: Field required"),
        ('"name": "litellm"', '"name": "vllm"', "the name vllm stands there twice"),
        ('"images": [', '"images": ', "Invalid JSON"),
    ],
)
def test_a_damaged_lock_is_one_sentence(
    tmp_path: Path, find: str, replace: str, sentence: str
) -> None:
    damaged = tmp_path / "images.json"
    text = LOCK_FILE.read_text(encoding="utf-8")
    assert find in text
    damaged.write_text(text.replace(find, replace, 1), encoding="utf-8")
    with pytest.raises(ImageLockError, match=sentence):
        read_lock(damaged)


def test_a_missing_lock_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageLockError, match="No such file or directory"):
        read_lock(tmp_path / "images.json")


def test_a_lock_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "images.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ImageLockError, match="not UTF-8"):
        read_lock(tmp_path / "images.json")
