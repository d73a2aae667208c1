"""Development and production are one contract: both committed stacks, whole, with real servers.

What one of them does without stands in README's table of differences, and nowhere else.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.serving.containers import Container
from tests.serving.ollamas import make_library
from tests.serving.stacks import MASTER_KEY, STACKS
from tests.serving.stacks import gateway as gateway_of
from tests.serving.states import Home
from tests.serving.whole_stacks import Programs, WholeStack, running_stack
from tools.conformance.check import judge
from tools.conformance.suite import CHECKS, LAST
from tools.conformance.target import Expected, Target
from tools.endpoint import Endpoint

pytestmark = pytest.mark.timeout(2400)  # the first test may install the engines

_CHECKOUT = Path(__file__).parents[2]
_COLUMNS = {"dev": 2, "production": 3}
"""Of README's table of differences."""
_UNJUDGED = {"embeddings", "admin-tenant", "admin-public"}
"""No such model, key or address there; judged in tests/unit, and with a tenant's key below."""
_KEYS = {
    *("models", "no-key", "wrong-key", "malformed-key", "key-query", "unknown-model"),
    *("admin-tenant", "admin-nobody", "bad-json"),
}
"""What needs a tenant, and no engine."""

_APPLICATION = """
from openai import OpenAI
client = OpenAI(base_url="http://akko-akko-litellm:4000/v1", api_key="akko-dev-litellm-key")
asked = [{"role": "user", "content": "Say hello."}]
whole = client.chat.completions.create(model="akko-coder", messages=asked, max_tokens=8)
assert whole.model == "akko-coder" and whole.choices[0].finish_reason == "length", whole
streamed = client.chat.completions.create(
    model="akko-coder", messages=asked, max_tokens=8, stream=True)
reasons = [choice.finish_reason for chunk in streamed for choice in chunk.choices]
print("answered by", whole.model, whole.usage.completion_tokens, *filter(None, reasons))
"""
"""Row A1: what applications do today, with the names and the key of row A2."""


@pytest.fixture(scope="module", params=STACKS)
def stack(
    request: pytest.FixtureRequest,
    home: Home,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[WholeStack]:
    folder = tmp_path_factory.mktemp(request.param)
    state = home.fresh()
    if request.param == "dev":
        ollama: Path = request.getfixturevalue("ollama")
        store = tmp_path_factory.mktemp("store")
        make_library(ollama, store, tmp_path_factory.mktemp("making"))
        programs = Programs(state, ollama=ollama, store=store)
    else:
        vllm, tiny = (request.getfixturevalue(name) for name in ("vllm_python", "tiny_models"))
        programs = Programs(state, vllm=vllm, tiny_models=tiny)
    with running_stack(request.param, programs, folder) as running:
        yield running


def _text(client: Container) -> str:
    """What a client wrote, once it has ended well."""
    assert client.exit_code(120) == 0, client.text()
    return client.text()


def _told(stack: str, cell: str) -> set[str]:
    """The checks that have this word for a stack in README's table of differences."""
    section = (_CHECKOUT / "README.md").read_text("utf-8").split("**Where they differ.**")[1]
    rows = [row.split("|") for row in section.split("\n## ")[0].splitlines() if row[:3] == "| `"]
    assert len(rows) > 5
    return {row[1].strip(" `") for row in rows if row[_COLUMNS[stack]].strip() == cell}


def test_the_contract_is_kept_but_for_what_readme_says(stack: WholeStack) -> None:
    """Rows A1, D7: the command that users run, against what the committed document renders."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tools.conformance", stack.url, "--file", str(stack.file)),
            *("--master-key", "--key-in-query", "--json"),
        ],
        cwd=_CHECKOUT,
        env={"PATH": os.environ["PATH"], "OPENAI_API_KEY": MASTER_KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    results = {each["name"]: each for each in json.loads(done.stdout)}
    lacking = {name for name, each in results.items() if each["outcome"] != "passed"}
    open_ones = _UNJUDGED | _told(stack.name, "by model")
    assert lacking - open_ones == _told(stack.name, "no"), done.stdout
    assert lacking >= _UNJUDGED
    assert MASTER_KEY not in done.stdout + done.stderr


def test_a_tenant_s_key_is_kept_apart(stack: WholeStack) -> None:
    """Rows A1, D7: 401 to a key that nobody has; a tenant's key administrates nothing."""
    aliases = gateway_of(stack.name).aliases
    with httpx.Client(timeout=60, trust_env=False, verify=False) as client:
        made = client.post(
            f"{stack.url}/key/generate",
            headers={"Authorization": f"Bearer {MASTER_KEY}"},
            json={"models": sorted(aliases)},
        )
        tenant = Endpoint(stack.url, made.raise_for_status().json()["key"])
        target = Target(tenant, "akko-coder", client, Expected(aliases=aliases), key_in_query=True)
        results = [judge(check, target) for check in CHECKS if check.name in _KEYS]
        results += [judge(check, target) for check in LAST]
    found = {result.check.name: result.why for result in results if result.outcome != "pass"}
    assert len(results) == len(_KEYS) + len(LAST)
    assert found == {}


def test_client_code_runs_unchanged(stack: WholeStack) -> None:
    """Rows A1, A2: one text for both, by the name that the gateway's Service has in the cluster."""
    said = _text(stack.client(["-c", _APPLICATION], "application"))
    assert said == "answered by akko-coder 8 length\n"


def test_the_models_are_those_of_the_document(stack: WholeStack) -> None:
    """Row A1: the alias is the contract, and both stacks have the same ones."""
    listed = _text(
        stack.client(
            ["-c", "import openai; print(*sorted(m.id for m in openai.OpenAI().models.list()))"],
            "models",
            OPENAI_BASE_URL=stack.address,
            OPENAI_API_KEY=MASTER_KEY,
        )
    )
    assert set(listed.split()) == gateway_of(stack.name).aliases == {"akko-coder", "akko-chat"}


def test_the_chat_client_answers(stack: WholeStack) -> None:
    """Row D5."""
    client = stack.client(
        ["examples/clients/chat.py", "Say hello.", "--model", "akko-chat", "--tokens", "40"],
        "chat",
        OPENAI_BASE_URL=stack.address,
        OPENAI_API_KEY=MASTER_KEY,
    )
    assert _text(client).strip()


@pytest.mark.parametrize("form", [(), ("--whole",)], ids=["streamed", "whole"])
def test_the_load_test_finds_every_answer_whole(stack: WholeStack, form: tuple[str, ...]) -> None:
    """Rows C10, D5."""
    client = stack.client(
        [
            *("examples/clients/load_test.py", "--users", "4", "--requests", "12"),
            *("--tokens", "16", "--json", *form),
        ],
        f"load-{len(form)}",
        OPENAI_BASE_URL=stack.address,
        OPENAI_API_KEY=MASTER_KEY,
    )
    figures = json.loads(_text(client))
    assert (figures["requests"], figures["errors"], figures["truncated"]) == (12, {}, 0)
    assert figures["tokens_per_second"] > 0
    assert (figures["ttft_p95"] is None) == bool(form)


def test_smoke_asks_every_model_both_ways(stack: WholeStack) -> None:
    """Row C10."""
    client = stack.client(
        ["-m", "tools.smoke", stack.address], "smoke", OPENAI_API_KEY=MASTER_KEY, COLUMNS="100"
    )
    said = _text(client)
    assert len(re.findall(r"│ akko-(?:coder|chat) +│ (?:whole|streamed) +│ .* well", said)) == 4
    assert MASTER_KEY not in said
