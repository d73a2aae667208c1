"""Every check of the contract passes where it is kept, and fails where it is broken."""

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.rendering import STACKS, document, of_kind, render
from tests.unit.tools_conformance import stub
from tests.unit.tools_conformance.faults import FAULTS
from tests.unit.tools_conformance.stub import KEY, MODEL, gateway
from tools.conformance.__main__ import main
from tools.conformance.check import Outcome, judge
from tools.conformance.expected import aliases_of, chat_model_of, expected_of
from tools.conformance.suite import CHECKS, LAST, broken, judged
from tools.conformance.target import Expected, Target
from tools.endpoint import Endpoint

_EXPECTED = Expected(
    aliases=frozenset({MODEL, stub.EMBEDDER, stub.FURTHER}),
    model_len=stub.MODEL_LEN,
    request_mib=stub.MOST_MIB,
    output_tokens=stub.MOST_TOKENS,
    choices=stub.MOST_CHOICES,
)
_BY_NAME = {check.name: check for check in CHECKS}
_CASES = [(name, fault) for name, faults in FAULTS.items() for fault in faults]
_LISTENS = {check.name for check in LAST}


def _asking() -> httpx.Client:
    return httpx.Client(verify=False, trust_env=False)  # no TLS: authorities take seconds to load


@contextmanager
def _target(*faults: str) -> Generator[Target]:
    with gateway(*faults) as url, _asking() as client:
        yield Target(
            Endpoint(url, KEY),
            MODEL,
            client,
            _EXPECTED,
            embedding_model=stub.EMBEDDER,
            public=True,
            key_in_query=True,
        )


def test_names_of_checks_are_unique_and_each_has_a_way_to_break() -> None:
    assert len(_BY_NAME) == len(CHECKS)
    assert set(_BY_NAME) == set(FAULTS)


def test_readme_names_every_check_and_no_other() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    promised, differing = readme.split("| checks | what is promised |")[1].split("| check | ")
    rows = [row.split("|")[1] for row in promised.splitlines() if row.startswith("| `")]
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == set(_BY_NAME)
    named = re.findall(r"^\| `([\w-]+)` \|", differing.split("\n## ")[0], flags=re.MULTILINE)
    assert set(named) <= set(_BY_NAME)


def test_a_deployment_that_keeps_the_contract_passes_every_check() -> None:
    """Rows A1, D7: and offers everything beyond."""
    with _target() as target:
        results = judged(target)
    assert [(r.check.name, r.why) for r in results if r.outcome != Outcome.PASSED] == []


@pytest.mark.parametrize(("name", "fault"), _CASES, ids=[fault for _, fault in _CASES])
def test_a_check_fails_where_its_promise_is_broken(name: str, fault: str) -> None:
    """Rows A1, D7: no check is one that cannot fail; a feature that lacks is told."""
    check = _BY_NAME[name]
    with _target(fault) as target:
        if name in _LISTENS:
            judge(_BY_NAME["chat"], target)
        result = judge(check, target)
    wanted = Outcome.NOT_OFFERED if check.feature else Outcome.FAILED
    assert result.outcome == wanted
    assert result.why


def test_what_is_not_known_is_not_judged_and_says_how_to_make_it_known() -> None:
    with gateway() as url, _asking() as client:
        results = judged(Target(Endpoint(url, KEY), MODEL, client, master_key=True))
    left_out = {r.check.name: r.why for r in results if r.outcome == Outcome.NOT_OFFERED}
    assert set(left_out) == {
        *("embeddings", "admin-tenant", "admin-public", "long-prompt"),
        *("cap-choices", "cap-tokens", "cap-body", "key-query"),
    }
    assert all("--" in why for why in left_out.values())
    assert broken(results) == ()


def test_a_deployment_that_is_not_there_breaks_its_promises() -> None:
    with _asking() as client:
        results = judged(Target(Endpoint("http://127.0.0.1:9", KEY), MODEL, client))
    assert "chat" in {result.check.name for result in broken(results)}
    assert "the connection failed" in broken(results)[0].why


@pytest.mark.parametrize("stack", STACKS)
def test_the_names_of_a_document_are_those_that_its_gateway_is_rendered_with(stack: str) -> None:
    """Row A1."""
    value = document(stack)
    maps = of_kind(render(value, stack=stack, gateway_key=KEY), "ConfigMap")
    (config,) = (
        json.loads(item["data"]["config.yaml"]) for item in maps if "config.yaml" in item["data"]
    )
    groups = config["router_settings"]["model_group_alias"]
    listed = {entry["model_name"] for entry in config["model_list"]} | set(groups)
    assert aliases_of(value) == listed
    assert chat_model_of(value) in listed
    assert expected_of(value, "akko-chat").model_len == 4096


@pytest.mark.parametrize(
    ("faults", "words", "code"),
    [
        ((), (), 0),
        (("finish-abort",), (), 1),
        (("tools-400",), (), 0),
        (("tools-400",), ("--require", "tools"), 1),
        ((), ("--alias", MODEL), 1),
        ((), ("--most-choices", "2"), 1),
    ],
)
def test_the_exit_code_says_whether_the_contract_is_kept(
    faults: tuple[str, ...],
    words: tuple[str, ...],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with gateway(*faults) as url:
        assert main([f"{url}/v1/", "--json", *words]) == code
    told = capsys.readouterr()
    assert {each["name"] for each in json.loads(told.out)} == set(_BY_NAME)
    assert KEY not in told.out + told.err


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("localhost:4000", KEY, "is no address of a deployment"),
        ("http://127.0.0.1:9", "", "there is no key"),
        ("http://127.0.0.1:9", KEY, "gives no model to try"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    url: str,
    key: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.delenv("KEY_FILE", raising=False)
    assert main([url]) == 2
    assert sentence in capsys.readouterr().err
