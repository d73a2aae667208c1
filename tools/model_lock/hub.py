"""What a model hub says of a repository, through the library `huggingface_hub`.

Reads the list of files and small JSON files, never a weight. The library speaks the hub's API and
resolves the revision; contents are held against the hashes of the listing here, because a mirror
may answer with anything.
"""

import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import Any, cast

from huggingface_hub import HfApi, ModelInfo, constants, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import get_session

from tools.model_lock.access import Hub, Unsettled, persistently, refused
from tools.problem import ToolError

# Else the library first asks the public hub about the program that calls it. Its variable of the
# same name is read at its import, which may have happened before.
constants.HF_HUB_DISABLE_TELEMETRY = True

JSON_BYTES = 32 * 1024 * 1024
"""Most that is read of one JSON file. An index has about 90 bytes a tensor (27,752 bytes for the
339 tensors of Qwen2.5-7B), so this is room for 350,000 tensors."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NO_ANSWER = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What the library raises when it parses an answer that is none of a hub."""


@dataclass(frozen=True)
class RemoteFile:
    """One file as the hub lists it.

    Attributes:
        path: Where it lies in the repository.
        size: In bytes.
        sha256: Of its content, for files in large-file storage.
        git_blob: Git's hash of its content, for all others.
    """

    path: str
    size: int
    sha256: str | None
    git_blob: str | None


@dataclass(frozen=True)
class Repository:
    """What the hub says of a model at one revision.

    Attributes:
        source: The id that was asked for.
        hub_id: The id as the hub writes it now; another one where the model was renamed.
        revision: The commit.
        licence: From the model card; None where it names none.
        gated: Whether the licence has to be accepted first.
        files: Every file of the repository by its path.
    """

    source: str
    hub_id: str
    revision: str
    licence: str | None
    gated: bool
    files: dict[str, RemoteFile]


def read_repository(hub: Hub, source: str, revision: str) -> Repository:
    """What the hub has of a model.

    Args:
        hub: The hub.
        source: The model's id.
        revision: A branch, a tag or a commit.

    Raises:
        ToolError: It has no such model or revision, gives no access, or cannot be understood.
    """
    api = HfApi(endpoint=hub.endpoint, token=hub.token or False)  # False: no token file either

    def ask() -> Repository:
        try:
            info = api.model_info(
                source, revision=revision, files_metadata=True, timeout=hub.timeout_seconds
            )
            return _repository(source, info)
        except HfHubHTTPError as error:
            raise refused(hub, source, revision, error.response) from error
        except _NO_ANSWER as error:
            raise ToolError(
                f"{hub.host} answered for {source} with something that is no list of its files "
                f"with sizes and hashes; check HF_ENDPOINT, and for a login page in between."
            ) from error

    found = persistently(hub, source, ask)
    if _COMMIT.fullmatch(revision) and found.revision != revision:
        raise ToolError(
            f"{hub.host} answered for {source} with the revision {found.revision} where {revision} "
            f"was asked for; do not trust it, use another mirror."
        )
    return found


def read_json(hub: Hub, repository: Repository, path: str) -> dict[str, object]:
    """A small JSON file of the repository, held against the hash of the listing.

    Args:
        hub: The hub.
        repository: The repository.
        path: One of its files.

    Raises:
        ToolError: No access, too big, not what the listing says, or not a JSON object.
    """
    file = repository.files[path]
    asked = f"{path} of {repository.source}"
    if file.size > JSON_BYTES:
        raise ToolError(
            f"{asked} has {file.size} bytes and so is no configuration (at most {JSON_BYTES}); "
            f"look at it at {hub.endpoint}/{repository.source}."
        )
    body = persistently(hub, repository.source, lambda: _download(hub, repository, path))
    if not _is(file, body):
        raise ToolError(
            f"{hub.host} sent {asked} with a content that does not fit its hash in the listing; "
            f"look for a proxy or a mirror that changes answers."
        )
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ToolError(
            f"{asked} is not a JSON object, so no engine can read it; choose another revision."
        )
    return cast("dict[str, object]", content)


def _repository(source: str, info: ModelInfo) -> Repository:
    """The parts that count; raises ValueError for what a hub would not say."""
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha) or not info.siblings:
        raise ValueError("no commit or no files")
    files = [_file(sibling) for sibling in info.siblings]
    return Repository(
        source,
        str(info.id),
        info.sha,
        _licence(info),
        bool(info.gated),
        {file.path: file for file in files},
    )


def _file(sibling: RepoSibling) -> RemoteFile:
    size = sibling.lfs.size if sibling.lfs else sibling.size
    digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    if type(size) is not int or size < 0 or not isinstance(digest, str):
        raise ValueError("a file without its size or hash")
    in_large_storage = sibling.lfs is not None
    return RemoteFile(
        sibling.rfilename,
        size,
        digest if in_large_storage else None,
        None if in_large_storage else digest,
    )


def _licence(info: ModelInfo) -> str | None:
    """As the model card has it; `other` is a licence whose name stands elsewhere."""
    card: dict[str, Any] = dict(info.card_data.to_dict()) if info.card_data else {}
    name = card.get("license")
    if name == "other":
        name = card.get("license_name") or name
    return name if isinstance(name, str) else None


def _download(hub: Hub, repository: Repository, path: str) -> bytes:
    """The content of a file; the library's client leaves the token behind on another host."""
    url = hf_hub_url(repository.source, path, revision=repository.revision, endpoint=hub.endpoint)
    headers = {"Authorization": f"Bearer {hub.token}"} if hub.token else {}
    until = time.monotonic() + hub.timeout_seconds
    body = bytearray()
    with get_session().stream("GET", url, headers=headers, timeout=hub.timeout_seconds) as answer:
        if not answer.is_success:
            raise refused(hub, repository.source, repository.revision, answer)
        for piece in answer.iter_bytes():
            body += piece
            if time.monotonic() > until:
                raise Unsettled(f"did not send {path} within {hub.timeout_seconds:g} s")
            if len(body) > repository.files[path].size:
                break  # too much, so what came will not fit the hash
    return bytes(body)


def _is(file: RemoteFile, body: bytes) -> bool:
    if file.sha256:
        return hashlib.sha256(body).hexdigest() == file.sha256
    blob = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False)
    return blob.hexdigest() == file.git_blob
