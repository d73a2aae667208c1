"""What leaves the cluster: keys go to their own host, prompts to hosts that the preview names."""

from typing import Any

import pytest

from components.core.conventions import HOSTS_OUTSIDE
from components.document import ROOT, DocumentError, outside, parse_document, read_document
from components.document.providers import leads_inside, looks_like_key
from tests.rendering import document, render
from tests.unit.components.manifests import one, stack

FRONTIER = {
    "engine": "external",
    "provider_model": "openai/gpt-4.1",
    "secret": {"name": "openai", "key": "api-key"},
}
MODEL = f"{ROOT}.models.frontier"


def _document(**models: object) -> dict[str, Any]:
    value = document("production")
    del value["gateway"]["teams"]  # whose budgets ask for prices
    value["models"] |= {"frontier": FRONTIER, **models}
    return value


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


@pytest.mark.parametrize("source", ["existing", "config"])
def test_the_gateways_own_key_is_not_sent_to_a_provider(source: str) -> None:
    value = _document(frontier={**FRONTIER, "secret": {"name": "akko-litellm-key", "key": "other"}})
    value["gateway"]["master_key"]["source"] = source
    assert _refusal(value) == (
        f"{MODEL}.secret.name is 'akko-litellm-key', as is {ROOT}.gateway.master_key.secret_name, "
        "and the gateway's own credential would be sent to api.openai.com: name a Secret of the "
        "provider's key"
    )


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("akko-litellm-salt", "salt_key.secret_name"),
        ("akko-litellm-database", "database.url.name"),
        ("akko-litellm-redis", "redis.password.name"),
    ],
)
def test_no_other_credential_of_the_gateway_is_sent_to_a_provider(name: str, key: str) -> None:
    value = _document(frontier={**FRONTIER, "secret": {"name": name, "key": "other"}})
    assert _refusal(value) == (
        f"{MODEL}.secret.name is {name!r}, as is {ROOT}.gateway.{key}, and the gateway's own "
        "credential would be sent to api.openai.com: name a Secret of the provider's key"
    )


def test_one_secret_goes_to_one_host() -> None:
    elsewhere = {**FRONTIER, "api_base": "https://llm.example.com/v1"}
    assert _refusal(_document(second=elsewhere)) == (
        f"{ROOT}.models.second.secret.name is 'openai', as that of {MODEL}, whose prompts go to "
        "api.openai.com and these to llm.example.com: one host would get the other's key, name a "
        "Secret for each"
    )
    read_document(_document(second={**FRONTIER, "provider_model": "openai/gpt-4.1-mini"}))


def test_every_name_that_leads_outside_is_a_warning() -> None:
    value = _document()
    value["gateway"]["model_aliases"]["best"] = "frontier"
    value["gateway"]["fallbacks"] = {"akko-coder": ["frontier"]}
    assert outside.warnings(parse_document(value)) == (
        f"{MODEL}: prompts leave the cluster for api.openai.com: all that ask for frontier and "
        "best; and those of akko-coder (asked for as akko-coder and akko-chat) whenever it fails",
    )


def test_a_fallback_of_a_fallback_leads_outside_too() -> None:
    value = _document(between={**FRONTIER, "secret": {"name": "openai", "key": "b"}})
    value["gateway"]["fallbacks"] = {"akko-coder": ["between"], "between": ["frontier"]}
    first, second = outside.warnings(parse_document(value))
    assert "those of akko-coder (asked for as akko-coder and akko-chat), between" not in first
    assert "those of akko-coder (asked for as akko-coder and akko-chat) and between" in first
    assert second.endswith(
        "and those of akko-coder (asked for as akko-coder and akko-chat) " + "whenever it fails"
    )


def test_a_tag_that_leads_outside_is_a_warning_that_names_it() -> None:
    value = _document()
    value["gateway"]["tag_routes"] = {"akko-coder": {"hard": "frontier"}}
    assert outside.warnings(parse_document(value)) == (
        f"{MODEL}: prompts leave the cluster for api.openai.com: all that ask for frontier; and "
        "those tagged 'hard' that ask for akko-coder and akko-chat",
    )


def test_a_tag_of_a_fallback_leads_outside_too() -> None:
    """A fallback is asked with the tags of the request, so its routes hold as well."""
    value = _document(second={**FRONTIER, "provider_model": "openai/gpt-4.1-mini"})
    value["gateway"]["fallbacks"] = {"second": ["akko-coder"]}
    value["gateway"]["tag_routes"] = {"akko-coder": {"hard": "frontier"}}
    first, _ = outside.warnings(parse_document(value))
    assert first.endswith(
        "and those tagged 'hard' that ask for akko-coder and akko-chat, or for second (asked for "
        "as second) whenever it fails"
    )


def test_a_name_of_several_models_leads_outside_with_one_of_them_and_has_no_fallback() -> None:
    """LiteLLM looks for fallbacks under the name that was asked for, and none is of that name."""
    value = _document(second={**FRONTIER, "provider_model": "openai/gpt-4.1-mini"})
    value["gateway"]["model_aliases"]["any"] = ["akko-coder", "second"]
    value["gateway"]["fallbacks"] = {"akko-coder": ["frontier"]}
    first, second = outside.warnings(parse_document(value))
    assert first.endswith(
        "all that ask for frontier; and those of akko-coder (asked for as akko-coder and akko-chat)"
        " whenever it fails"
    )
    assert second.endswith("all that ask for second and any")


@pytest.mark.parametrize(
    ("model", "host"),
    [
        ("anthropic/claude-sonnet-4-5", "api.anthropic.com"),
        ("cohere/command-a", "api.cohere.com"),
        ("cohere/v1/command-r", "api.cohere.ai"),
    ],
)
def test_a_providers_own_host_is_named(model: str, host: str) -> None:
    value = _document(frontier={**FRONTIER, "provider_model": model})
    (said,) = outside.warnings(parse_document(value))
    assert f"leave the cluster for {host}: " in said


def test_a_stack_that_keeps_everything_inside_has_no_such_warning() -> None:
    assert outside.warnings(parse_document(document("production"))) == ()


def test_the_gateway_carries_the_hosts_that_it_sends_prompts_to() -> None:
    second = {
        **FRONTIER,
        "api_base": "https://llm.example.com/v1",
        "secret": {"name": "example", "key": "k"},
    }
    deployment = one(render(_document(second=second)), "Deployment", "akko-akko-litellm")
    noted = deployment["metadata"]["annotations"][HOSTS_OUTSIDE]
    assert noted == "api.openai.com,llm.example.com"
    inside = one(stack("production"), "Deployment", "akko-akko-litellm")
    assert HOSTS_OUTSIDE not in inside["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"provider_model": "ollama_chat/qwen"},
            "provider_model is of ollama_chat, which is for a server of one's own, and the gateway",
        ),
        (
            {"provider_model": "hosted_vllm/x"},
            "provider_model is of hosted_vllm, which is for a server of one's own",
        ),
        (
            {"provider_model": "litellm_proxy/x"},
            "provider_model is of litellm_proxy, which is for a server of one's own",
        ),
        (
            {"provider_model": "bedrock/anthropic.claude"},
            "provider_model is of bedrock, which takes more than one API key; possible: anthropic",
        ),
        (
            {"provider_model": "vertex_ai/gemini"},
            "provider_model is of vertex_ai, which takes more than one API key",
        ),
        (
            {"provider_model": "hunter22hunter22/x"},
            "provider_model is of none of the providers that take one API key over HTTPS",
        ),
        (
            {"provider_model": "openai/sk-hunter22hunter22"},
            "provider_model looks like a key: a provider's key belongs into the Secret",
        ),
        ({"provider_model": "sk-hunter22hunter22"}, "provider_model is refused: needed: LiteLLM's"),
        (
            {"provider_model": "azure/gpt-4.1"},
            "api_base is missing: azure has no address of its own",
        ),
        (
            {"api_base": "https://vllm.other.svc/v1"},
            "api_base leads to vllm.other.svc, a name of a private network",
        ),
    ],
)
def test_what_is_no_provider_outside_is_refused_in_one_sentence(
    change: dict[str, str], sentence: str
) -> None:
    said = _refusal(_document(frontier={**FRONTIER, **change}))
    assert said.startswith(f"{MODEL}.{sentence}")
    assert "hunter22" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "host",
    [
        "vllm.akko.svc",
        "vllm.akko.svc.cluster.local",
        "printer.local",
        "metadata.google.internal",
        "box.localdomain",
        "app.localhost",
        "10.0.0.1.nip.io",
        "any.sslip.io",
        "10-0-0-1.example.com",
        "www.192.168.1.1.example.com",
        "127-0-0-1.example.com",
    ],
)
def test_a_name_of_a_private_network_is_none_of_a_provider(host: str) -> None:
    assert leads_inside(host)


@pytest.mark.parametrize(
    "host", ["api.openai.com", "llm.example.com", "internal.example.com", "v1-2-3.example.com"]
)
def test_a_public_name_may_be_a_providers(host: str) -> None:
    assert not leads_inside(host)


@pytest.mark.parametrize("name", ["openai/gpt-4.1", "groq/llama-3.3-70b-versatile", "xai/grok-4"])
def test_the_name_of_a_model_does_not_look_like_a_key(name: str) -> None:
    assert not looks_like_key(name)
