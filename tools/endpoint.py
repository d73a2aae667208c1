"""Where a deployment answers and the key to it, as the commands that talk to one are given them."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tools.problem import ToolError


@dataclass(frozen=True)
class Endpoint:
    """A deployment.

    Attributes:
        root: Its address without a path, `http://127.0.0.1:4000`.
        key: What is shown as bearer token; not part of any text of this value.
    """

    root: str
    key: str = field(repr=False)


def endpoint(base_url: str) -> Endpoint:
    """A deployment by its address; the key comes from OPENAI_API_KEY, or the file KEY_FILE.

    Args:
        base_url: With `/v1` at its end, as clients write it, or without.

    Raises:
        ToolError: The address or the key is missing, or no address.
    """
    return Endpoint(root_of(base_url.strip() or os.environ.get("OPENAI_BASE_URL", "")), _key())


def root_of(given: str, option: str = "BASE_URL") -> str:
    """A deployment's address without a path.

    Args:
        given: With `/v1` at its end, as clients write it, or without.
        option: How the caller was told.

    Raises:
        ToolError: It is no address.
    """
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query:
        raise ToolError(
            f"{given!r} is no address of a deployment; give {option}=http://127.0.0.1:4000/v1 or "
            "whatever host and port yours answers on"
        )
    return given.rstrip("/").removesuffix("/v1").rstrip("/")


def _key() -> str:
    file = os.environ.get("KEY_FILE", "")
    try:
        key = Path(file).read_text(encoding="utf-8") if file else os.environ.get("OPENAI_API_KEY")
    except OSError as error:
        raise ToolError(f"KEY_FILE={file} cannot be read: {error.strerror}") from error
    if not key or not key.strip():
        raise ToolError(
            "there is no key; put it into the environment as OPENAI_API_KEY, or its file's path "
            "as KEY_FILE, for a key in an argument can be read by every process of the machine"
        )
    return key.strip()
