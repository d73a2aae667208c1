"""The checkout's virtual environment, made by nothing but a system Python.

    python3 tools/bootstrap.py

Runs before any dependency exists, so it imports the standard library alone. It has `uv` (from
PATH, else a pinned one from PyPI in the user's cache folder) make `.venv` from the committed lock,
and says nothing when pyproject.toml and uv.lock are those of the last time.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
UV = "0.13.9"
"""Release of uv that is taken from PyPI when PATH has none or one older than `OLDEST_UV`."""
OLDEST_UV = (0, 8)
"""Oldest uv that reads a lock of this form (revision 3) as it was written."""
OLDEST_PYTHON = (3, 11)
_STAMP = "inference-platform.sha256"
_LAST_LINES = 15
_OTHER_VENV = {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"}


class BootstrapError(Exception):
    """Something the reader can put right; the text says what to do."""


def cache_folder() -> Path:
    """The user's cache folder of this project; not created here."""
    own = os.environ.get("INFERENCE_PLATFORM_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "inference-platform"


def wanted_state(checkout: Path) -> str:
    """Hash of the two files that say what the virtual environment holds."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "uv.lock"):
        digest.update((checkout / name).read_bytes() + b"\0")
    return digest.hexdigest()


def _uv_on_path() -> str | None:
    command = shutil.which("uv")
    if command is None:
        return None
    try:
        said = subprocess.run(
            [command, "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return None
    found = re.search(r"(\d+)\.(\d+)", said)
    new_enough = found is not None and (int(found[1]), int(found[2])) >= OLDEST_UV
    return command if new_enough else None


def find_uv() -> str:
    """Path of a `uv` that will do, installed from PyPI if need be.

    Raises:
        BootstrapError: There is none, and PyPI's could not be installed.
    """
    command = _uv_on_path()
    if command is not None:
        return command
    folder = cache_folder() / "uv" / UV
    installed = folder / "bin" / "uv"
    if not installed.is_file():
        print(f"installing uv {UV} from PyPI", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".installing-", dir=folder.parent) as temporary:
            made = Path(temporary) / UV
            _pip_install(made)
            # Another run may have been faster; its folder is as good.
            if not installed.is_file():
                made.rename(folder)
    return str(installed)


def _pip_install(folder: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--target",
            str(folder),
            f"uv=={UV}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == 0 and (folder / "bin" / "uv").is_file():
        return
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    raise BootstrapError(
        f"there is no uv on PATH (0.8 or newer), and pip could not install uv {UV}: "
        f"{lines[-1] if lines else 'no message'}. Check the network, or install uv or python3-pip "
        "with your package manager, and run the same command again"
    )


def sync(checkout: Path) -> None:
    """Make `.venv` what the lock says, unless the stamp in it says that it is.

    The stamp is removed first and written last, so that a killed run is done over.

    Raises:
        BootstrapError: uv is missing, or failed.
    """
    stamp = checkout / ".venv" / _STAMP
    state = wanted_state(checkout)
    python = checkout / ".venv" / "bin" / "python"
    if python.exists() and stamp.is_file() and stamp.read_text(encoding="ascii") == state:
        return
    uv = find_uv()
    print("making .venv from uv.lock", file=sys.stderr)
    stamp.unlink(missing_ok=True)
    ended = subprocess.run(
        [uv, "sync", "--locked", "--compile-bytecode"],
        cwd=checkout,
        # Another environment that the shell names must not be taken for this checkout's.
        env={name: value for name, value in os.environ.items() if name not in _OTHER_VENV},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise BootstrapError(_explained(ended.stderr))
    stamp.write_text(state, encoding="ascii")


def _explained(output: str) -> str:
    lines = [f"    {line}" for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    advice = "the lines above say why; run the same command again after mending it"
    if re.search(r"No space left on device", output, re.IGNORECASE):
        advice = "the disk is full: .venv takes about 1 GiB; free some space and run it again"
    elif re.search(r"dns error|error sending request|Connect|timed out|Failed to fetch", output):
        advice = "the package index was not reachable: check the network and run it again"
    elif "needs to be updated" in output:
        advice = "uv.lock does not belong to pyproject.toml: run `uv lock` and commit both"
    return "\n".join(["uv sync --locked failed; its last lines were:", *lines, advice])


def main() -> int:
    """Run the command; 0 when `.venv` is right, 1 with a sentence on what to do otherwise."""
    if sys.version_info < OLDEST_PYTHON:
        print(
            "error: Python 3.11 or newer is needed, and python3 is older: install one and put "
            "it first on PATH",
            file=sys.stderr,
        )
        return 1
    try:
        sync(CHECKOUT)
    except BootstrapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: .venv could not be made ({error}): check free space and permissions, and "
            "run the same command again",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
