"""What clients were promised (rows A1, A2, A5, A6, A7 of the systems table), in both stacks."""

import json
from typing import Any

import pytest

from tests.rendering import STACKS, document, of_kind, render
from tests.unit.components.manifests import Json, environment, gateway_config, one, pod, stack

GATEWAY = "akko-akko-litellm"
STORE_PORTS = {(f"{GATEWAY}-database", 5432), (f"{GATEWAY}-redis", 6379)}
"""The gateway's own stores, which production has elsewhere."""
PRICE = {
    "input_cost_per_token": pytest.approx(0.2e-6),
    "output_cost_per_token": pytest.approx(0.8e-6),
}
"""What 0.2 and 0.8 USD per million are, a token."""


def _port(service: Json) -> tuple[str, int]:
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] == port["name"]
    return service["metadata"]["name"], port["port"]


def _aliases(name: str) -> set[str]:
    config = gateway_config(stack(name))
    return {entry["model_name"] for entry in config["model_list"]} | set(
        config["router_settings"]["model_group_alias"]
    )


@pytest.mark.parametrize(
    ("name", "services"),
    [
        ("dev", {(GATEWAY, 4000), ("akko-akko-ollama", 11434), *STORE_PORTS}),
        ("production", {(GATEWAY, 4000), ("akko-akko-vllm", 8000)}),
    ],
)
def test_services_have_the_names_and_ports_that_clients_use(
    name: str, services: set[tuple[str, int]]
) -> None:
    """Rows A1, A2."""
    found = of_kind(stack(name), "Service")
    assert {_port(service) for service in found} == services
    assert {service["metadata"]["namespace"] for service in found} == {"akko"}
    assert {service["spec"]["type"] for service in found} == {"ClusterIP"}


@pytest.mark.parametrize("name", STACKS)
def test_a_service_port_leads_to_the_port_on_which_its_container_listens(name: str) -> None:
    for service in of_kind(stack(name), "Service"):
        service_name, port = _port(service)
        (container,) = pod(stack(name), f"Deployment {service_name}").spec["containers"]
        named = service["spec"]["ports"][0]["targetPort"]
        assert {"name": named, "containerPort": port} in container["ports"]
        if container["name"] == "ollama":
            assert environment(container)["OLLAMA_HOST"] == f"0.0.0.0:{port}"
        elif (service_name, port) not in STORE_PORTS:  # those listen on their defaults
            assert f"--port={port}" in container["args"]


@pytest.mark.parametrize("name", STACKS)
def test_metrics_have_a_port_of_their_own_which_no_service_shows(name: str) -> None:
    """They ask for no key, so monitoring alone finds them, pod by pod."""
    (container,) = pod(stack(name), f"Deployment {GATEWAY}").spec["containers"]
    assert {"name": "metrics", "containerPort": 4001} in container["ports"]
    assert "--prometheus_metrics_port=4001" in container["args"]
    assert 4001 not in {_port(service)[1] for service in of_kind(stack(name), "Service")}


def test_both_stacks_answer_to_the_same_aliases() -> None:
    """Rows A1, A2: an application never changes between development and production."""
    assert _aliases("dev") == _aliases("production") == {"akko-coder", "akko-chat"}


def test_every_further_name_leads_to_a_model() -> None:
    config = gateway_config(stack("production"))
    assert config["router_settings"]["model_group_alias"] == {"akko-chat": "akko-coder"}


def test_the_gateway_of_production_takes_its_backend_from_the_model() -> None:
    """Row A5: enabled, host, port and model follow from the models section."""
    assert gateway_config(stack("production"))["model_list"] == [
        {
            "model_name": "akko-coder",
            "litellm_params": {
                "model": "hosted_vllm/akko-coder",
                "api_base": "http://akko-akko-vllm:8000/v1",
                "api_key": "os.environ/PROVIDER_KEY_AKKO_CODER",
                **PRICE,
            },
            "model_info": {"id": "akko-coder", "salted_per_tenant": True},
        }
    ]


def test_the_gateway_of_dev_takes_its_backends_from_the_models() -> None:
    """Rows A3, A5: several small models, and a context as long as the document says."""
    assert gateway_config(stack("dev"))["model_list"] == [
        {
            "model_name": alias,
            "litellm_params": {
                "model": f"ollama_chat/{source}",
                "api_base": "http://akko-akko-ollama:11434",
                "num_ctx": 4096,
                "max_tokens": 4096,
                **PRICE,
            },
            # Ollama would cut a longer prompt without a word, so the gateway counts.
            "model_info": {"id": alias, "max_input_tokens": 4096},
        }
        for alias, source in (("akko-coder", "qwen2.5-coder:7b"), ("akko-chat", "qwen2.5:3b"))
    ]


def test_a_renamed_model_and_service_are_followed_everywhere() -> None:
    """Row A5: nothing is typed twice."""
    text = json.dumps(document("production"))
    renamed: dict[str, Any] = json.loads(
        text.replace("akko-coder", "new-alias").replace("akko-akko-vllm", "new-service")
    )
    rendered = render(renamed)
    seen = json.dumps([dict(item.inputs) for item in rendered])
    assert "akko-coder" not in seen
    assert "akko-akko-vllm" not in seen
    (entry,) = gateway_config(rendered)["model_list"]
    assert entry["litellm_params"]["api_base"] == "http://new-service:8000/v1"
    assert "new-alias" in pod(rendered, "Deployment new-service").spec["containers"][0]["args"]


@pytest.mark.parametrize("name", STACKS)
def test_the_gateway_demands_a_key_that_comes_from_a_secret(name: str) -> None:
    """Row A2; a missing Secret keeps the pod from starting, since the reference is required."""
    general = gateway_config(stack(name))["general_settings"]
    assert general["master_key"] == "os.environ/LITELLM_MASTER_KEY"
    (container,) = pod(stack(name), f"Deployment {GATEWAY}").spec["containers"]
    (variable,) = [v for v in container["env"] if v["name"] == "LITELLM_MASTER_KEY"]
    assert variable["valueFrom"] == {
        "secretKeyRef": {"name": "akko-litellm-key", "key": "master-key"}
    }


def test_only_dev_has_a_key_in_its_document() -> None:
    """Row A2."""
    assert document("dev")["gateway"]["master_key"]["value"] == "akko-dev-litellm-key"
    assert "akko-dev-litellm-key" not in json.dumps(document("production"))
    assert document("production")["gateway"]["master_key"]["source"] == "existing"


def test_a_secret_is_made_of_the_key_and_hidden_by_pulumi() -> None:
    """Row A2."""
    rendered = render(document("dev"), stack="dev", gateway_key="the-key")
    (secret,) = [item for item in rendered if item.name == "gateway-akko-litellm-key"]
    assert secret.inputs["metadata"]["name"] == "akko-litellm-key"
    assert secret.inputs["stringData"] == {"master-key": "the-key"}
    assert secret.secret
    others = [dict(item.inputs) for item in rendered if item is not secret]
    assert "the-key" not in json.dumps(others)
    # One that is empty when Pulumi makes it has nothing to hide.
    filled = [item for item in rendered if item.inputs.get("stringData")]
    assert {item.inputs["kind"] for item in filled} == {"Secret"}
    assert all(item.secret for item in filled)


def test_without_a_key_of_its_own_a_stack_makes_no_secret() -> None:
    rendered = render(document("production"), gateway_key=None)
    (tenants,) = of_kind(rendered, "Secret")
    assert tenants["metadata"]["name"] == "akko-app-gateway-key"
    assert not {"data", "stringData"} & tenants.keys()


def test_the_gateway_answers_under_its_public_name_on_the_paths_of_clients_only() -> None:
    """Row A6."""
    (route,) = of_kind(stack("production"), "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    assert route["spec"]["hostnames"] == ["llm.akko.local"]
    assert rule["backendRefs"] == [{"name": GATEWAY, "port": 4000}]
    assert route["metadata"]["namespace"] == "akko"
    assert {match["path"]["value"] for match in rule["matches"]} == {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/models",
        "/v1/responses",
    }


@pytest.mark.parametrize("name", STACKS)
def test_nothing_else_leads_in_from_outside(name: str) -> None:
    """Row A6: no route, Ingress or published Service for an engine."""
    kinds = {item.inputs.get("kind") for item in stack(name)}
    routes = {kind for kind in kinds if kind and ("Ingress" in kind or "Route" in kind)}
    assert routes == ({"HTTPRoute"} if name == "production" else set())
    for service in of_kind(stack(name), "Service"):
        assert service["spec"].keys() == {"type", "selector", "ports"}


def test_an_engine_answers_to_its_alias_and_to_its_model_id() -> None:
    """Row A7."""
    (container,) = pod(stack("production"), "Deployment akko-akko-vllm").spec["containers"]
    at = container["args"].index("--served-model-name")
    assert container["args"][at + 1 : at + 3] == ["akko-coder", "Qwen/Qwen2.5-7B-Instruct"]


@pytest.mark.parametrize("name", STACKS)
def test_every_workload_says_which_key_of_the_document_it_came_from(name: str) -> None:
    paths = {
        item["metadata"]["annotations"]["inference-platform/document-key"]
        for item in of_kind(stack(name), "Deployment")
    }
    of_stack = {
        "dev": {"ollama", "gateway.database", "gateway.redis"},
        "production": {"models.akko-coder"},
    }
    assert paths == {f"inference:platform.{key}" for key in ("gateway", *of_stack[name])}


def test_mounted_configuration_is_named_after_its_content_so_that_a_change_rolls_the_pods() -> None:
    changed = document("production")
    changed["gateway"]["model_aliases"]["further"] = "akko-coder"
    names = {
        one(rendered, "ConfigMap", item["metadata"]["name"])["metadata"]["name"]
        for rendered in (stack("production"), render(changed))
        for item in of_kind(rendered, "ConfigMap")
        if item["metadata"]["name"].startswith("akko-akko-litellm-config-")
    }
    assert len(names) == 2
    assert all(item["immutable"] for item in of_kind(stack("production"), "ConfigMap"))
