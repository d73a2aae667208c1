"""The preload Job's program with the interpreter and the libraries of the vLLM image."""

from pathlib import Path

import pytest

from tests.unit.programs.conftest import REVISION, SOURCE, preload_with, repository
from tests.unit.programs.hub_files import FileHub, serve_files

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM


def test_a10_the_engines_own_python_fetches_and_checks(vllm_python: Path, tmp_path: Path) -> None:
    """A10, B4: it resumes what broke off, and the marker comes from its own verification."""
    hub = FileHub(SOURCE, REVISION, repository(), cuts=[300_000])
    with serve_files(hub):
        preload = preload_with([str(vllm_python)], tmp_path, hub.endpoint)
        preload.is_not_served()
        assert "; again in" in preload.succeeds("fetch")
        preload.is_served(repository())
    assert sum(hub.sent.values()) == sum(map(len, repository().values()))


def test_an_incomplete_lock_is_completed_by_the_image_s_library(
    vllm_python: Path, tmp_path: Path
) -> None:
    with serve_files(FileHub(SOURCE, REVISION, repository())) as hub:
        preload = preload_with([str(vllm_python)], tmp_path, hub.endpoint)
        model = preload.plan["models"][0]
        model["complete"] = False
        del model["files"][0]
        preload.succeeds("fetch")
        preload.is_served(repository())


def test_a_refusal_is_one_sentence_with_that_library_too(vllm_python: Path, tmp_path: Path) -> None:
    gated = (403, {"X-Error-Code": "GatedRepo"})
    with serve_files(FileHub(SOURCE, REVISION, repository(), refuses=gated)) as hub:
        preload = preload_with([str(vllm_python)], tmp_path, hub.endpoint)
        assert f"https://huggingface.co/{SOURCE}" in preload.fails_to_fetch()
