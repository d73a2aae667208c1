"""Who is let in to an engine, and how long a gateway waits until it is."""

import asyncio
import contextlib
import threading
from collections.abc import Generator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.document.serve_line import ASKS_FOR_KEYS
from components.programs.engine import engine_keys
from components.programs.engine.engine_keys import EngineKeys
from components.programs.gateway import engine_key_guard

KEY, OTHER = "the-key-of-the-gateway", "the-key-of-an-indexer"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the kubelet mounts a Secret: entries are links into a folder of its version."""
    version = tmp_path / "..2026_11_22"
    version.mkdir()
    for name, key in {"gateway": KEY, "indexer": f"{OTHER}\n"}.items():
        (version / name).write_text(key, encoding="utf-8")
        (tmp_path / name).symlink_to(version / name)
    (tmp_path / "..data").symlink_to(version)
    return tmp_path


def _ask(keys: EngineKeys, path: str, *brought: str, kind: str = "http") -> list[Any]:
    """What a request gets: what the engine would be handed, or messages."""
    headers = [(b"Authorization", each.encode("latin-1")) for each in brought]
    got: list[Any] = []

    async def send(message: Mapping[str, Any]) -> None:
        got.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody reads the body of who is not let in")

    # Not `asyncio.run`, which takes the loop away that other tests go on with.
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        scope = {"type": kind, "path": path, "headers": headers}
        loop.run_until_complete(keys(scope, receive, send))
    return got


def _keys(folder: Path) -> EngineKeys:
    async def engine(scope: Mapping[str, Any], _: object, send: Any) -> None:  # noqa: ANN401 - ASGI's
        await send({"through": scope["path"]})

    return EngineKeys(engine, folder)


@pytest.mark.parametrize("key", [KEY, OTHER, f" {KEY} "])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_every_entry_is_a_key(folder: Path, key: str, scheme: str) -> None:
    assert _ask(_keys(folder), "/v1/models", f"{scheme} {key}") == [{"through": "/v1/models"}]


@pytest.mark.parametrize(
    "brought",
    [
        (),
        ("",),
        ("Bearer ",),
        (KEY,),
        (f"Basic {KEY}",),
        (f"Bearer {KEY}x",),
        (f"Bearer {KEY[:-1]}",),
        (f"Bearer {KEY.upper()}",),
        (f"Bearer {KEY}, Bearer {KEY}",),
        (f"Bearer {KEY}", f"Bearer {KEY}"),
        ("Bearer \xff\xfe",),
    ],
)
def test_all_else_is_refused_in_words(folder: Path, brought: tuple[str, ...]) -> None:
    start, body = _ask(_keys(folder), "/v1/models", *brought)
    assert start["status"] == 401
    assert b"this engine asks for a key" in body["body"]


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_the_kubelet_and_monitoring_bring_none(folder: Path, path: str) -> None:
    assert _ask(_keys(folder), path) == [{"through": path}]


@pytest.mark.parametrize("path", ["/health/", "/healthz", "//health", "/metrics/x", "/", ""])
def test_no_other_path_is_open(folder: Path, path: str) -> None:
    assert _ask(_keys(folder), path)[0]["status"] == 401


def test_a_websocket_is_closed_and_the_start_of_the_engine_is_not(folder: Path) -> None:
    keys = _keys(folder)
    assert _ask(keys, "/v1/realtime", kind="websocket")[0]["code"] == 1008
    opened = _ask(keys, "/v1/realtime", f"Bearer {KEY}", kind="websocket")
    assert opened == [{"through": "/v1/realtime"}]
    assert _ask(keys, "", kind="lifespan") == [{"through": ""}]


def test_keys_come_and_go_while_it_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_keys, "_LOOK_SECONDS", 0)
    keys = _keys(folder)
    (folder / "next").write_text("the-key-that-comes-next", encoding="utf-8")
    (folder / "gateway").unlink()
    assert _ask(keys, "/x", "Bearer the-key-that-comes-next") == [{"through": "/x"}]
    assert _ask(keys, "/x", f"Bearer {KEY}")[0]["status"] == 401
    for file in ("next", "indexer"):
        (folder / file).unlink()
    assert _ask(keys, "/x", f"Bearer {OTHER}")[0]["status"] == 401


@pytest.mark.parametrize("entries", [{}, {"gateway": ""}, {"gateway": "short"}])
def test_an_engine_without_a_key_does_not_start(tmp_path: Path, entries: dict[str, str]) -> None:
    for name, key in entries.items():
        (tmp_path / name).write_text(key, encoding="utf-8")
    with pytest.raises(RuntimeError, match="holds no key of 16 or more characters"):
        _keys(tmp_path)
    with pytest.raises(RuntimeError, match="holds no key"):
        _keys(tmp_path / "not-there")


def test_the_engine_is_told_this_class() -> None:
    module, _, name = ASKS_FOR_KEYS.rpartition(".")
    assert engine_keys.__name__.rpartition(".")[2] == module
    assert getattr(engine_keys, name) is EngineKeys


class _Engine(BaseHTTPRequestHandler):
    statuses: list[int]
    brought: list[str | None]

    def do_GET(self) -> None:
        type(self).brought.append(self.headers["Authorization"])
        self.send_response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing."""


@contextlib.contextmanager
def _engine(*statuses: int) -> Generator[tuple[str, list[str | None]]]:
    handler = type("_Running", (_Engine,), {"statuses": [*statuses], "brought": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", handler.brought
        server.shutdown()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_key_guard, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(engine_key_guard, "_WAIT_SECONDS", 0.5)
    monkeypatch.setenv("KEY", KEY)


@pytest.mark.usefixtures("hurried")
def test_a_gateway_waits_until_every_pod_of_an_engine_knows_its_key() -> None:
    with _engine(401, 200, 200, 401, 200) as (url, brought):
        assert engine_key_guard.main(["KEY", url]) == 0
    assert len(brought) == 4 + 20
    assert set(brought) == {f"Bearer {KEY}"}


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("status", [401, 403])
def test_it_never_serves_with_a_key_that_nobody_knows(
    status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with _engine(status) as (url, _):
        assert engine_key_guard.main(["KEY", url]) == 1
    said = capsys.readouterr().err
    assert f"{url} does not take the key of this gateway" in said
    assert KEY not in said


@pytest.mark.usefixtures("hurried")
def test_an_engine_that_is_down_keeps_no_gateway_back() -> None:
    with _engine(503) as (url, _):
        assert engine_key_guard.main(["KEY", url]) == 0
    assert engine_key_guard.main(["KEY", "http://127.0.0.1:9/v1"]) == 0
