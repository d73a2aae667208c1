"""What a stack consists of, and whose child each part is."""

import re

import pytest

from tests.rendering import STACKS, Rendered, document, render
from tests.unit.components.manifests import stack

TYPES = {
    "dev": {
        "inference:platform:Platform",
        "inference:network:PlatformNamespace",
        "inference:storage:ModelCache",
        "inference:storage:VerifyProgram",
        "inference:serving:OllamaServer",
        "inference:gateway:GatewayCounters",
        "inference:gateway:GatewayDatabase",
        "inference:gateway:GatewayMigration",
        "inference:gateway:GatewayState",
        "inference:gateway:LiteLlmGateway",
    },
    "production": {
        "inference:platform:Platform",
        "inference:network:PlatformNamespace",
        "inference:network:GatewayRoute",
        "inference:capacity:GpuNodePool",
        "inference:capacity:ServingPriorities",
        "inference:storage:ModelCache",
        "inference:storage:OldRevisions",
        "inference:serving:VllmServer",
        "inference:gateway:GatewayMigration",
        "inference:gateway:GatewayState",
        "inference:gateway:LiteLlmGateway",
    },
}

INVENTORY = {
    "dev": {
        "ConfigMap akko-akko-litellm-state-*",
        "CronJob akko-akko-litellm-drift",
        "Job akko-akko-litellm-state-*",
        "NetworkPolicy akko-akko-litellm-state",
        "Role akko-akko-litellm-state",
        "RoleBinding akko-akko-litellm-state",
        "Secret akko-app-gateway-key",
        "ServiceAccount akko-akko-litellm-state",
        "ConfigMap gateway-config",
        "ConfigMap gateway-migration-program",
        "ConfigMap ollama-verify",
        "Deployment akko-akko-litellm",
        "Deployment akko-akko-litellm-database",
        "Deployment akko-akko-litellm-redis",
        "Deployment akko-akko-ollama",
        "Job gateway-migration",
        "Job akko-akko-ollama-preload-*",
        "Namespace akko",
        "NetworkPolicy akko-akko-litellm",
        "NetworkPolicy akko-akko-litellm-clients",
        "NetworkPolicy akko-akko-litellm-database",
        "NetworkPolicy akko-akko-litellm-migration",
        "NetworkPolicy akko-akko-litellm-redis",
        "NetworkPolicy akko-akko-ollama",
        "NetworkPolicy akko-akko-ollama-preload",
        "NetworkPolicy akko-default-deny",
        "NetworkPolicy akko-dns",
        "PersistentVolumeClaim gateway-database-data",
        "PersistentVolumeClaim ollama-cache",
        "Secret gateway-counters-password",
        "Secret gateway-database-password",
        "Secret gateway-akko-litellm-key",
        "Secret gateway-migration-salt",
        "Service akko-akko-litellm",
        "Service akko-akko-litellm-database",
        "Service akko-akko-litellm-redis",
        "Service akko-akko-ollama",
        "ServiceAccount akko-akko-litellm",
        "ServiceAccount akko-akko-litellm-database",
        "ServiceAccount akko-akko-litellm-redis",
        "ServiceAccount akko-akko-ollama",
    },
    "production": {
        "ConfigMap akko-akko-litellm-state-*",
        "CronJob akko-akko-litellm-drift",
        "Job akko-akko-litellm-state-*",
        "NetworkPolicy akko-akko-litellm-state",
        "Role akko-akko-litellm-state",
        "RoleBinding akko-akko-litellm-state",
        "Secret akko-app-gateway-key",
        "ServiceAccount akko-akko-litellm-state",
        "BackendTrafficPolicy gateway-route-traffic",
        "ConfigMap akko-akko-vllm-preload-*",
        "ConfigMap akko-coder-keys",
        "ConfigMap akko-coder-preflight",
        "ConfigMap gateway-config",
        "ConfigMap gateway-migration-program",
        "Deployment akko-akko-litellm",
        "Deployment akko-akko-vllm",
        "HTTPRoute gateway-route",
        "Job akko-akko-vllm-collect-*",
        "Job akko-akko-vllm-preload-*",
        "Job gateway-migration",
        "Namespace akko",
        "NetworkPolicy akko-akko-litellm",
        "NetworkPolicy akko-akko-litellm-clients",
        "NetworkPolicy akko-akko-litellm-migration",
        "NetworkPolicy akko-akko-vllm",
        "NetworkPolicy akko-akko-vllm-preload",
        "NetworkPolicy akko-default-deny",
        "NetworkPolicy akko-dns",
        "NodePool l4",
        "PersistentVolumeClaim akko-coder-cache",
        "PodDisruptionBudget akko-akko-litellm",
        "PriorityClass akko-batch",
        "PriorityClass akko-interactive",
        "Service akko-akko-litellm",
        "Service akko-akko-vllm",
        "ServiceAccount akko-akko-litellm",
        "ServiceAccount akko-akko-vllm",
    },
}

OWNERS = {
    "inference:capacity:GpuNodePool": {"NodePool"},
    "inference:capacity:ServingPriorities": {"PriorityClass"},
    "inference:gateway:GatewayCounters": {
        "Deployment",
        "NetworkPolicy",
        "Secret",
        "Service",
        "ServiceAccount",
    },
    "inference:gateway:GatewayDatabase": {
        "Deployment",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Secret",
        "Service",
        "ServiceAccount",
    },
    "inference:gateway:GatewayMigration": {"ConfigMap", "Job", "NetworkPolicy", "Secret"},
    "inference:gateway:GatewayState": {
        "ConfigMap",
        "CronJob",
        "Job",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "Secret",
        "ServiceAccount",
    },
    "inference:gateway:LiteLlmGateway": {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Secret",
        "Service",
        "ServiceAccount",
    },
    "inference:network:GatewayRoute": {"BackendTrafficPolicy", "HTTPRoute"},
    "inference:network:PlatformNamespace": {"Namespace", "NetworkPolicy"},
    "inference:serving:OllamaServer": {"Deployment", "NetworkPolicy", "Service", "ServiceAccount"},
    "inference:serving:VllmServer": {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "Service",
        "ServiceAccount",
    },
    "inference:storage:ModelCache": {"ConfigMap", "Job", "NetworkPolicy", "PersistentVolumeClaim"},
    "inference:storage:OldRevisions": {"Job"},
    "inference:storage:VerifyProgram": {"ConfigMap"},
}
"""Kinds of children of each component."""


def _objects(rendered: tuple[Rendered, ...]) -> list[Rendered]:
    return [item for item in rendered if item.type.startswith("kubernetes:")]


@pytest.mark.parametrize("name", STACKS)
def test_the_inventory_is_as_documented(name: str) -> None:
    """Rows A1 to A4; what is named after its content ends with eight digits."""
    rendered = render(document(name), stack=name, gateway_key="k" if name == "dev" else None)
    names = [f"{item.inputs['kind']} {item.name}" for item in _objects(rendered)]
    found = [re.sub(r"-[0-9a-f]{8}$", "-*", each) for each in names]
    assert sorted(found) == sorted(INVENTORY[name])


@pytest.mark.parametrize("name", STACKS)
def test_component_types_have_one_form_and_their_class_as_last_part(name: str) -> None:
    types = {item.type for item in stack(name) if item.type.startswith("inference:")}
    assert types == TYPES[name]
    for token in types:
        assert re.fullmatch(r"inference:[a-z]+:[A-Z][A-Za-z]+", token)


@pytest.mark.parametrize("name", STACKS)
def test_every_object_is_the_child_of_its_component_and_that_of_the_platform(name: str) -> None:
    for item in _objects(stack(name)):
        platform, component = item.parents
        assert platform == "inference:platform:Platform"
        assert item.inputs["kind"] in OWNERS[component]
    for item in stack(name):
        if item.type.startswith("inference:"):
            own = item.type == "inference:platform:Platform"
            assert item.parents == (() if own else ("inference:platform:Platform",))


@pytest.mark.parametrize("name", STACKS)
def test_nothing_starts_before_the_namespace_is_closed(name: str) -> None:
    """Rows A6: the default denial is there before the first pod."""
    for item in stack(name):
        if item.type.startswith("inference:") and OWNERS.get(item.type, set()) & {
            "Deployment",
            "Job",
        }:
            assert ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "akko-default-deny") in (
                item.dependencies
            )


@pytest.mark.parametrize("name", STACKS)
def test_every_object_carries_its_explicit_name_and_namespace(name: str) -> None:
    """A name that other objects or clients address must not be generated."""
    for item in _objects(stack(name)):
        metadata = item.inputs["metadata"]
        assert metadata["name"]
        cluster_wide = item.inputs["kind"] in {"Namespace", "NodePool", "PriorityClass"}
        assert metadata.get("namespace") == (None if cluster_wide else "akko")


def test_the_longest_name_of_a_gateway_leaves_room_for_what_is_named_after_it() -> None:
    """A Job's name is a label of its pods, which has 63 characters at most."""
    changed = document("dev")
    changed["gateway"]["service_name"] = longest = "a" * 44
    names = [item.inputs["metadata"]["name"] for item in _objects(render(changed, stack="dev"))]
    assert max(map(len, names)) == 63
    assert {name for name in names if name.startswith(longest)} >= {f"{longest}-database"}


@pytest.mark.parametrize(
    ("name", "context"), [("dev", "kind-akko"), ("production", "akko-production")]
)
def test_every_object_goes_to_the_context_that_the_document_names(name: str, context: str) -> None:
    """The default provider would follow whatever context happens to be current."""
    (provider,) = [item for item in stack(name) if item.type == "pulumi:providers:kubernetes"]
    assert provider.inputs["context"] == provider.inputs["clusterIdentifier"] == context
    assert {item.provider for item in _objects(stack(name))} == {provider.name}
