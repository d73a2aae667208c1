"""What a developer reads when the engines cannot be installed, and that the next run recovers."""

from pathlib import Path

import pytest

from tests.serving.environments import EnvironmentUnavailableError, python_of

_FAILS = "echo 'error: No space left on device (os error 28)' >&2; exit 2"
_INSTALLS = 'mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"; : > "$UV_PROJECT_ENVIRONMENT/bin/python"'


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands before everything on PATH, with an empty cache beside it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("INFERENCE_PLATFORM_CACHE", str(tmp_path / "cache"))
    return folder


def _put_uv(folder: Path, script: str) -> None:
    uv = folder / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{script}\n', encoding="utf-8")
    uv.chmod(0o755)


def test_a_missing_uv_is_named(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(EnvironmentUnavailableError, match="uv, which is not on PATH"):
        python_of("litellm")


def test_a_failed_installation_is_told_and_the_next_run_installs(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    _put_uv(tools, _FAILS)
    with pytest.raises(EnvironmentUnavailableError, match=r"exit code 2.*\n.*No space left"):
        python_of("litellm")
    _put_uv(tools, _INSTALLS)
    python = python_of("litellm")
    assert python.exists()
    assert python_of("litellm") == python
    calls = (tools / "calls").read_text(encoding="utf-8").splitlines()
    assert len(calls) == 2, "an installed environment was installed again"
    assert all("--frozen" in call for call in calls)


def test_a_lost_interpreter_is_installed_again(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    _put_uv(tools, _INSTALLS)
    python_of("litellm").unlink()
    assert python_of("litellm").exists()
