"""`python -m components.core.sizing` as a program: no pulumi, no network, and a quiet end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.core.sizing.asking import OUTPUT, question

ROOT = Path(__file__).parents[4]
_ALONE = """
import runpy, socket, sys

def refuse(*_, **__):
    raise AssertionError("the planner opened a socket")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
socket.socket.__init__ = refuse
runpy.run_module("components.core.sizing", run_name="__main__")
foreign = {"pulumi", "pulumi_kubernetes", "grpc", "httpx", "requests", "huggingface_hub"}
assert not foreign & set(sys.modules), foreign & set(sys.modules)
"""


def run(*command: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


@pytest.mark.timeout(90)
def test_it_needs_neither_pulumi_nor_a_network() -> None:
    lines = json.dumps(question()) + "\nno json\n\n" + json.dumps(question(gpu="L4")) + "\n"
    found = run("-c", _ALONE, text=lines)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    first, second, third = (json.loads(line) for line in found.stdout.splitlines())
    assert set(first) == set(third) == OUTPUT
    assert first["verdict"] == "will start"
    assert third["verdict"] == "refused"
    assert set(second) == {"error"}


@pytest.mark.timeout(90)
def test_a_last_line_without_its_end_is_answered_too() -> None:
    found = run("-m", "components.core.sizing", text="\ufeff" + json.dumps(question()))
    assert found.returncode == 0, found.stderr
    assert set(json.loads(found.stdout)) == OUTPUT


@pytest.mark.timeout(90)
def test_bytes_that_are_no_text_do_not_end_it_with_a_traceback() -> None:
    good = json.dumps(question()).encode()
    found = subprocess.run(
        [sys.executable, "-m", "components.core.sizing"],
        input=b"\xff\xfe\x00bad\n" + good + b"\n",
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in found.stderr
    first, second = (json.loads(line) for line in found.stdout.splitlines())
    assert set(first) == {"error"}
    assert set(second) == OUTPUT


def test_it_ends_without_a_word_for_no_input() -> None:
    found = run("-m", "components.core.sizing", text="")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
