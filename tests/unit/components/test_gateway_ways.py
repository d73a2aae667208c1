"""How a name that clients ask for becomes LiteLLM's list of models and ways between them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from components.core.request_fields import REQUEST_FIELDS
from tests.rendering import STACKS, document, render
from tests.unit.components.gateway_disagreements import six_models
from tests.unit.components.manifests import environment, gateway_config, pod, stack
from tests.unit.policies.analyzer import analyze

GATEWAY = "Deployment akko-akko-litellm"
CODER = {
    "model": "hosted_vllm/akko-coder",
    "api_base": "http://akko-akko-vllm:8000/v1",
    "api_key": "os.environ/PROVIDER_KEY_AKKO_CODER",
    "input_cost_per_token": pytest.approx(0.2e-6),
    "output_cost_per_token": pytest.approx(0.8e-6),
}


def _document(**gateway: object) -> dict[str, Any]:
    """Production with a longer and a shorter model of a provider."""
    value = document("production")
    models = six_models()["models"]
    value["models"] |= {name: models[name] for name in ("wide", "narrow")}
    del value["gateway"]["teams"]  # whose budgets ask for prices
    value["gateway"] |= gateway
    return value


def _config(**gateway: object) -> dict[str, Any]:
    return gateway_config(render(_document(**gateway)))


def _behind(config: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [entry for entry in config["model_list"] if entry["model_name"] == name]


def test_a_name_of_several_models_has_an_entry_for_each() -> None:
    config = _config(model_aliases={"any": ["narrow", "akko-coder", "wide"]})
    infos = {entry["model_info"]["id"]: entry for entry in _behind(config, "any")}
    assert list(infos) == ["any.narrow", "any.akko-coder", "any.wide"]
    assert infos["any.akko-coder"]["litellm_params"] == CODER
    for alias in ("narrow", "wide"):
        assert infos[f"any.{alias}"]["litellm_params"] == {
            "model": "openai/gpt-4.1",
            "api_key": f"os.environ/PROVIDER_KEY_{alias.upper()}",
        }
    assert config["router_settings"]["model_group_alias"] == {}


def test_every_entry_has_an_id_of_its_own() -> None:
    """Metrics and logs tell entries apart by it."""
    config = _config(
        model_aliases={"any": ["akko-coder", "wide"]},
        tag_routes={"akko-coder": {"hard": "wide"}, "any": {"hard": "narrow"}},
    )
    ids = [entry["model_info"]["id"] for entry in config["model_list"]]
    assert len(ids) == len(set(ids)) == 3 + 2 + 2


def test_only_the_shorter_of_several_models_are_bounded_by_the_gateways_own_count() -> None:
    """It counts with another tokenizer than the engine, so it may choose and never refuse."""
    config = _config(model_aliases={"any": ["narrow", "akko-coder", "wide"]})
    assert {
        entry["model_info"]["id"]: entry["model_info"].get("max_input_tokens")
        for entry in config["model_list"]
    } == {
        "akko-coder": None,
        "wide": None,
        "narrow": None,
        "any.narrow": 2048,
        "any.akko-coder": 4096,
        "any.wide": None,
    }
    assert config["router_settings"]["enable_pre_call_checks"] is True


def test_a_model_rests_only_where_another_one_stands_behind_the_same_name() -> None:
    """Where an alias is one address, to rest it would be to refuse every tenant."""
    alone = _config()["router_settings"]
    assert alone["disable_cooldowns"] is True
    assert "cooldown_time" not in alone
    assert "enable_pre_call_checks" not in alone
    several = {"model_aliases": {"any": ["akko-coder", "wide"]}, "routing": {"rest_seconds": 45}}
    router = _config(**several)["router_settings"]
    assert router["cooldown_time"] == 45
    assert router["enable_weighted_failover"] is True
    assert "disable_cooldowns" not in router


def test_what_a_client_may_cause_puts_no_model_to_rest_and_no_name_is_without_a_model() -> None:
    """A 404 does not count; all models of a name at rest are asked nevertheless."""
    assert all("cooldown_time" not in info for info in _infos(_config()).values())
    several = _config(model_aliases={"any": ["akko-coder", "wide"]})
    infos, router = _infos(several), several["router_settings"]
    assert infos["akko-coder"]["cooldown_time"] == 0
    assert "allowed_fails_policy" not in infos["akko-coder"]
    for name in ("any.akko-coder", "any.wide"):
        assert infos[name]["allowed_fails_policy"]["NotFoundErrorAllowedFails"] > 10**6
        assert infos[name]["allowed_fails"] == 4
        assert "cooldown_time" not in infos[name]
    assert router["allowed_fails_policy"] == {}
    assert router["enable_health_check_routing"] is True
    assert router["background_health_check_model_groups"] == ["any"]


def _infos(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {entry["model_info"]["id"]: entry["model_info"] for entry in config["model_list"]}


@pytest.mark.parametrize(
    "strategy", ["simple-shuffle", "least-busy", "latency-based-routing", "cost-based-routing"]
)
def test_strategy_and_retries_are_the_documents(strategy: str) -> None:
    router = _config(routing={"strategy": strategy, "retries": 2})["router_settings"]
    assert (router["routing_strategy"], router["num_retries"]) == (strategy, 2)


def test_a_queue_is_tried_once_more_by_default() -> None:
    router = gateway_config(stack("production"))["router_settings"]
    assert (router["routing_strategy"], router["num_retries"]) == ("simple-shuffle", 1)


def test_models_are_asked_for_a_token_only_where_the_document_says_how_often() -> None:
    config = _config(routing={"health_check_seconds": 60})
    assert config["router_settings"]["enable_health_check_routing"] is True
    assert config["general_settings"]["background_health_checks"] is True
    assert config["general_settings"]["health_check_interval"] == 60
    silent = _config()
    assert "enable_health_check_routing" not in silent["router_settings"]
    assert "background_health_checks" not in silent["general_settings"]


def test_a_tag_leads_to_the_other_model_under_the_name_that_was_asked_for() -> None:
    config = _config(tag_routes={"akko-coder": {"hard": "wide"}})
    assert config["router_settings"]["enable_tag_filtering"] is True
    own, other = _behind(config, "akko-coder")
    assert own["litellm_params"] == {**CODER, "tags": ["default"]}
    assert own["model_info"] == {"id": "akko-coder", "salted_per_tenant": True}
    assert other == {
        "model_name": "akko-coder",
        "litellm_params": {
            "model": "openai/gpt-4.1",
            "api_key": "os.environ/PROVIDER_KEY_WIDE",
            "tags": ["hard"],
        },
        "model_info": {"id": "akko-coder.wide.hard"},
    }


def test_a_tagged_request_reaches_models_without_a_route_too() -> None:
    """LiteLLM 1.106 refuses a tagged request to a model without any tag, seen with its router."""
    config = _config(tag_routes={"akko-coder": {"hard": "wide"}})
    for alias in ("wide", "narrow"):
        (entry,) = _behind(config, alias)
        assert entry["litellm_params"]["tags"] == ["default"]


def test_without_a_route_tags_are_for_spend_alone() -> None:
    config = _config()
    assert "enable_tag_filtering" not in config["router_settings"]
    assert not [entry for entry in config["model_list"] if "tags" in entry["litellm_params"]]


@pytest.mark.parametrize("kind", ["fallbacks", "context_fallbacks"])
def test_a_fallback_holds_for_every_name_that_stands_for_its_model_alone(kind: str) -> None:
    """LiteLLM looks it up under the name that was asked for."""
    router = _config(**{kind: {"akko-coder": ["wide"]}})["router_settings"]
    key = {"fallbacks": "fallbacks", "context_fallbacks": "context_window_fallbacks"}[kind]
    assert router[key] == [{"akko-coder": ["wide"]}, {"akko-chat": ["wide"]}]
    other = {"fallbacks", "context_window_fallbacks"} - {key}
    assert not other & set(router)


def test_a_price_is_per_token_and_answers_cost_what_prompts_do_unless_it_is_said() -> None:
    value = _document()
    value["models"]["wide"]["price"] = {
        "input_usd_per_million_tokens": 2.0,
        "output_usd_per_million_tokens": 8.0,
    }
    value["models"]["narrow"]["price"] = {"input_usd_per_million_tokens": 0.5}
    config = gateway_config(render(value))  # as YAML, where 2e-06 without a point is a text
    for alias, (prompts, answers) in {"wide": (2e-6, 8e-6), "narrow": (5e-7, 5e-7)}.items():
        (entry,) = _behind(config, alias)
        parameters = entry["litellm_params"]
        assert parameters["input_cost_per_token"] == pytest.approx(prompts)
        assert parameters["output_cost_per_token"] == pytest.approx(answers)


def test_a_price_holds_under_every_name_of_its_model() -> None:
    """A budget would not bind where a name of several models, or a tag, were free."""
    config = _config(
        model_aliases={"any": ["akko-coder", "wide"]}, tag_routes={"wide": {"cheap": "akko-coder"}}
    )
    priced = {
        entry["model_info"]["id"]: entry["litellm_params"].get("input_cost_per_token")
        for entry in config["model_list"]
        if entry["litellm_params"]["model"] == CODER["model"]
    }
    assert set(priced) == {"akko-coder", "any.akko-coder", "wide.akko-coder.cheap"}
    assert set(priced.values()) == {priced["akko-coder"]}


def test_models_that_would_cut_a_prompt_are_told_to_the_gateway() -> None:
    """Ollama's, for which the gateway counts tokens before the call, and bounds the answer."""
    (files,) = [i.inputs["data"] for i in stack("dev") if i.name == "gateway-config"]
    told = json.loads(files["request_rules.json"])["truncating_models"]
    assert told == ["ollama_chat/qwen2.5-coder:7b", "ollama_chat/qwen2.5:3b"]
    assert gateway_config(stack("dev"))["router_settings"]["enable_pre_call_checks"] is True
    assert "enable_pre_call_checks" not in gateway_config(stack("production"))["router_settings"]


def test_requests_are_held_to_the_documents_limits() -> None:
    rendered = render(
        _document(
            limits={"request_mib": 2, "output_tokens": 100, "choices": 3, "queued_requests": 0},
            tag_routes={"akko-coder": {"hard": "wide"}, "wide": {"cheap": "narrow"}},
        )
    )
    (files,) = [i.inputs["data"] for i in rendered if i.name == "gateway-config"]
    assert "class RequestRules" in files["request_rules.py"]
    assert json.loads(files["request_rules.json"]) == {
        "request_bytes": 2 * 1024 * 1024,
        "output_tokens": 100,
        "choices": 3,
        "fields": sorted(REQUEST_FIELDS),
        "routing_tags": ["cheap", "hard"],
        "tasks": {"akko-coder": "chat", "akko-chat": "chat"},
        "truncating_models": [],
    }
    config = gateway_config(rendered)
    assert config["litellm_settings"]["callbacks"][0] == "request_rules.request_rules"
    general = config["general_settings"]
    assert general["max_in_flight_requests_per_worker"] == 200
    assert general["max_queued_requests_per_worker"] == 0
    assert general["cancel_on_disconnect"] is True


@pytest.mark.parametrize("name", STACKS)
def test_no_prompt_is_logged_unless_the_document_asks_for_it(name: str) -> None:
    config = gateway_config(stack(name))
    assert config["litellm_settings"]["turn_off_message_logging"] is True
    assert config["general_settings"]["store_prompts_in_spend_logs"] is False
    asked = document(name)
    asked["gateway"]["observability"] = {"log_prompts": True}
    config = gateway_config(render(asked, stack=name))
    assert config["litellm_settings"]["turn_off_message_logging"] is False
    assert config["general_settings"]["store_prompts_in_spend_logs"] is True


def test_traces_go_to_the_collector_that_the_document_names() -> None:
    value = _document(
        observability={"traces": {"namespace": "tracing", "service": "collector", "port": 4319}}
    )
    rendered = render(value)
    assert "otel" in gateway_config(rendered)["litellm_settings"]["callbacks"]
    (container,) = pod(rendered, GATEWAY).spec["containers"]
    said = environment(container)
    assert said["OTEL_EXPORTER"] == "otlp_http"
    assert said["OTEL_ENDPOINT"] == "http://collector.tracing:4319/v1/traces"
    assert said["OTEL_SERVICE_NAME"] == "akko-akko-litellm"


@pytest.mark.parametrize("name", STACKS)
def test_without_a_collector_nothing_is_traced(name: str) -> None:
    assert "otel" not in gateway_config(stack(name))["litellm_settings"]["callbacks"]
    (container,) = pod(stack(name), GATEWAY).spec["containers"]
    assert not [key for key in environment(container) if key.startswith("OTEL_")]


def test_the_policies_let_every_way_pass() -> None:
    value = _document(
        model_aliases={"any": ["narrow", "akko-coder", "wide"]},
        tag_routes={"akko-coder": {"hard": "wide"}},
        fallbacks={"akko-coder": ["wide"]},
        context_fallbacks={"narrow": ["akko-coder"]},
        observability={"traces": {"namespace": "tracing", "service": "collector"}},
    )
    assert not [m for item in render(value) for m in analyze(item.type, item.inputs)]
