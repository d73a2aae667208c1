"""The hub's token and mirror: who gets them, and what cannot be (row D4)."""

import json
from typing import Any

import pytest

from components.document import ROOT, DocumentError, read_document
from tests.rendering import Rendered, document, of_kind, render
from tests.unit.components.caches import CACHES, jobs, with_cache
from tests.unit.components.manifests import Pod, one, pods
from tests.unit.components.reachability import Address, reaches

TOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWx"
STORE = {"name": "aws", "kind": "ClusterSecretStore"}
TOKENS: dict[str, dict[str, Any]] = {
    "existing": {"source": "existing", "secret_name": "hub", "secret_key": "hf"},
    "config": {"source": "config", "secret_name": "hub"},
    "external": {
        "source": "external",
        "secret_name": "hub",
        "store": STORE,
        "remote_key": "ml/hub",
        "property": "token",
    },
}
GATED = {
    "source": "meta-llama/Llama-3.1-8B-Instruct",
    "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
}
MIRROR = {"endpoint": "https://hub.akko.internal", "endpoint_networks": ["10.20.0.0/24"]}

FAULTS: dict[str, tuple[Any, str]] = {
    "a token in place of its section": (
        {"token": TOKEN},
        "hub.token holds no keys; write its keys below it",
    ),
    "a token in place of its source": (
        {"token": {"source": TOKEN}},
        "hub.token has an unknown source; possible: 'existing', 'config', 'external'",
    ),
    "a token in place of its Secret": (
        {"token": {"source": "existing", "secret_name": TOKEN}},
        "hub.token.secret_name is refused: needed: Secret of the hub's token, lower-case letters",
    ),
    "a token where none belongs": (
        {"token": {**TOKENS["config"], "value": TOKEN}},
        "hub.token.value is not a key of this document; Possible here: secret_name, ",
    ),
    "a Secret's key with a blank": (
        {"token": {**TOKENS["existing"], "secret_key": "a b"}},
        "hub.token.secret_key is refused: needed: Key in it, letters, digits, ",
    ),
    "no store": (
        {"token": {key: value for key, value in TOKENS["external"].items() if key != "store"}},
        "hub.token.store is missing",
    ),
    "a store of another kind": (
        {"token": {**TOKENS["external"], "store": {**STORE, "kind": "Vault"}}},
        "hub.token.store.kind is refused: input should be 'SecretStore' or 'ClusterSecretStore'",
    ),
    "a secret of the store with a blank": (
        {"token": {**TOKENS["external"], "remote_key": "a b"}},
        "hub.token.remote_key is refused: needed: Name of the secret in the store",
    ),
    "a property with a blank": (
        {"token": {**TOKENS["external"], "property": "a b"}},
        "hub.token.property is refused: needed: Key inside the secret's JSON",
    ),
    "the Secret of the gateway": (
        {"token": {"source": "existing", "secret_name": "akko-litellm-key"}},
        "hub.token.secret_name is the Secret of the gateway too "
        f"({ROOT}.gateway.master_key.secret_name): the two have different readers, name a Secret "
        "for each",
    ),
    "a mirror without TLS": (
        {"endpoint": "http://hub.example.com"},
        "hub.endpoint is 'http://hub.example.com': needed: https:// address of a mirror",
    ),
    "a mirror on another port": (
        {"endpoint": "https://hub.example.com:8443"},
        "hub.endpoint is 'https://hub.example.com:8443': needed: https:// address of a mirror",
    ),
    "a mirror inside without its network": (
        {"endpoint": "https://hub.akko.internal"},
        "hub.endpoint leads to hub.akko.internal, a name of a private network, which preload Jobs "
        f"do not reach: say in {ROOT}.hub.endpoint_networks where it is",
    ),
    "a network without a mirror": (
        {"endpoint_networks": ["10.20.0.0/24"]},
        f"hub.endpoint_networks is there without {ROOT}.hub.endpoint",
    ),
    "a name for a network": (
        {**MIRROR, "endpoint_networks": ["hub.akko.internal"]},
        "hub.endpoint_networks.0 is 'hub.akko.internal': needed: An IPv4 network, such as",
    ),
    "an impossible network": (
        {**MIRROR, "endpoint_networks": ["10.20.0.300/24"]},
        "hub.endpoint_networks.0 is '10.20.0.300/24': needed is the address of a private network",
    ),
    "the metadata service for a network": (
        {**MIRROR, "endpoint_networks": ["169.254.169.254/32"]},
        "hub.endpoint_networks.0 is '169.254.169.254/32': needed is the address of a private",
    ),
    "everything for a network": (
        {**MIRROR, "endpoint_networks": ["10.0.0.0/8"]},
        "hub.endpoint_networks.0 is '10.0.0.0/8': needed is the address of a private network",
    ),
    "the world for a network": (
        {**MIRROR, "endpoint_networks": ["0.0.0.0/0"]},
        "hub.endpoint_networks.0 is '0.0.0.0/0': needed is the address of a private network",
    ),
}
"""What stands below `hub` in the production document, and how the answer begins."""


def _with_hub(hub: object, **model: object) -> dict[str, Any]:
    changed = document("production")
    changed["hub"] = hub
    changed["models"]["akko-coder"] |= model
    return changed


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


def _rendered(source: str) -> tuple[Rendered, ...]:
    return render(_with_hub({"token": TOKENS[source]}, **GATED), hub_token=TOKEN)


def _secrets(pod: Pod) -> set[tuple[str, str]]:
    """Variable and Secret of everything that a pod takes from one."""
    return {
        (variable["name"], variable["valueFrom"]["secretKeyRef"]["name"])
        for container in pod.containers
        for variable in container.get("env", [])
        if "valueFrom" in variable
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_hub_is_one_sentence_that_names_its_key(fault: str) -> None:
    hub, sentence = FAULTS[fault]
    said = _refusal(_with_hub(hub))
    assert said.startswith(f"{ROOT}.{sentence}")
    assert "\n" not in said
    assert TOKEN not in said


def test_the_token_and_a_providers_key_are_two_secrets() -> None:
    value = _with_hub({"token": TOKENS["existing"]})
    value["models"]["frontier"] = {
        "engine": "external",
        "provider_model": "openai/gpt-4.1",
        "secret": {"name": "hub", "key": "api-key"},
    }
    assert _refusal(value).startswith(
        f"{ROOT}.hub.token.secret_name is the Secret of {ROOT}.models.frontier too, whose key goes "
    )


@pytest.mark.parametrize("cache", ["image", "snapshot"])
def test_a_gated_model_that_is_there_needs_no_token_and_one_for_nobody_is_refused(
    cache: str,
) -> None:
    value = with_cache(CACHES[cache], **GATED)
    read_document(value)
    value["hub"] = {"token": TOKENS["config"]}
    assert _refusal(value).startswith(f"{ROOT}.hub.token is for nobody: no model on vLLM is ")


@pytest.mark.parametrize("source", TOKENS)
def test_only_the_job_that_downloads_refers_to_the_token(source: str) -> None:
    """Row D4: by reference; neither server, gateway nor the Job that clears away."""
    found = _rendered(source)
    (fetch,) = jobs(found, "preload")
    readers = {each.owner: _secrets(each) for each in pods(found)}
    assert readers.pop(fetch.owner) == {("HF_TOKEN", "hub")}
    assert "hub" not in {secret for found in readers.values() for _, secret in found}
    (container,) = fetch.containers
    (variable,) = [each for each in container["env"] if each["name"] == "HF_TOKEN"]
    key = TOKENS[source].get("secret_key", "token")
    assert variable["valueFrom"] == {"secretKeyRef": {"name": "hub", "key": key}}
    mounted = [
        v
        for each in pods(found)
        if "-state-" not in each.owner
        for v in each.spec["volumes"]
        if v["name"] != "engine-keys"
    ]
    assert not {"secret", "projected"} & {key for volume in mounted for key in volume}


@pytest.mark.parametrize("source", TOKENS)
def test_the_tokens_value_stands_in_the_stacks_own_secret_alone(source: str) -> None:
    """Row D4: and there it is a secret to Pulumi too."""
    holders = [item for item in _rendered(source) if TOKEN in json.dumps(item.inputs)]
    assert [(item.name, item.secret) for item in holders] == (
        [("hub-token", True)] if source == "config" else []
    )
    for item in holders:
        assert item.inputs["metadata"]["name"] == "hub"
        assert item.inputs["stringData"] == {"token": TOKEN}


def test_a_token_of_a_store_outside_comes_by_an_external_secret() -> None:
    found = _rendered("external")
    secret = one(found, "ExternalSecret", "hub")
    assert secret["apiVersion"] == "external-secrets.io/v1"
    assert secret["spec"] == {
        "refreshPolicy": "Periodic",
        "refreshInterval": "1h",
        "secretStoreRef": STORE,
        "target": {"name": "hub", "creationPolicy": "Owner"},
        "data": [{"secretKey": "token", "remoteRef": {"key": "ml/hub", "property": "token"}}],
    }
    own = {item["metadata"]["name"] for item in of_kind(found, "Secret")}
    assert "hub" not in own


def test_without_a_token_no_job_refers_to_one() -> None:
    found = render(document("production"))
    (fetch,) = jobs(found, "preload")
    assert _secrets(fetch) == set()


def test_a_mirror_inside_is_asked_by_jobs_and_reached_by_them_alone() -> None:
    found = render(_with_hub(MIRROR))
    policies = of_kind(found, "NetworkPolicy")
    (fetch,) = jobs(found, "preload")
    (container,) = fetch.containers
    assert {"name": "HF_ENDPOINT", "value": MIRROR["endpoint"]} in container["env"]
    reached = [
        (each.owner, port)
        for each in pods(found)
        if "-state-" not in each.owner  # which may reach the API server, wherever that is
        for port in (80, 443)
        if reaches(policies, each, Address("10.20.0.7"), port)
    ]
    assert reached == [(fetch.owner, 443)]
    assert not reaches(policies, fetch, Address("10.21.0.7"), 443)
