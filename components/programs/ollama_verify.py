"""Holds Ollama's volume against pinned digests: what was pulled is what was agreed, to the byte.

    python3 ollama_verify.py [--discard] FOLDER SOURCE=DIGEST...

A model's digest is the SHA-256 of its manifest, and the manifest names every file by its own, so
one pinned number stands for all of them. `ollama pull` itself trusts the manifest that it is given,
and a file that is already there it does not read again.

Ends with 0 where every model is whole, with 1 and one sentence a fault otherwise.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

_DEFAULT_HOSTS = (
    "manifests-v2/ollama.com",  # Ollama looks here first, since about 0.31
    "manifests-v2/registry.ollama.ai",
    "manifests/registry.ollama.ai",  # all that older ones know
    "manifests/ollama.com",
)
_MANIFEST_LIST = "application/vnd.ollama.manifest.list.v2+json"
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_CHUNK_BYTES = 2**20


class BrokenError(Exception):
    """A model is not what was pinned; `place` is the file that has to go."""

    def __init__(self, text: str, place: Path | None = None) -> None:
        super().__init__(text)
        self.place = place


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read a MiB at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def verify(folder: Path, source: str, pinned: str) -> tuple[int, int]:
    """Check one model of the default registry.

    Args:
        folder: What OLLAMA_MODELS names.
        source: Its `name:tag`.
        pinned: SHA-256 of its manifest, 64 hexadecimal digits.

    Returns:
        Count and bytes of its files, each counted once.

    Raises:
        BrokenError: It is not there, another one, or not whole.
    """
    name, _, tag = source.partition(":")
    places = [folder / host / "library" / name / tag for host in _DEFAULT_HOSTS]
    found = [place for place in places if place.is_file()]
    if not found:
        raise BrokenError(f"{source} is not on the volume; the preload Job has to pull it first")
    content = b""
    for place in found:  # whichever of them the server reads
        content = place.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != pinned:
            raise BrokenError(
                f"{source} is not what is pinned: its manifest is {digest}, the digest agreed on "
                f"is {pinned}; the tag has moved, so look at what it is now and change the model's "
                "digest in the stack document, or name a tag that stays",
                place,
            )
    sizes = dict(_files(folder, source, _parsed(source, content)))
    return len(sizes), sum(sizes.values())


def _parsed(source: str, content: bytes) -> dict[str, Any]:
    try:
        manifest: Any = json.loads(content)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise BrokenError(f"{source} has a manifest that is no JSON object; its pin is wrong")
    return cast("dict[str, Any]", manifest)


def _files(folder: Path, source: str, manifest: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Digest and bytes of every file that a manifest names, once it was held against it."""
    if manifest.get("mediaType") == _MANIFEST_LIST:
        yield from _chosen(folder, source, manifest)
        return
    for layer in [manifest.get("config"), *manifest.get("layers", [])]:
        if layer and layer.get("digest"):
            yield _blob(folder, source, layer["digest"], layer.get("size"))


def _chosen(folder: Path, source: str, listed: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Files of a list's variants; one variant is pulled, so one of them has to be whole."""
    fault = BrokenError(f"{source} has a manifest that lists no variant; its pin is wrong")
    for variant in listed.get("manifests", []):
        try:
            files = list(_variant(folder, source, variant))
        except BrokenError as error:
            fault = error
            continue
        yield from files
        return
    raise fault


def _variant(folder: Path, source: str, entry: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Files of one variant, whose manifest stands in the list or is a file itself."""
    if not entry.get("digest"):
        yield from _files(folder, source, entry)
        return
    digest, size = _blob(folder, source, entry["digest"], None)
    yield digest, size
    yield from _files(folder, source, _parsed(source, _place(folder, digest).read_bytes()))


def _blob(folder: Path, source: str, digest: str, size: int | None) -> tuple[str, int]:
    known = _DIGEST.fullmatch(digest)
    if known is None:
        raise BrokenError(
            f"{source} names a file by something that is no SHA-256; its pin is wrong"
        )
    place = _place(folder, known[1])
    if not place.is_file():
        raise BrokenError(f"{source} lacks its file {place.name}; the preload Job has to pull it")
    there = place.stat().st_size
    if size is not None and there != size:
        raise BrokenError(
            f"{source} has {there} of the {size} bytes of its file {place.name}; the preload Job "
            "has to pull it again",
            place,
        )
    if sha256_of(place) != known[1]:
        raise BrokenError(
            f"{source} has a file {place.name} of another content; the preload Job has to pull it "
            "again",
            place,
        )
    return known[1], there


def _place(folder: Path, digest: str) -> Path:
    return folder / "blobs" / f"sha256-{digest}"


def _pin(word: str) -> tuple[str, str]:
    source, _, digest = word.partition("=")
    if not re.fullmatch(r"[\w.-]+:[\w.-]+", source) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError(f"{word} is not NAME:TAG=<64 hexadecimal digits>")
    return source, digest


def main(argv: list[str] | None = None) -> int:
    """Check every model that is named; 0 where all are whole."""
    parser = argparse.ArgumentParser(description="Hold Ollama's models against pinned digests.")
    parser.add_argument("--discard", action="store_true", help="remove what is wrong")
    parser.add_argument("folder", type=Path)
    parser.add_argument("pins", nargs="+", type=_pin, metavar="SOURCE=DIGEST")
    asked = parser.parse_args(argv)
    faults = 0
    for source, digest in asked.pins:
        try:
            files, total = verify(asked.folder, source, digest)
        except BrokenError as error:
            faults += 1
            print(f"{error}.", file=sys.stderr)
            if asked.discard and error.place is not None:
                error.place.unlink()  # so that no server offers it and the next pull brings it anew
        else:
            print(f"{source} is whole: {files} files, {total} bytes.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
