"""The GPU preflight with the torch of the serving environment, on a machine without a GPU."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from components.core.hardware import INSTANCE_TYPES
from components.preflight import preflight_files, preflight_plan
from components.programs.preflight import Fault
from tests.serving.processes import clean_environment

pytestmark = [
    pytest.mark.timeout(1800),  # the first test may install vLLM
    pytest.mark.skipif(bool(list(Path("/dev").glob("nvidia[0-9]*"))), reason="there is a GPU here"),
]
MOST_SECONDS = 60
"""Loading torch takes 4 s from a warm disk."""


def preflight(python: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The files as the ConfigMap holds them, run as the container runs them."""
    plan = preflight_plan(
        [INSTANCE_TYPES["g6.12xlarge"]], gpus=4, gpu_memory_utilization=0.9, shm_gib=0
    )
    for name, text in preflight_files(plan).items():
        (folder / name).write_text(text, encoding="utf-8")
    return subprocess.run(
        [python, folder / "preflight.py", folder / "plan.json", *more],
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_SECONDS,
    )


def test_a11_a_machine_without_a_gpu_is_told_so_in_one_line(
    vllm_python: Path, tmp_path: Path
) -> None:
    """A11: the real torch, and its own words."""
    began = time.monotonic()
    done = preflight(vllm_python, tmp_path)
    assert time.monotonic() - began < MOST_SECONDS
    (line,) = done.stdout.splitlines()
    assert done.returncode in {Fault.NO_DRIVER.code, Fault.NO_DEVICE.code}, line
    assert re.match(r"preflight: no GPU.*: planned 4 GPU l4, found no /dev/nvidia\*", line)
    assert line.endswith("; runbook runbooks/gpu-not-detected.md")
    assert done.stderr == ""


def test_a11_the_facts_of_a_machine_are_recorded_so_that_they_can_be_judged_again(
    vllm_python: Path, tmp_path: Path
) -> None:
    """A11: a fault of somebody else's node can be replayed here."""
    judged = preflight(vllm_python, tmp_path)
    done = preflight(vllm_python, tmp_path, "--record")
    assert done.returncode == 0
    facts = json.loads(done.stdout)["facts"]
    assert facts["error"].startswith("Found no NVIDIA driver on your system.")
    assert re.fullmatch(r"\d+\.\d+", facts["cuda"])
    recorded = tmp_path / "recorded.json"
    recorded.write_text(done.stdout, encoding="utf-8")
    again = preflight(vllm_python, tmp_path, "--facts", str(recorded))
    assert (again.returncode, again.stdout) == (judged.returncode, judged.stdout)
