"""Write a committed file in one step."""

import os
import tempfile
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Put text in a file's place: a reader, a killed run or a full disk never sees half of it.

    Args:
        path: The file; its folder is made where it is missing.
        text: Its new content.

    Raises:
        OSError: It could not be written; what was there is still there.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # a temporary file is private, a committed one is not
        temporary.replace(path)
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)  # gone already where it has taken the file's place
