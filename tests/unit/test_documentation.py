"""README tells the truth: its commands, paths, policies and dependencies exist."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from components.document import DocumentError, read_document
from components.document.gateway_stores import ExternalDatabase, ExternalRedis
from components.document.plans import plan_models
from components.document.replacement import sentence
from components.document.vllm_model import VllmServerSettings
from components.programs.gateway_state import KEY
from policies.pack import POLICIES
from tests.serving.bench_gateway import OVERHEAD, QUICK, REAL, SETTINGS
from tests.serving.gateway_variants import VARIANTS
from tools.planner.bench import accuracy, describe_miss, summary
from tools.planner.published_starts import read_starts

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))


def test_every_make_target_in_readme_exists() -> None:
    named = set(re.findall(r"make ([a-z-]+)(?=[ `\n|]|$)", README))
    assert {"up", "preview", "down", "test", "lint", "bench"} <= named
    assert named - {"needs", "hides"} <= TARGETS


def test_every_path_in_the_map_exists() -> None:
    section = README.split("## Map")[1].split("##")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) > 8
    for row in rows:
        names = re.findall(r"`([\w./]+)`", row.split("|")[1])
        folder = Path(names[0]).parent
        for name in names:
            assert (CHECKOUT / name).exists() or (CHECKOUT / folder / name).exists(), name


def test_every_policy_stands_in_readme_and_no_other() -> None:
    section = README.split("## Policies")[1].split("##")[0]
    assert set(
        re.findall(r"^\| ((?:ax|ml|sc|ph|rl|co|ob|me)-[\w-]+) \|", section, flags=re.MULTILINE)
    ) == {policy.name for policy in POLICIES}


def test_every_direct_dependency_has_its_reason_in_readme() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    pins = [*project["project"]["dependencies"], *groups["tools"], *groups["dev"]]
    names = {re.split(r"[=\[]", pin)[0].lower() for pin in pins if isinstance(pin, str)}
    section = README.split("| dependency | why |")[1]
    typing_only = {name for name in names if name.startswith("types-")}
    assert {name for name in names - typing_only if name not in section} == set()


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    for pin in [*project["project"]["dependencies"], *groups["tools"], *groups["dev"]]:
        assert not isinstance(pin, str) or "==" in pin, pin


def test_the_model_that_readme_adds_is_accepted() -> None:
    block = re.search(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert block is not None
    document = yaml.safe_load((CHECKOUT / "Pulumi.production.yaml").read_text(encoding="utf-8"))
    platform = document["config"]["inference:platform"]
    platform["models"].update(yaml.safe_load(block.group(1))["models"])
    assert "akko-reviewer" in read_document(platform).vllm_models


def test_the_secrets_that_readme_asks_for_and_reads_are_those_of_production() -> None:
    platform = yaml.safe_load((CHECKOUT / "Pulumi.production.yaml").read_text(encoding="utf-8"))
    gateway = read_document(platform["config"]["inference:platform"]).gateway
    assert isinstance(gateway.database, ExternalDatabase)
    assert isinstance(gateway.redis, ExternalRedis)
    assert gateway.salt_key is not None
    stores = (gateway.database.url, gateway.redis.password)
    needed = {each.name: each.key for each in stores}
    needed |= {each.secret_name: each.secret_key for each in (gateway.master_key, gateway.salt_key)}
    for name, key in needed.items():
        assert re.search(rf"`{name}` with\s+`{key}`", README), name
    (account,) = gateway.teams["akko"].service_accounts.values()
    read = {account.secret_name: KEY, gateway.master_key.secret_name: "master-key"}
    assert dict(re.findall(r"\$\(secret (\S+) (\S+)\)", README)) == read


def test_the_sentence_that_readme_shows_is_the_program_s() -> None:
    document = yaml.safe_load((CHECKOUT / "Pulumi.production.yaml").read_text(encoding="utf-8"))
    platform = document["config"]["inference:platform"]
    model = platform["models"]["akko-coder"]
    model["max_modle_len"] = model.pop("max_model_len")
    with pytest.raises(DocumentError) as refused:
        read_document(platform)
    shown = re.search(r"```\nerror: (.*max_modle_len.*)\n```", README)
    assert shown is not None
    assert shown.group(1) in str(refused.value)


def test_the_plan_that_readme_shows_is_what_make_plan_prints() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tools.planner", "--stack", "production"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    table = [line for line in shown.stdout.splitlines() if line[:1] in "┏┃┡│└"]
    assert len(table) == 6
    assert "\n".join(table) in README


def test_the_accuracy_that_readme_claims_is_what_the_bench_prints() -> None:
    figures, compared = accuracy(read_starts())
    for line in summary(figures):
        assert line in README
    section = README.split("What it missed, and why")[1].split("</details>")[0]
    told = {
        tuple(cell.strip() for cell in row.split("|")[1:3])
        for row in section.splitlines()[4:]
        if "|" in row
    }
    assert told == {(row.id, describe_miss(row)) for row in compared if describe_miss(row)}


def test_the_overhead_that_readme_shows_is_of_what_the_bench_measures() -> None:
    section = README.split("### What the gateway adds")[1].split("\n## ")[0]
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    names = [OVERHEAD[0], QUICK, REAL, SETTINGS[0], *(variant.name for variant in VARIANTS)]
    assert [row[0] for row in rows] == names
    for head, body in ((OVERHEAD, rows[1:3]), (SETTINGS, rows[4:])):
        assert head in rows
        for row in body:
            assert len(row) == len(head)
            assert all(re.match(r"\d+\.\d\d+ x", cell) for cell in row[1:]), row


def test_every_example_and_every_key_of_a_vllm_model_stands_in_readme() -> None:
    section = README.split("### Examples")[1].split("###")[0]
    named = set(re.findall(r"^\| `([\w.-]+\.yaml)`", section, flags=re.MULTILINE))
    assert named == {path.name for path in (CHECKOUT / "examples").glob("*.yaml")}
    assert {key for key in VllmServerSettings.model_fields if f"`{key}`" not in README} <= ELSEWHERE


ELSEWHERE = {
    *("engine", "source", "revision", "service_name", "service_type", "pool", "max_model_len"),
    *("gpu_memory_utilization", "kv_cache_dtype", "dtype", "enforce_eager", "replicas", "traffic"),
    *("cache", "tensor_parallel_over_pcie", "architecture"),
}
"""Keys of which README shows a use, or which `make schema` says enough of."""


def test_the_sentence_about_replacement_is_the_program_s() -> None:
    document = yaml.safe_load((CHECKOUT / "Pulumi.production.yaml").read_text(encoding="utf-8"))
    settings = read_document(document["config"]["inference:platform"])
    (found,) = plan_models(settings).values()
    assert f"info: {sentence(settings, found)}" in README
