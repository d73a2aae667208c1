"""An unsafe production document fails its preview with the key to change, in the real CLI."""

from typing import Any

import pytest

from tests.engine.pulumi_cli import Engine, Violation, document_of

_MODEL = "inference:platform.models.akko-coder"
_PACK = "--policy-pack=policies"


@pytest.fixture
def production() -> dict[str, Any]:
    return document_of("production")


@pytest.fixture
def model(production: dict[str, Any]) -> dict[str, Any]:
    return production["models"]["akko-coder"]


def test_a_gateway_without_its_key_is_refused(engine: Engine, production: dict[str, Any]) -> None:
    """AX-02"""
    del production["gateway"]["master_key"]

    ended = engine.on_document("preview", "production", production, _PACK)

    ended.refuses(
        "inference:platform.gateway.master_key is missing (The key that may do everything)"
    )


def test_vllm_as_a_load_balancer_is_refused(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    """AX-01"""
    model["service_type"] = "LoadBalancer"

    ended = engine.on_document("preview", "production", production, _PACK)

    ended.refuses(
        f"{_MODEL}.service_type is 'LoadBalancer': input should be 'ClusterIP' "
        "(An engine's keys know no tenants; expose the gateway)"
    )


def test_a_model_without_max_model_len_is_refused(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    """ML-01"""
    del model["max_model_len"]

    ended = engine.on_document("preview", "production", production, _PACK)

    ended.refuses(f"{_MODEL}.max_model_len is missing (Tokens of prompt and answer together)")


def test_max_model_len_above_the_cap_is_refused_by_policy(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    """ML-01: what would start is still above the organisation's cap."""
    model |= {
        "source": "Qwen/Qwen3-8B",
        "revision": "b968826d9c46dd6066d109eabc6255188de91218",
        "max_model_len": 40_000,
    }
    production["node_pools"]["l4"]["instance_types"] = ["g6e.2xlarge"]

    ended = engine.on_document("preview", "production", production, _PACK)

    ended.refuses("preview failed")
    assert ended.violations == [
        Violation(
            "mandatory",
            "ml-01-max-model-len-set",
            "akko-akko-vllm",
            'akko-akko-vllm asks for a context of 40000 tokens in container "vllm" '
            "(spec.template.spec.containers[0].args); 1 to 32768 tokens are possible (parameter "
            f"max_model_len_cap); change {_MODEL}.max_model_len in the stack document.",
        )
    ]


def test_an_image_by_the_tag_latest_is_refused_by_policy(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    """SC-01: the server, and the Jobs that bring and clear its weights with the same image."""
    model["image"] = "docker.io/vllm/vllm-openai:latest"

    ended = engine.on_document("preview", "production", production, _PACK)

    ended.refuses("preview failed")
    collect, preload = sorted({v.resource for v in ended.violations} - {"akko-akko-vllm"})
    assert collect.startswith("akko-akko-vllm-collect-")
    assert preload.startswith("akko-akko-vllm-preload-")
    found = sorted(ended.violations, key=lambda each: (each.resource, each.sentence))
    assert found == [
        Violation(
            "mandatory",
            "sc-01-image-pinned",
            workload,
            f"{workload} asks for an image by the tag `latest`, which moves "
            f"(spec.template.spec.{container}.image); only an image with its digest, "
            "name:tag@sha256:<64 hexadecimal digits>, is possible; "
            f"change {_MODEL}.image in the stack document.",
        )
        for workload, container in (
            ("akko-akko-vllm", "containers[0]"),
            ("akko-akko-vllm", "initContainers[0]"),
            ("akko-akko-vllm", "initContainers[1]"),
            (collect, "containers[0]"),
            (preload, "containers[0]"),
        )
    ]
