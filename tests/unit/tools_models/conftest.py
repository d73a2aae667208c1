"""A hub on loopback, a folder of locks, and the command as a test runs it."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from huggingface_hub import close_session

from tests.unit.tools_models.hub import FIRST, SECOND, FakeHub, repository, serve, shards
from tools.model_lock.access import Hub
from tools.model_lock.command import run

TODAY = date(2026, 11, 21)
Locked = Callable[..., int]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")  # no proxy has a way to loopback
    close_session()  # the library keeps one client, which reads the proxies when it is made
    second = repository(config__json=b'{"model_type": "llama", "num_hidden_layers": 3}')
    with serve(FakeHub({FIRST: repository(), SECOND: second | shards(seed="b")})) as running:
        yield running
    close_session()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def lock(hub: FakeHub, folder: Path) -> Locked:
    """`lock("team/model", "--revision", ..., token=..., timeout=...)`: the exit code."""

    def locked(*arguments: str, token: str | None = None, timeout: float = 5) -> int:
        access = Hub(hub.endpoint, token, timeout, pauses_seconds=(0, 0))
        return run([*arguments, "--folder", str(folder)], access, TODAY)

    return locked


def one_sentence(text: str) -> str:
    """The failure on standard error: the last line, after the progress, and no traceback."""
    lines = [line for line in text.splitlines() if not line.startswith(("asking ", "reading "))]
    assert len(lines) == 1, text
    assert lines[0].endswith(".")
    return lines[0]


def edit(path: Path, **changes: object) -> None:
    """Change a lock as a hand would."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")
