"""Tenants of the gateway in the document: what is refused, and what the reconciler is told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.document import ROOT, DocumentError, PlatformSettings, parse_document
from components.document.tenant_checks import Surroundings, problems, surroundings
from components.document.tenant_state import secret_names, wanted_state
from components.document.tenants import TeamSettings, parallel_shares
from components.programs.gateway_wanted import read_wanted
from tests.rendering import document

KEY = f"{ROOT}.gateway.teams"
AROUND = Surroundings(
    database=True,
    names={
        "akko-coder": frozenset({"akko-coder", "outside"}),
        "akko-chat": frozenset({"akko-chat"}),
        "outside": frozenset({"outside"}),
    },
    tags={"akko-chat": {"complex_reasoning": "outside"}},
    secrets={"gateway-key": f"{ROOT}.gateway.master_key"},
    lengths={"akko-coder": 8192, "akko-chat": 4096},
)
ACCOUNT = {"secret_name": "akko-batch"}


def teams(**values: Mapping[str, Any]) -> dict[str, TeamSettings]:
    return {
        name: TeamSettings.model_validate({"models": ["akko-chat"], **value})
        for name, value in values.items()
    }


def refused(around: Surroundings = AROUND, **values: Mapping[str, Any]) -> list[str]:
    return list(problems(teams(**values), around))


def _parsed(**gateway: object) -> PlatformSettings:
    value = document("production")
    value["gateway"] |= gateway
    return parse_document(value)


def test_c2_a_whole_team_is_possible() -> None:
    """C2: teams, accounts, budgets and limits in the document."""
    team = {
        "budget": {"usd": 100, "every": "30d"},
        "requests_per_minute": 60,
        "tokens_per_minute": 100_000,
        "parallel_requests": 8,
        "tags": ["complex_reasoning"],
        "service_accounts": {
            "batch": {**ACCOUNT, "budget": {"usd": 1, "every": "1d"}, "requests_per_minute": 60},
            "app": {"secret_name": "akko-app", "parallel_requests": 5},
        },
    }
    assert refused(akko=team) == []


def test_teams_without_a_database_are_refused_in_one_sentence() -> None:
    with pytest.raises(DocumentError) as caught:
        _parsed(database=None, teams={"akko": {"models": ["akko-coder"]}})
    assert str(caught.value).splitlines()[-1] == (
        f"{KEY} has akko, but without a database the gateway knows the master key alone: set "
        f"{ROOT}.gateway.database, or take the teams out"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"models": ["akko-code"]},
            f"{KEY}.akko.models names 'akko-code', which is not among {ROOT}.models: akko-coder, "
            "akko-chat, outside",
        ),
        (
            {"models": ["all-proxy-models"]},
            f"{KEY}.akko.models names 'all-proxy-models', which LiteLLM does not read as a model: "
            "name aliases, possible are akko-coder, akko-chat, outside",
        ),
        (
            {"tags": ["reasoning"]},
            f"{KEY}.akko.tags names 'reasoning', which no route answers to: possible are "
            f"complex_reasoning, or add it to {ROOT}.gateway.tag_routes",
        ),
        (
            {"service_accounts": {"batch": {**ACCOUNT, "models": ["akko-coder"]}}},
            f"{KEY}.akko.service_accounts.batch.models names 'akko-coder', which the team may not "
            f"use: possible are akko-chat, or add it to {KEY}.akko.models",
        ),
        (
            {
                "requests_per_minute": 60,
                "service_accounts": {"batch": {**ACCOUNT, "requests_per_minute": 61}},
            },
            f"{KEY}.akko.service_accounts.batch.requests_per_minute is 61, above the team's 60: "
            f"lower it, or raise {KEY}.akko.requests_per_minute",
        ),
        (
            {
                "budget": {"usd": 10, "every": "7d"},
                "service_accounts": {"batch": {**ACCOUNT, "budget": {"usd": 2, "every": "1d"}}},
            },
            f"{KEY}.akko.service_accounts.batch.budget is 2 USD every 1d, above the team's 10 USD "
            f"every 7d: lower it, or raise {KEY}.akko.budget",
        ),
        (
            {
                "parallel_requests": 2,
                "service_accounts": {
                    "batch": {**ACCOUNT, "parallel_requests": 2},
                    "app": {"secret_name": "akko-app"},
                },
            },
            f"{KEY}.akko.parallel_requests is 2, is dealt out to the service accounts and leaves "
            "none for app: raise it, or lower theirs",
        ),
        (
            {
                "parallel_requests": 3,
                "service_accounts": {
                    "batch": {**ACCOUNT, "parallel_requests": 2},
                    "app": {"secret_name": "akko-app", "parallel_requests": 2},
                },
            },
            f"{KEY}.akko.parallel_requests is 3, is dealt out to the service accounts and is below "
            "their sum 4: raise it, or lower theirs",
        ),
        (
            {"models": ["akko-coder", "akko-chat"], "tokens_per_minute": 4095},
            f"{KEY}.akko.tokens_per_minute is 4095, but one request to akko-chat may have 4096: "
            f"raise it, or lower {ROOT}.models.akko-chat.max_model_len",
        ),
        (
            {"service_accounts": {"batch": {**ACCOUNT, "tokens_per_minute": 10}}},
            f"{KEY}.akko.service_accounts.batch.tokens_per_minute is 10, but one request to "
            f"akko-chat may have 4096: raise it, or lower {ROOT}.models.akko-chat.max_model_len",
        ),
        (
            {"service_accounts": {"batch": {"secret_name": "gateway-key"}}},
            f"{KEY}.akko.service_accounts.batch.secret_name is 'gateway-key', the Secret of "
            f"{ROOT}.gateway.master_key: name one that holds nothing else",
        ),
        (
            {"service_accounts": {"a": ACCOUNT, "b": ACCOUNT}},
            f"{KEY}.akko.service_accounts.b.secret_name is 'akko-batch', as that of "
            f"{KEY}.akko.service_accounts.a: each account has a key of its own, name a Secret for "
            "each",
        ),
        (
            {"service_accounts": {"b_1": ACCOUNT, "B-1": {"secret_name": "akko-b"}}},
            f"{KEY}.akko.service_accounts.B-1 is the account b_1 written otherwise: rename one, or "
            "make them one",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    assert refused(akko=change) == [sentence]


def test_teams_that_only_their_spelling_tells_apart_are_refused() -> None:
    names: dict[str, Mapping[str, Any]] = {"akko_dev": {}, "Akko-Dev": {}}
    assert list(problems(teams(**names), AROUND)) == [
        f"{KEY}.Akko-Dev is the team akko_dev written otherwise: rename one, or make them one"
    ]


@pytest.mark.parametrize(
    ("team", "free"),
    [
        ({"models": ["outside"]}, True),
        ({"models": ["akko-coder"]}, True),  # it falls back to the one outside
        ({"models": ["akko-chat"]}, False),
        ({"models": ["akko-chat"], "tags": ["complex_reasoning"]}, True),  # a tag leads there
    ],
)
def test_a_budget_on_a_model_without_price_is_refused_however_the_model_is_reached(
    team: dict[str, Any], *, free: bool
) -> None:
    around = replace(AROUND, unpriced=frozenset({"outside"}))
    sentence = (
        f"{KEY}.akko.budget bounds nothing on outside, which may answer this team and cost nothing "
        f"without a price: set {ROOT}.models.outside.price, or take the budget out"
    )
    budget = {"usd": 1, "every": "1d"}
    assert refused(around, akko={**team, "budget": budget}) == ([sentence] if free else [])
    account = {"batch": {**ACCOUNT, "budget": budget}}
    assert len(refused(around, akko={**team, "service_accounts": account})) == int(free)


@pytest.mark.parametrize(
    "change",
    [
        {"models": []},
        {"models": ["akko-coder"], "requests_per_minute": 0},
        {"models": ["akko-coder"], "tokens_per_minute": 0},
        {"models": ["akko-coder"], "tokens_per_minute": "60"},
        {"models": ["akko-coder"], "budget": {"usd": 0, "every": "1d"}},
        {"models": ["akko-coder"], "budget": {"usd": "200", "every": "1d"}},
        {"models": ["akko-coder"], "budget": {"usd": float("nan"), "every": "1d"}},
        {"models": ["akko-coder"], "budget": {"usd": 1, "every": "monthly"}},
        {"models": ["akko-coder"], "service_accounts": {"a": {}}},
        {"models": ["akko-coder"], "service_accounts": {"a/b": ACCOUNT}},
        {"models": ["akko-coder"], "service_accounts": {"a": {**ACCOUNT, "generation": 0}}},
        {"models": ["akko-coder"], "service_accounts": {"a": {**ACCOUNT, "key": "sk-1"}}},
    ],
)
def test_what_is_below_one_or_of_another_shape_is_refused_with_its_key(
    change: dict[str, Any],
) -> None:
    with pytest.raises(DocumentError) as caught:
        _parsed(teams={"akko": change})
    assert str(caught.value).startswith(f"{KEY}.akko.")
    assert "\n" not in str(caught.value)


def test_a_limit_above_one_request_to_one_of_the_models_is_somebody_s_choice() -> None:
    assert refused(akko={"models": ["akko-coder", "akko-chat"], "tokens_per_minute": 4096}) == []
    assert refused(akko={"models": ["outside"], "tokens_per_minute": 1}) == []


def test_a_key_is_never_written_into_the_secret_of_a_certificate() -> None:
    value = document("production")
    value["exposure"]["parent_gateway"] = {
        "source": "created",
        "class_name": "envoy",
        "certificate_secret": "akko-app-gateway-key",
    }
    with pytest.raises(DocumentError) as caught:
        parse_document(value)
    assert str(caught.value) == (
        f"{KEY}.akko.service_accounts.app.secret_name is 'akko-app-gateway-key', the Secret of "
        f"{ROOT}.exposure.parent_gateway: name one that holds nothing else"
    )


def test_the_rest_of_the_document_is_read_for_names_fallbacks_and_secrets() -> None:
    parsed = _parsed()
    found = surroundings(parsed)
    assert found.names["akko-chat"] == {"akko-coder"}
    assert found.names["akko-coder"] >= {"akko-coder"}
    secret = parsed.gateway.master_key.secret_name
    assert found.secrets[secret] == f"{ROOT}.gateway.master_key"


def test_requests_at_a_time_of_a_team_are_dealt_out_to_its_accounts() -> None:
    accounts = {"a": ACCOUNT, "b": ACCOUNT, "c": {**ACCOUNT, "parallel_requests": 3}}
    team = teams(akko={"parallel_requests": 8, "service_accounts": accounts})["akko"]
    assert parallel_shares(team) == {"a": 2, "b": 2, "c": 3}


def test_the_reconciler_is_told_everything_under_litellms_names() -> None:
    gateway = _parsed().gateway.model_copy(
        update={
            "teams": teams(
                akko={
                    "models": ["b", "a"],
                    "budget": {"usd": 5, "every": "7d"},
                    "tags": ["t"],
                    "parallel_requests": 4,
                    "service_accounts": {"batch": {**ACCOUNT, "requests_per_minute": 6}},
                }
            )
        }
    )
    state = wanted_state(gateway)
    limits = {"max_budget": None, "budget_duration": None, "rpm_limit": 6, "tpm_limit": None}
    assert state == {
        "unmanaged": "report",
        "delete_blocked_after_days": 7,
        "teams": [
            {
                "name": "akko",
                "settings": {
                    "models": ["a", "b"],
                    "max_budget": 5,
                    "budget_duration": "7d",
                    "rpm_limit": None,
                    "tpm_limit": None,
                },
                "tags": ["t"],
                "accounts": [
                    {
                        "name": "batch",
                        "secret": "akko-batch",
                        "settings": {"models": ["a", "b"], **limits, "max_parallel_requests": 4},
                        "generation": 1,
                        "overlap_hours": 24,
                    }
                ],
            }
        ],
    }
    assert read_wanted(state).teams[0].accounts[0].path == "akko/batch"
    assert secret_names(gateway) == ("akko-batch",)
