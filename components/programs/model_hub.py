"""Reads a model from the hub, with the session, addresses and listing of huggingface_hub.

Only what 1.31 and 2.4 of that library both have is used. Its `hf_hub_download` is not: since 1.x it
deletes half a file when it is interrupted, so that 15 GB would begin anew.
"""

import os
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status

from components.programs.filling import BrokenError
from components.programs.model_folder import File, Model, PreloadError

_MOST_WAIT_SECONDS = 600
"""The hub counts requests in windows of five minutes; twice that is more than it can mean."""
_COMPANION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*\.(json|txt|model|jinja)")
"""Configuration and tokenizer in the top folder; never code, never another format of weights."""
_MOST_COMPANION_BYTES = 64 << 20
"""Twice the largest tokenizer.json known (33 MB, Gemma 3): what nobody locked stays small."""
_HTTP_ERROR: type[BaseException] = HfHubHTTPError.__bases__[0]
"""Of the library's own HTTP client: httpx up to 1.x, httpx2 from 2.0 on."""


class Hub:
    """The hub as the Job may see it.

    The token travels in a header, which the HTTP client does not send on to another host.

    Raises:
        PreloadError: The hub says no, with the key to change; from every method.
        BrokenError: It says not now (408, 429, 5xx) or nothing; from every method.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._token = os.environ.get("HF_TOKEN", "").strip()
        if not re.fullmatch(r"[!-~]*", self._token):
            raise PreloadError(
                "The Secret that hub.token names holds characters that no token has; store it anew."
            )

    def complete(self, model: Model) -> tuple[File, ...]:
        """The model's files, each with a hash, and the small ones that its lock does not list."""
        if model.complete and all(file.known_hash for file in model.files):
            return model.files
        listed = self._listing(model)
        locked = {file.path: file for file in model.files}
        files = {
            path: file if file.known_hash else listed.get(path) for path, file in locked.items()
        }
        for path, file in files.items():
            if file is None or file.size != locked[path].size:
                raise _gone(model, f"{path} of {locked[path].size} bytes is not in its listing")
        more = {
            path: file
            for path, file in listed.items()
            if _COMPANION.fullmatch(path) and path not in model.ignored and not model.complete
        }
        for path in more.keys() - files.keys():
            if more[path].size > _MOST_COMPANION_BYTES:
                raise PreloadError(
                    f"The hub lists {path} of {more[path].size} bytes in {model}, and a file that "
                    f"its lock does not list may have {_MOST_COMPANION_BYTES}; lock the model anew "
                    f"(make lock MODEL={model.source}), so that the lock lists it."
                )
        return tuple(file for file in (more | files).values() if file)

    @contextmanager
    def open(self, model: Model, file: File, start: int) -> Generator[tuple[int, Iterator[bytes]]]:
        """A file's bytes from `start` on; a server without ranges begins at 0, and says so."""
        url = hf_hub_url(model.source, file.path, revision=model.revision)
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        stream = get_session().stream("GET", url, headers=headers, timeout=self._timeout_seconds)
        with self._judged(model), stream as answer:
            if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                yield 0, iter(())  # what is there is longer than the hub's file
                return
            hf_raise_for_status(answer)
            ranged = answer.status_code == HTTPStatus.PARTIAL_CONTENT
            yield start if ranged else 0, answer.iter_bytes()

    def _listing(self, model: Model) -> dict[str, File]:
        """Every file of the revision; the hashes are those that the hub sends as ETag."""
        try:
            with self._judged(model):
                info = HfApi().model_info(
                    model.source,
                    revision=model.revision,
                    timeout=self._timeout_seconds,
                    files_metadata=True,
                    token=str(self._token) or False,
                )
            files = [
                File(
                    each.rfilename,
                    int(each.size or 0),
                    each.lfs.sha256 if each.lfs else None,
                    None if each.lfs else each.blob_id,
                    "hub",
                )
                for each in info.siblings or ()
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BrokenError("the answer is not the hub's; a proxy may have given it") from None
        return {file.path: file for file in files}

    @contextmanager
    def _judged(self, model: Model) -> Generator[None]:
        try:
            yield
        except HfHubHTTPError as error:
            raise _judge(model, error.response.status_code, error.response.headers) from None
        except _HTTP_ERROR as error:  # its own text may hold a signed address
            raise BrokenError(f"the connection broke ({type(error).__name__})") from None


def _judge(model: Model, status: int, headers: Mapping[str, str]) -> Exception:
    if status in (408, 429) or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return BrokenError(f"the hub answered {status}", _asked_seconds(headers))
    account = "the token in the Secret that hub.token of the stack document names"
    if status not in (401, 403):
        return _gone(model, f"the hub answers {status}")
    if model.gated or headers.get("X-Error-Code") == "GatedRepo":
        return PreloadError(
            f"The hub refuses {model} ({status}) because it is gated: accept its licence on "
            f"https://huggingface.co/{model.source} with the account of {account}."
        )
    return PreloadError(
        f"The hub refuses {model} ({status}): it does not exist or is private, or {account} is "
        f"not valid."
    )


def _gone(model: Model, why: str) -> PreloadError:
    return PreloadError(
        f"The hub no longer has {model} as it is locked ({why}); lock a revision that it has "
        f"(make lock MODEL={model.source}) and name it in the stack document."
    )


def _asked_seconds(headers: Mapping[str, str]) -> float:
    """How long the server asks to wait, in either of the two headers that the hub uses."""
    found = re.match(r"(\d+)$", headers.get("Retry-After", "").strip()) or re.search(
        r";\s*t=(\d+)", headers.get("RateLimit", "")
    )
    return min(float(found[1]), _MOST_WAIT_SECONDS) if found else 0
