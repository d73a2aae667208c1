"""The program as a container has it: its modules alone in a folder, run as a process."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components import programs
from tests.unit.programs.hub_files import LARGE, FileHub, git_blob, serve_files, sha256

SOURCE, REVISION = "team/model", "1" * 40
TOKEN = "hf_NeverToBeSeen"


def random_bytes(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def repository() -> dict[str, bytes]:
    return {
        "config.json": b'{"model_type": "llama"}',
        "model-00001-of-00002.safetensors": random_bytes(1_500_000, 1),
        "model-00002-of-00002.safetensors": random_bytes(900_000, 2),
        "tokenizer.json": b'{"version": "1.0"}',
    }


def locked(files: dict[str, bytes], **changes: object) -> dict[str, Any]:
    """A model of a plan: large files by SHA-256, small ones by git's hash, as on the hub."""
    listed = [
        {
            "path": path,
            "size": len(content),
            "sha256": sha256(content) if len(content) >= LARGE else None,
            "git_blob": None if len(content) >= LARGE else git_blob(content),
        }
        for path, content in files.items()
    ]
    model = {"source": SOURCE, "revision": REVISION, "gated": False, "complete": True}
    return {**model, "files": listed, "ignored": ["consolidated.safetensors"], **changes}


@dataclass
class Preload:
    """The program, a volume, and the plan it is given.

    Attributes:
        python: The interpreter and its options.
        programs: Folder with the program's modules, and nothing else of the project.
        volume: What the plan calls the target.
        endpoint: Where the hub is.
        plan: The plan; a test changes it.
    """

    python: list[str]
    programs: Path
    volume: Path
    endpoint: str
    plan: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.volume / SOURCE / REVISION

    def command(self, verb: str) -> list[str]:
        plan = self.programs / "plan.json"
        plan.write_text(json.dumps(self.plan), encoding="utf-8")
        return [*self.python, "-m", "components.programs.preload", verb, str(plan)]

    def environment(self) -> dict[str, str]:
        own = {"HF_TOKEN": TOKEN, "HF_ENDPOINT": self.endpoint, "NO_PROXY": "127.0.0.1"}
        home = {"HOME": str(self.programs / "home"), "PATH": os.environ["PATH"]}
        return own | home

    def start(self, verb: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(verb),
            cwd=self.programs,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        out, err = process.communicate(timeout=30)
        assert TOKEN not in out + err
        assert "not-for-a-log" not in out + err
        return process.returncode, out, err

    def run(self, verb: str) -> tuple[int, str, str]:
        return self.finish(self.start(verb))

    def succeeds(self, verb: str) -> str:
        code, out, err = self.run(verb)
        assert (code, err) == (0, ""), out + err
        return out

    def refuses(self, verb: str) -> str:
        """The one sentence with which it fails."""
        code, out, err = self.run(verb)
        assert code == 1, out + err
        assert err.count("\n") == 1, err
        assert err.endswith(".\n")
        return err.strip()

    def fails_to_fetch(self) -> str:
        sentence = self.refuses("fetch")
        self.is_not_served()
        return sentence

    def is_not_served(self) -> None:
        """No marker, no half or wrong file under its final name, and `check` refuses."""
        assert not (self.folder / ".complete").exists()
        for model in self.plan["models"]:
            for file in model["files"]:
                path = self.folder / file["path"]
                if path.exists():
                    content = path.read_bytes()
                    assert file["sha256"] in (None, sha256(content))
                    assert file["git_blob"] in (None, git_blob(content))
        assert "is not to be served" in self.refuses("check")

    def is_served(self, files: dict[str, bytes]) -> None:
        """Exactly these files and the marker, and `check` agrees."""
        there = [path for path in self.folder.rglob("*") if path.is_file()]
        contents = {str(p.relative_to(self.folder)): p.read_bytes() for p in there}
        assert "revision" in json.loads(contents.pop(".complete"))
        assert contents == files
        assert not list(self.folder.glob(".partial*"))
        self.succeeds("check")

    def partial_bytes(self) -> int:
        found = self.folder.rglob("*.safetensors")
        return sum(path.stat().st_size for path in found if ".partial" in path.parts)


@pytest.fixture
def hub() -> Iterator[FileHub]:
    with serve_files(FileHub(SOURCE, REVISION, repository())) as running:
        yield running


def preload_with(python: list[str], folder: Path, endpoint: str) -> Preload:
    """The program's modules copied out of the project, and an empty volume."""
    package = folder / "programs" / "components" / "programs"
    package.mkdir(parents=True)
    for module in Path(next(iter(programs.__path__))).glob("*.py"):
        shutil.copy(module, package)
    volume = folder / "models"
    volume.mkdir()
    plan = {
        "target": str(volume),
        "models": [locked(repository())],
        "pauses_seconds": [0.02] * 3,
        "timeout_seconds": 20,
    }
    return Preload(python, folder / "programs", volume, endpoint, plan)


@pytest.fixture
def preload(tmp_path: Path, hub: FileHub) -> Preload:
    return preload_with([sys.executable], tmp_path, hub.endpoint)


def fill(volume: Path, revision: str = REVISION, source: str = SOURCE) -> Path:
    """A model as a finished Job leaves it."""
    folder = volume / source / revision
    folder.mkdir(parents=True)
    for path, content in repository().items():
        (folder / path).write_bytes(content)
    marker = {"source": source, "revision": revision, "files": locked(repository())["files"]}
    (folder / ".complete").write_text(json.dumps(marker), encoding="utf-8")
    return folder


@pytest.fixture
def offline(tmp_path: Path) -> Preload:
    """Without any package, not even huggingface_hub, and without a hub."""
    return preload_with([sys.executable, "-S"], tmp_path, "http://127.0.0.1:9")


def wait_until(true: Callable[[], bool], within_seconds: float = 10) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def end(process: subprocess.Popen[str], how: signal.Signals) -> float:
    """Send a signal; how many seconds the process then still takes."""
    began = time.monotonic()
    process.send_signal(how)
    process.wait(10)
    return time.monotonic() - began
