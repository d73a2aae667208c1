"""A cache folder and a PATH of their own, with stand-ins for `go`, `uv` and `pulumi` on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]

_GO = """#!/bin/sh
case "$1" in
version) echo "go version $(cat '{root}/go-version') linux/amd64" ;;
env) echo '{{"GOCACHE": "{root}/gocache", "GOMODCACHE": ""}}' ;;
mod) printf '{{"Dir": "{root}/module"}}' ;;
build)
    echo "$*" >> '{root}/builds'
    . '{root}/behaviour'
    printf 'a program' > "$3"
    chmod +x "$3" ;;
esac
"""


@dataclass(frozen=True)
class Workshop:
    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def environment(self) -> dict[str, str]:
        # The commands that the shell scripts call; neither folder may hold a real go or pulumi.
        path = os.pathsep.join([str(self.bin), "/usr/bin", "/bin"])
        return {
            "PATH": path,
            "HOME": str(self.root),
            "INFERENCE_PLATFORM_CACHE": str(self.cache),
        }

    def script(self, name: str, text: str) -> Path:
        self.bin.mkdir(exist_ok=True)
        file = self.bin / name
        file.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    def go(self, behaviour: str = "", version: str = "go1.26.8") -> None:
        """Put a `go` on PATH whose `build` runs a shell snippet, then leaves a program."""
        (self.root / "behaviour").write_text(behaviour)
        (self.root / "go-version").write_text(version)
        self.script("go", _GO.format(root=self.root))

    def builds(self) -> list[str]:
        log = self.root / "builds"
        return log.read_text().splitlines() if log.exists() else []

    def pulumi(self, version: str, plugin_install: str = "") -> None:
        """Put a `pulumi` on PATH that installs plugins, after running a shell snippet."""
        self.script(
            "pulumi",
            f"""
            case "$1" in
            version) echo '{version}' ;;
            plugin)
                echo "$*" >> '{self.root}/plugin-installs'
                {plugin_install}
                folder="$PULUMI_HOME/plugins/resource-kubernetes-v$5"
                mkdir -p "$folder"
                printf provider > "$folder/pulumi-resource-kubernetes"
                chmod +x "$folder/pulumi-resource-kubernetes" ;;
            esac""",
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run `python -m tools.install` as a user would."""
        return subprocess.Popen(
            [sys.executable, "-m", "tools.install", *arguments],
            cwd=CHECKOUT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell runs in the background ignores Ctrl-C, and its children inherit that.
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - this process has no threads
        )


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"did not come to hold within {seconds} s"
        time.sleep(0.05)
