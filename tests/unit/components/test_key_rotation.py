"""Keys that are changed: what the rendered objects say while two of them are good."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from components.core.conventions import KEY_DIGEST
from components.document import DocumentError, parse_document
from tests.rendering import Rendered, document, of_kind, render
from tests.unit.components.manifests import Json, gateway_config, pod, pods, stack

GATEWAY = "Deployment akko-akko-litellm"
NEXT = {"source": "existing", "secret_name": "akko-litellm-key-2"}
PREVIOUS = {"source": "existing", "secret_name": "akko-litellm-key"}


def _gateway(stack_name: str = "production", **keys: object) -> dict[str, Any]:
    value = document(stack_name)
    value["gateway"] |= keys
    return value


def _from_secrets(container: Json) -> dict[str, str]:
    """Secrets by the variable that reads them."""
    return {
        v["name"]: v["valueFrom"]["secretKeyRef"]["name"]
        for v in container["env"]
        if "valueFrom" in v
    }


def _container(value: Mapping[str, Any]) -> Json:
    (container,) = pod(render(value), GATEWAY).spec["containers"]
    return container


def test_two_master_keys_are_good_while_the_document_names_both() -> None:
    """C2: and the hook that takes one for the other is there as long."""
    value = _gateway(master_key=NEXT, previous_master_key=PREVIOUS)
    read = _from_secrets(_container(value))
    assert read["LITELLM_MASTER_KEY"] == "akko-litellm-key-2"
    assert read["LITELLM_PREVIOUS_MASTER_KEY"] == "akko-litellm-key"
    config = gateway_config(render(value))
    assert "previous_key.previous_key" in config["litellm_settings"]["callbacks"]
    (files,) = [
        f["data"] for f in of_kind(render(value), "ConfigMap") if "config.yaml" in f["data"]
    ]
    assert "previous_key.py" in files


def test_one_is_good_otherwise() -> None:
    """C2."""
    assert "LITELLM_PREVIOUS_MASTER_KEY" not in json.dumps(pod(stack("production"), GATEWAY).spec)
    callbacks = gateway_config(stack("production"))["litellm_settings"]["callbacks"]
    assert "previous_key.previous_key" not in callbacks


def test_who_keeps_the_state_brings_the_key_that_stays() -> None:
    """C2: the reconciler, whose Job runs when every pod knows the new key."""
    rendered = render(_gateway(master_key=NEXT, previous_master_key=PREVIOUS))
    (state,) = [each for each in pods(rendered) if "-state-" in each.owner]
    assert _from_secrets(state.containers[0])["LITELLM_MASTER_KEY"] == "akko-litellm-key-2"


def _secret_of(rendered: tuple[Rendered, ...], name: str) -> Rendered:
    (found,) = [
        item
        for item in rendered
        if item.inputs.get("kind") == "Secret" and item.inputs["metadata"]["name"] == name
    ]
    return found


def test_a_secret_that_the_stack_makes_is_the_same_resource_before_and_after() -> None:
    """C2: else Pulumi would end the previous key's while it makes it again."""
    config = {"source": "config", "secret_name": "akko-litellm-key"}
    before = render(_gateway(master_key=config))
    value = _gateway(
        master_key={**config, "secret_name": "akko-litellm-key-2"}, previous_master_key=config
    )
    after = render(value)
    kept = _secret_of(after, "akko-litellm-key")
    assert kept.name == _secret_of(before, "akko-litellm-key").name
    assert kept.secret
    assert _secret_of(after, "akko-litellm-key-2").secret
    assert kept.inputs["stringData"] != _secret_of(after, "akko-litellm-key-2").inputs["stringData"]


def _digest(value: Mapping[str, Any], key: str | None) -> str | None:
    rendered = render(value, gateway_key=key)
    (found,) = [
        item["spec"]["template"]["metadata"]["annotations"]
        for item in of_kind(rendered, "Deployment")
        if f"Deployment {item['metadata']['name']}" == GATEWAY
    ]
    return found.get(KEY_DIGEST)


def test_another_value_replaces_the_pods_which_read_it_once() -> None:
    value = _gateway("dev")
    first, second = _digest(value, "a-key-of-mine-1"), _digest(value, "a-key-of-mine-2")
    assert first == _digest(value, "a-key-of-mine-1")
    assert first is not None
    assert second not in {None, first}
    assert len(first) == 8
    assert _digest(document("production"), None) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"previous_master_key": PREVIOUS},
            "gateway.previous_master_key.secret_name and inference:platform.gateway.master_key."
            "secret_name are both 'akko-litellm-key': name a Secret for each",
        ),
        (
            {
                "master_key": NEXT,
                "previous_master_key": {
                    "source": "development",
                    "secret_name": "known",
                    "value": "everybody-knows",
                },
            },
            "gateway.previous_master_key.source is 'development', a value that everybody knows",
        ),
        (
            {"salt_key": {"source": "existing", "secret_name": "akko-coder-keys"}},
            "models.akko-coder.api_key.name and inference:platform.gateway.salt_key.secret_name "
            "are both 'akko-coder-keys': name a Secret for each",
        ),
    ],
)
def test_each_key_has_a_secret_of_its_own(change: Mapping[str, Any], said: str) -> None:
    with pytest.raises(DocumentError) as refused:
        parse_document(_gateway(**change))
    assert said in str(refused.value)
    assert "everybody-knows" not in str(refused.value)


def test_no_account_gets_its_key_into_an_engine_s_secret() -> None:
    """C2: every entry there opens the engine, past the gateway's limits."""
    value = document("production")
    accounts = value["gateway"]["teams"]["akko"]["service_accounts"]
    accounts["app"]["secret_name"] = "akko-coder-keys"
    with pytest.raises(DocumentError, match=r"the Secret of .*models\.akko-coder\.api_key"):
        parse_document(value)


def test_an_engine_s_keys_are_a_folder_of_its_secret() -> None:
    """A7: a file of a subPath would never be renewed."""
    spec = pod(stack("production"), "Deployment akko-akko-vllm").spec
    (engine,) = spec["containers"]
    (volume,) = [v for v in spec["volumes"] if v["name"] == "engine-keys"]
    assert volume["secret"] == {"secretName": "akko-coder-keys"}
    (mount,) = [m for m in engine["volumeMounts"] if m["name"] == "engine-keys"]
    assert mount == {"name": "engine-keys", "mountPath": "/etc/engine-keys", "readOnly": True}
    assert {"name": "PYTHONPATH", "value": "/opt/engine-keys"} in engine["env"]


def test_the_gateway_waits_for_each_engine_once() -> None:
    (guard,) = [
        c for c in pod(stack("production"), GATEWAY).containers if c["name"] == "engine-key-guard"
    ]
    assert guard["args"] == ["PROVIDER_KEY_AKKO_CODER", "http://akko-akko-vllm:8000/v1"]
    assert _from_secrets(guard) == {"PROVIDER_KEY_AKKO_CODER": "akko-coder-keys"}


def test_an_engine_without_keys_asks_for_none() -> None:
    value = document("production")
    del value["models"]["akko-coder"]["api_key"]
    rendered = render(value)
    spec = pod(rendered, "Deployment akko-akko-vllm").spec
    assert "engine_keys" not in json.dumps(spec)
    assert "engine-key-guard" not in [c["name"] for c in pod(rendered, GATEWAY).containers]
