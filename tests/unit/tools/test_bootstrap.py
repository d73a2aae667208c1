from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.tools.workshop import CHECKOUT, Workshop, wait_until
from tools import bootstrap


@pytest.fixture
def checkout(workshop: Workshop) -> Path:
    """A checkout with the real bootstrap.py and a `uv` on PATH that makes `.venv`."""
    folder = workshop.root / "checkout"
    (folder / "tools").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("one")
    (folder / "uv.lock").write_text("one")
    source = CHECKOUT / "tools" / "bootstrap.py"
    (folder / "tools" / "bootstrap.py").write_bytes(source.read_bytes())
    uv(workshop)
    return folder


def uv(workshop: Workshop, behaviour: str = "", version: str = "0.13.9") -> None:
    workshop.script(
        "uv",
        f"""
        if [ "$1" = --version ]; then echo "uv {version}"; exit; fi
        echo "$*" >> {workshop.root}/uv-called
        {behaviour}
        mkdir -p .venv/bin && : > .venv/bin/python""",
    )


def start(workshop: Workshop, checkout: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "tools/bootstrap.py"],
        cwd=checkout,
        env=workshop.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(workshop: Workshop, checkout: Path) -> tuple[int, str]:
    process = start(workshop, checkout)
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


def calls(workshop: Workshop) -> list[str]:
    return (workshop.root / "uv-called").read_text().splitlines()


def test_the_environment_is_made_from_the_lock_once_and_then_quietly_left_alone(
    workshop: Workshop, checkout: Path
) -> None:
    assert run(workshop, checkout) == (0, "making .venv from uv.lock\n")
    assert run(workshop, checkout) == (0, "")
    assert calls(workshop) == ["sync --locked --compile-bytecode"]


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock"])
def test_a_changed_lock_or_project_file_is_followed(
    workshop: Workshop, checkout: Path, name: str
) -> None:
    run(workshop, checkout)
    (checkout / name).write_text("two")
    assert run(workshop, checkout)[0] == 0
    assert len(calls(workshop)) == 2


def test_a_killed_sync_is_done_over(workshop: Workshop, checkout: Path) -> None:
    run(workshop, checkout)
    (checkout / "uv.lock").write_text("two")
    pid = workshop.root / "uv-pid"
    uv(workshop, behaviour=f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60")
    process = start(workshop, checkout)
    wait_until(pid.exists)
    process.kill()
    os.kill(int(pid.read_text()), signal.SIGKILL)
    process.communicate(timeout=30)
    (checkout / "uv.lock").write_text("one")  # what the stamp of the first run was for
    uv(workshop)
    assert run(workshop, checkout)[0] == 0
    assert len(calls(workshop)) == 3


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("error: Failed to fetch: dns error", "the package index was not reachable"),
        ("error: No space left on device (os error 28)", "the disk is full"),
        ("The lockfile at uv.lock needs to be updated", "run `uv lock` and commit both"),
    ],
)
def test_a_failed_sync_says_what_to_do_and_does_not_count(
    workshop: Workshop, checkout: Path, output: str, advice: str
) -> None:
    uv(workshop, behaviour=f"mkdir -p .venv/bin; : > .venv/bin/python; echo '{output}' >&2; exit 2")
    code, said = run(workshop, checkout)
    assert code == 1
    assert advice in said
    assert "Traceback" not in said
    uv(workshop)
    assert run(workshop, checkout)[0] == 0


def test_a_uv_that_is_too_old_gives_way_to_the_pinned_one(workshop: Workshop) -> None:
    uv(workshop, version="0.4.30")
    pinned = workshop.cache / "uv" / bootstrap.UV / "bin" / "uv"
    pinned.parent.mkdir(parents=True)
    pinned.write_text("")
    assert bootstrap.find_uv() == str(pinned)


def test_no_uv_and_no_network_is_one_sentence(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = workshop.script("python3", "echo 'ERROR: No matching distribution' >&2; exit 1")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(
        bootstrap.BootstrapError, match=r"No matching distribution\. Check the netw"
    ):
        bootstrap.find_uv()
    assert list((workshop.cache / "uv").iterdir()) == []


def test_an_old_python_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert bootstrap.main() == 1
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_bootstrap_imports_the_standard_library_alone() -> None:
    source = (CHECKOUT / "tools" / "bootstrap.py").read_text()
    imported = {
        line.split()[1].split(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= sys.stdlib_module_names
