"""What servers and tenants share: names at the gateway, prefix caches, compiled kernels."""

from typing import Any

from tests.rendering import document, of_kind, render
from tests.unit.components.manifests import environment, gateway_config, one, pod, stack

ADAPTER = {
    "source": "mit-oasys/rlm-qwen3-30b-a3b-v0.1",
    "revision": "7d72253525f47b1a8c3c4e1059ff88e40232dd2f",
}
BASE = {
    "source": "Qwen/Qwen3-30B-A3B-Instruct-2507",
    "revision": "0d7cf23991f47feeb3a57ecb4c9cee8ea4a17bfe",
    "adapters": {"akko-recursive": ADAPTER},
}


def _config(**change: object) -> dict[str, Any]:
    changed = document("production")
    changed["node_pools"]["l4"]["instance_types"] = ["p5.4xlarge"]
    model = changed["models"]["akko-coder"]
    model |= change
    del model["memory_gib"], model["cpu"]
    model["cache"]["size_gib"] = 200
    return gateway_config(render(changed))


def test_an_adapter_is_an_alias_of_its_own_at_the_server_of_its_model() -> None:
    """Rows A5 and D3: clients ask for an adapter as if it were a model."""
    entries = {entry["model_name"]: entry for entry in _config(**BASE)["model_list"]}
    assert set(entries) == {"akko-coder", "akko-recursive"}
    parameters = entries["akko-recursive"]["litellm_params"]
    assert parameters["model"] == "hosted_vllm/akko-recursive"
    assert parameters["api_base"] == entries["akko-coder"]["litellm_params"]["api_base"]


def test_c4_servers_that_tenants_share_are_marked_and_the_hook_lies_beside_the_configuration() -> (
    None
):
    """Row C4."""
    (entry,) = gateway_config(stack("production"))["model_list"]
    assert entry["model_info"] == {"id": "akko-coder", "salted_per_tenant": True}
    (files,) = [
        item["data"]
        for item in of_kind(stack("production"), "ConfigMap")
        if "config.yaml" in item["data"]
    ]
    assert "class TenantSalt" in files["tenant_salt.py"]


def test_c4_a_cache_that_is_shared_or_off_has_no_salt_and_then_there_is_no_hook() -> None:
    """Row C4: with one tenant, a shared cache saves more."""
    for choice in ("shared", "off"):
        config = _config(prefix_caching=choice)
        assert "tenant_salt.tenant_salt" not in config["litellm_settings"]["callbacks"]
        assert config["model_list"][0]["model_info"] == {"id": "akko-coder"}
    assert "tenant_salt.tenant_salt" in _config()["litellm_settings"]["callbacks"]


def test_d8_compiled_kernels_outlive_a_pod_on_a_volume_of_their_own() -> None:
    """Row D8: predictable cache paths; what compiled is found by the next pod."""
    changed = document("production")
    changed["models"]["akko-coder"]["compile_cache"] = {"storage_class": "efs"}
    rendered = render(changed)
    claim = one(rendered, "PersistentVolumeClaim", "akko-akko-vllm-compiled")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    spec = pod(rendered, "Deployment akko-akko-vllm").spec
    (engine,) = spec["containers"]
    (path,) = [m["mountPath"] for m in engine["volumeMounts"] if m["name"] == "compiled"]
    assert path == environment(engine)["VLLM_CACHE_ROOT"]
    assert {
        "name": "compiled",
        "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]},
    } in (spec["volumes"])


def test_an_embedding_model_is_one_to_the_gateway_too() -> None:
    (entry,) = _config(
        task="embed",
        source="Qwen/Qwen3-Embedding-0.6B",
        revision="97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3",
    )["model_list"]
    assert entry["model_info"] == {"id": "akko-coder", "mode": "embedding"}
