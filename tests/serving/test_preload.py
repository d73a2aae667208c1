"""The preload Job's steps, given to the real hub client; offline, so that nothing is fetched."""

import subprocess
from pathlib import Path

import pytest

from tests.rendering import document, of_kind, render
from tests.serving.processes import clean_environment

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

REVISION = "a09a35458c702b33eeacc393d103063234e8bc28"
USAGE_ERROR = 2


def run_step(
    name: str, hub_client: Path, target: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    """One rendered step with its program and its target folder replaced by local ones."""
    rendered = render(document("production"), stack="production")
    (job,) = of_kind(rendered, "Job")
    pod = job["spec"]["template"]["spec"]
    steps = {step["name"]: step for step in [*pod["initContainers"], *pod["containers"]]}
    program, *words = [*steps[name]["command"], *steps[name]["args"]]
    assert program == "hf"
    words = [f"--local-dir={target}" if w.startswith("--local-dir=") else w for w in words]
    assert f"--local-dir={target}" in words
    return subprocess.run(
        [str(hub_client), *words, *more],
        env=clean_environment(target.parent, {"HF_HUB_OFFLINE": "1"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="session")
def hub_client(vllm_python: Path) -> Path:
    return vllm_python.with_name("hf")


@pytest.mark.parametrize("step", ["download", "verify"])
def test_a10_the_hub_client_understands_each_step(
    step: str, hub_client: Path, tmp_path: Path
) -> None:
    """A10, B4: it gets as far as asking the hub for the pinned revision, and no further."""
    done = run_step(step, hub_client, tmp_path / "models")
    assert done.returncode not in (0, USAGE_ERROR), done.stderr


@pytest.mark.parametrize("step", ["download", "verify"])
def test_a_misspelt_option_is_refused(step: str, hub_client: Path, tmp_path: Path) -> None:
    done = run_step(step, hub_client, tmp_path / "models", "--revisoin=main")
    assert done.returncode == USAGE_ERROR
    assert "No such option" in done.stderr


def test_a10_half_a_download_and_an_unreachable_hub_do_not_pass(
    hub_client: Path, tmp_path: Path
) -> None:
    """A10: the download alone calls it a success, which is why there is a second step."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "config.json").write_text("{}")
    assert run_step("download", hub_client, models).returncode == 0
    verified = run_step("verify", hub_client, models)
    assert verified.returncode not in (0, USAGE_ERROR)
    assert REVISION in verified.stderr
