"""Runbooks: those that programs and README send to exist, none is forgotten, all are whole."""

import json
import re
from pathlib import Path

import pytest

from components.programs.preflight import Fault

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
RUNBOOKS = {path.stem: path for path in sorted((CHECKOUT / "runbooks").glob("*.md"))}
SECTION = README.split("## GPU preflight")[1].split("\n## ")[0]
MAKE_TARGETS = re.findall(
    r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
)


def named_by_programs() -> set[str]:
    """By the preflight's faults, and by any program that writes the name of a file."""
    programs = sorted((CHECKOUT / "components" / "programs").glob("*.py"))
    written = "\n".join(path.read_text(encoding="utf-8") for path in programs)
    return {fault.runbook for fault in Fault} | set(
        re.findall(r"([a-z]+(?:-[a-z]+)*)\.md", written)
    )


def test_a11_every_runbook_that_a_program_names_exists() -> None:
    """A11: the last words of every line of the preflight lead to a page."""
    assert named_by_programs() <= RUNBOOKS.keys()


def test_a11_readme_leads_to_every_runbook_and_to_no_other() -> None:
    """A11: GPU not detected, CUDA and driver, download, GPU memory, slow start."""
    listed = set(re.findall(r"\(runbooks/([a-z-]+)\.md\)", README))
    assert listed == RUNBOOKS.keys()
    assert listed >= {
        "gpu-not-detected",
        "cuda-driver-mismatch",
        "model-download",
        "out-of-gpu-memory",
        "slow-start",
    }


def test_readme_lists_every_code_of_the_preflight_with_its_runbook() -> None:
    rows = re.findall(
        r"^\| (\d+) \| (.+?) \| \[.+?\]\(runbooks/(.+?)\.md\) \|$", SECTION, re.MULTILINE
    )
    told = [(int(code), what, runbook) for code, what, runbook in rows]
    assert told == [(fault.code, fault.what, fault.runbook) for fault in Fault]


def test_the_line_that_readme_shows_is_the_program_s() -> None:
    fault = CHECKOUT / "tests" / "unit" / "programs" / "faults" / "node-without-gpu.json"
    (line,) = json.loads(fault.read_text(encoding="utf-8"))["lines"]
    assert f"```\n{line}\n```" in SECTION


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_runbook_says_what_is_seen_why_how_to_check_and_what_to_do(name: str) -> None:
    text = RUNBOOKS[name].read_text(encoding="utf-8")
    assert text.startswith("# ")
    found = re.findall(r"^\*\*(\w+)\.\*\*", text, flags=re.MULTILINE)
    assert found == ["Symptom", "Why", "Check", "Fix"]
    check = text.split("**Check.**")[1].split("**Fix.**")[0]
    assert "kubectl " in check


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_runbook_names_targets_pages_and_codes_that_exist(name: str) -> None:
    text = RUNBOOKS[name].read_text(encoding="utf-8")
    assert set(re.findall(r"make ([a-z-]+)", text)) <= set(MAKE_TARGETS)
    assert set(re.findall(r"\]\((.+?)\.md\)", text)) <= RUNBOOKS.keys()
    told = {
        int(code) for codes in re.findall(r"\(codes? ([^)]*)\)", text) for code in _codes(codes)
    }
    assert told == {fault.code for fault in Fault if fault.runbook == name}


def _codes(text: str) -> list[str]:
    spans = re.findall(r"(\d+) to (\d+)", text)
    inside = [str(code) for low, high in spans for code in range(int(low), int(high) + 1)]
    return [*inside, *re.findall(r"\d+", text)]
