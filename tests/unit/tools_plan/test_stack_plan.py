"""`make plan`: the current stack as a table, as JSON, as Markdown, and as an exit code."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rendering import document
from tools.planner.command import main
from tools.planner.table import Sheet, print_markdown, print_table

Write = Callable[[Mapping[str, Any]], Path]


@pytest.fixture
def project(tmp_path: Path) -> Write:
    """A project folder whose stack `trial` has a given document."""

    def write(value: Mapping[str, Any]) -> Path:
        text = yaml.safe_dump({"config": {"inference:platform": dict(value)}})
        (tmp_path / "Pulumi.trial.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def _too_long() -> dict[str, Any]:
    value = document("production")
    value["models"]["akko-coder"]["max_model_len"] = 40_000
    return value


def test_the_committed_stacks_are_planned_and_will_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--stack=production"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert [row[:4] for row in rows] == [
        ["akko-coder", "l4", "g6.2xlarge", "will start"],
        ["akko-coder", "l4", "g6.4xlarge", "will start"],
    ]
    assert all(all(row) for row in rows)
    assert main(["--stack=dev"]) == 0
    assert capsys.readouterr().out.count("not planned") == 2


def test_json_has_the_figures_of_every_alias(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack=production", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    model = answer["models"]["akko-coder"]
    assert answer["stack"] == "production"
    assert model["verdict"] == "will start"
    assert model["largest_max_model_len"] == 32_768
    assert model["start_seconds"]["low"] < model["start_seconds"]["expected"]
    assert model["start_seconds"]["expected"] < model["start_seconds"]["high"]
    assert [each["machine"] for each in model["machines"]] == ["g6.2xlarge", "g6.4xlarge"]
    assert model["machines"][0]["usd_per_month"] < model["machines"][1]["usd_per_month"]


def test_a_stack_file_elsewhere_is_planned_by_its_path(
    project: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project(_too_long()) / "Pulumi.trial.yaml"
    assert main([f"--file={file}", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["stack"] == str(file)
    assert answer["models"]["akko-coder"]["verdict"] == "refused"
    assert main([f"--file={file.parent}/none.yaml"]) == 2
    assert "error: there is no file" in capsys.readouterr().err


def test_markdown_is_a_table_of_whole_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack=production", "--markdown"]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert table[1] == "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    assert {line.count("|") for line in table} == {10}


def test_a_refused_plan_is_shown_with_its_reason_and_fixes_and_exits_1(
    project: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stack=trial"], project(_too_long())) == 1
    said = capsys.readouterr().out
    assert "refused" in said
    assert "the model was made for 32,768 tokens; vLLM would say" in said
    assert "set inference:platform.models.akko-coder.max_model_len to 32768" in said


def test_what_the_document_forbids_is_refused_although_the_engine_would_start(
    project: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    value = document("production")
    value["node_pools"]["l4"]["instance_types"] = ["g6.12xlarge"]
    value["models"]["akko-coder"]["tensor_parallel"] = 4
    assert main(["--stack=trial", "--markdown"], project(value)) == 1
    said = capsys.readouterr().out
    assert "| akko-coder | l4 | g6.12xlarge | refused |" in said
    assert "set inference:platform.models.akko-coder.tensor_parallel_over_pcie to true" in said


def test_an_unlocked_model_is_a_refused_row_and_others_are_planned(
    project: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    value = document("production")
    unlocked = {"source": "nobody/nothing", "service_name": "other"}
    value["models"]["other"] = {**value["models"]["akko-coder"], **unlocked}
    assert main(["--stack=trial", "--json"], project(value)) == 1
    models = json.loads(capsys.readouterr().out)["models"]
    assert models["akko-coder"]["verdict"] == "will start"
    assert models["other"]["verdict"] == "refused"
    assert "make lock MODEL=nobody/nothing" in models["other"]["reason"]


def test_a_model_outside_is_a_row_that_is_not_planned(
    project: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    value = document("production")
    secret = {"name": "openai", "key": "api-key"}
    value["models"]["frontier"] = {
        "engine": "external",
        "provider_model": "openai/gpt-4.1",
        "secret": secret,
    }
    assert main(["--stack=trial", "--markdown"], project(value)) == 0
    said = capsys.readouterr().out
    leaves = (
        "inference:platform.models.frontier: prompts leave the cluster for api.openai.com: all "
        "that ask for frontier"
    )
    assert "| frontier | external |  | not planned |" in said
    assert f"- `warning: {leaves}`" in said.splitlines()
    assert main(["--stack=trial", "--json"], project(value)) == 0
    assert json.loads(capsys.readouterr().out)["models"]["frontier"]["warnings"] == [leaves]


def test_markdown_shows_links_and_markup_and_makes_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = "[here](https://x.example) ``@all`` <b>\x1b[2J\n# title"
    print_markdown(Sheet(("a",), [("x|y\x1b",)], [line]))
    cell, said = capsys.readouterr().out.splitlines()[2:5:2]
    assert cell == r"| x\|y\x1b |"
    assert said == r"- ``` [here](https://x.example) ``@all`` <b>\x1b[2J\n# title ```"


def test_a_terminal_shows_control_characters_and_does_not_obey(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(Sheet(("a",), [("[red]x\x1b[2J",)], ["y\x1b[2J[bold]"]))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert r"[red]x\x1b[2J" in said
    assert r"y\x1b[2J[bold]" in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("config: [", "Pulumi.trial.yaml is not YAML: "),
        ("config: {}", "inference:platform is missing; write its keys below it"),
        ("config: {'inference:platform': {namespace: a}}", "inference:platform.cluster is missing"),
    ],
)
def test_a_stack_file_that_is_none_is_said_in_sentences_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    (tmp_path / "Pulumi.trial.yaml").write_text(text, encoding="utf-8")
    assert main(["--stack=trial"], tmp_path) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {sentence}")
    assert printed.out == ""


def test_an_unknown_stack_is_answered_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--stack=staging"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no stack 'staging' here; there are: dev, production\n"
    )


def test_a_plan_needs_no_pulumi_and_no_network() -> None:
    """Imports of both are made to fail before anything is planned."""
    program = (
        "import sys, socket\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0].startswith(('pulumi', 'grpc')):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "def refused(*_): raise AssertionError('network')\n"
        "socket.socket.connect = refused\n"
        "from tools.planner.command import main\n"
        "sys.exit(main(['--stack=production']) or main(['--model=Qwen/Qwen3-8B']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
