"""Models of providers outside: behind the gateway only, with their keys in Secrets (row C3)."""

from typing import Any

import pytest

from components.document import ROOT, DocumentError, read_document
from tests.rendering import document, of_kind, render
from tests.unit.components.manifests import gateway_config, pod, pods, stack
from tests.unit.components.reachability import Address, reaches
from tests.unit.policies.analyzer import analyze

GATEWAY = "Deployment akko-akko-litellm"
FRONTIER = {
    "engine": "external",
    "provider_model": "openai/gpt-4.1",
    "secret": {"name": "openai", "key": "api-key"},
}
KEY_VALUE = "sk-hunter22hunter22"


def _document(**models: object) -> dict[str, Any]:
    value = document("production")
    del value["gateway"]["teams"]  # whose budgets ask for prices
    value["models"] |= {"frontier": FRONTIER, **models}
    return value


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


def test_the_gateway_knows_the_model_and_takes_its_key_from_the_environment() -> None:
    entries = gateway_config(render(_document()))["model_list"]
    assert entries[-1] == {
        "model_name": "frontier",
        "litellm_params": {
            "model": "openai/gpt-4.1",
            "api_key": "os.environ/PROVIDER_KEY_FRONTIER",
        },
        "model_info": {"id": "frontier"},
    }


def test_an_address_of_its_own_is_passed_on() -> None:
    own = {**FRONTIER, "api_base": "https://llm.example.com/v1"}
    (entry,) = [
        each["litellm_params"]
        for each in gateway_config(render(_document(frontier=own)))["model_list"]
        if each["model_name"] == "frontier"
    ]
    assert entry["api_base"] == "https://llm.example.com/v1"


def test_the_key_comes_from_a_secret_that_has_to_exist() -> None:
    (container,) = pod(render(_document()), GATEWAY).spec["containers"]
    (variable,) = [v for v in container["env"] if v["name"] == "PROVIDER_KEY_FRONTIER"]
    assert variable["valueFrom"] == {"secretKeyRef": {"name": "openai", "key": "api-key"}}


def test_only_the_gateway_reaches_the_internet_and_only_with_such_a_model() -> None:
    """By HTTPS; private addresses and the metadata service stay closed."""
    with_provider, without = render(_document()), stack("production")
    for rendered, open_to in ((with_provider, {GATEWAY}), (without, set[str]())):
        policies = of_kind(rendered, "NetworkPolicy")
        servers = [each for each in pods(rendered) if each.owner.startswith("Deployment")]
        for port, expected in ((443, open_to), (80, set[str]())):
            reached = {
                each.owner
                for each in servers
                if reaches(policies, each, Address("104.16.0.1"), port)
            }
            assert reached == expected
        for closed in ("169.254.169.254", "10.0.0.1", "192.168.1.1"):
            assert not [p for p in servers if reaches(policies, p, Address(closed), 443)]


def test_a_model_outside_makes_no_server_and_no_volume() -> None:
    alone = _document()
    del alone["models"]["frontier"]
    before = {item.key for item in render(alone)}
    after = {item.key for item in render(_document())}
    assert {name for _, name in after - before} == set()


def test_a_stack_of_models_outside_needs_no_pool() -> None:
    value = _document()
    del value["models"]["akko-coder"], value["node_pools"]
    value["gateway"]["model_aliases"] = {"akko-chat": "frontier"}
    assert of_kind(render(value), "NodePool") == ()


def test_a_fallback_holds_for_every_name_of_its_model() -> None:
    """LiteLLM 1.106 looks it up under the name that the client asked for, seen with its router."""
    value = _document()
    value["gateway"]["fallbacks"] = {"akko-coder": ["frontier"]}
    assert gateway_config(render(value))["router_settings"]["fallbacks"] == [
        {"akko-coder": ["frontier"]},
        {"akko-chat": ["frontier"]},
    ]


def test_without_fallbacks_the_configuration_has_none() -> None:
    assert "fallbacks" not in gateway_config(stack("production"))["router_settings"]


@pytest.mark.parametrize(
    ("fallbacks", "sentence"),
    [
        (
            {"akko-codr": ["frontier"]},
            "akko-codr is of 'akko-codr', which is not among inference:platform.models: akko-coder",
        ),
        (
            {"akko-coder": ["frontir"]},
            "akko-coder names 'frontir', which is not among inference:platform.models: akko-coder",
        ),
        ({"akko-coder": ["akko-coder"]}, "akko-coder goes round: akko-coder to akko-coder; take"),
        (
            {"akko-coder": ["frontier"], "frontier": ["akko-coder"]},
            "akko-coder goes round: akko-coder to frontier to akko-coder; take one of them out",
        ),
        ({"akko-coder": []}, "akko-coder is empty"),
    ],
)
def test_a_fallback_leads_to_another_model_and_not_back(
    fallbacks: dict[str, list[str]], sentence: str
) -> None:
    value = _document()
    value["gateway"]["fallbacks"] = fallbacks
    said = _refusal(value)
    assert said.startswith(f"{ROOT}.gateway.fallbacks.{sentence}")
    assert "\n" not in said


def test_a_key_that_everybody_knows_does_not_spend_a_providers_money() -> None:
    value = document("dev")
    value["models"]["frontier"] = FRONTIER
    assert "beside a provider's bill (frontier): use 'existing'" in _refusal(value)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("secret", KEY_VALUE),
        ("secret", {"name": KEY_VALUE + "_", "key": "api-key"}),
        ("secret", {"name": "openai", "key": KEY_VALUE + "/"}),
        ("secret", {"name": "openai", "key": "k", "value": KEY_VALUE}),
        ("api_base", f"https://user:{KEY_VALUE}@llm.example.com"),
        ("api_base", "http://llm.example.com"),
        ("api_base", "https://llm.example.com:8443"),
        ("api_base", "https://10.0.0.1/v1"),
        ("provider_model", "gpt-4.1"),
        ("api_key", KEY_VALUE),
    ],
)
def test_a_wrong_value_names_its_key_and_repeats_no_credential(key: str, wrong: object) -> None:
    said = _refusal(_document(frontier={**FRONTIER, key: wrong}))
    assert said.startswith(f"{ROOT}.models.frontier.{key}")
    assert KEY_VALUE not in said
    assert "\n" not in said


def test_the_policies_let_such_a_stack_pass() -> None:
    value = _document()
    value["gateway"]["fallbacks"] = {"akko-coder": ["frontier"]}
    assert not [m for item in render(value) for m in analyze(item.type, item.inputs)]
