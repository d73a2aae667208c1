"""The plan fails, not the pod (row U1), in the real CLI; what starts is in the outputs."""

import re
from typing import Any

import pytest

from tests.engine.pulumi_cli import Engine, document_of

_LINES = re.MULTILINE | re.DOTALL
_MODEL = "inference:platform.models.akko-coder"


@pytest.fixture
def production() -> dict[str, Any]:
    return document_of("production")


@pytest.fixture
def model(production: dict[str, Any]) -> dict[str, Any]:
    return production["models"]["akko-coder"]


def _planned(output: str, alias: str) -> dict[str, str]:
    """An alias's entries of the output `plan`, as a preview prints them."""
    block = re.search(
        rf"^    plan +: {{.*?^        {alias} *: {{$(.*?)^        }}$", output, _LINES
    )
    assert block is not None, output
    return dict(re.findall(r"^ +(\w+) *: (.*)$", block[1], re.MULTILINE))


def test_a_model_that_would_not_start_fails_the_preview(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    model["max_model_len"] = 40_000

    ended = engine.on_document("preview", "production", production)

    ended.refuses(
        f"{_MODEL} would not start on g6.2xlarge and g6.4xlarge of pool l4: max_model_len is "
        '40,000, but the model was made for 32,768 tokens; vLLM would say: "User-specified '
        "max_model_len (40000) is greater than the derived max_model_len "
        "(max_position_embeddings=32768.0 or model_max_length=None in model's config.json).\"; set "
        f"{_MODEL}.max_model_len to 32768"
    )


def test_a_model_without_a_lock_fails_the_preview(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    model["revision"] = "b" * 40

    ended = engine.on_document("preview", "production", production)

    ended.refuses(
        f"{_MODEL}.source: Qwen/Qwen2.5-7B-Instruct is locked at a09a35458c70, not at the revision "
        f"{'b' * 40}; run `make lock MODEL=Qwen/Qwen2.5-7B-Instruct REVISION={'b' * 40}`, or name "
        "the revision that is locked."
    )


def test_what_may_go_wrong_is_a_warning_of_the_preview(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    production["node_pools"]["l4"]["instance_types"] = ["g6.12xlarge"]
    model |= {"tensor_parallel": 4, "tensor_parallel_over_pcie": True}

    ended = engine.on_document("preview", "production", production)

    assert ended.code == 0, ended.output
    assert (
        f"warning: {_MODEL}.tensor_parallel_over_pcie: 4 GPUs of g6.12xlarge talk over PCIe: at "
        "most "
    ) in ended.output


def test_the_plan_is_in_the_stack_outputs(engine: Engine, production: dict[str, Any]) -> None:
    secret = {"name": "openai", "key": "api-key"}
    production["models"]["frontier"] = {
        "engine": "external",
        "provider_model": "openai/gpt-4.1",
        "secret": secret,
    }

    ended = engine.on_document("preview", "production", production)

    assert (
        "warning: inference:platform.models.frontier: prompts leave the cluster for "
        "api.openai.com: all that ask for frontier"
    ) in ended.output
    assert _planned(ended.output, "frontier") == {
        "verdict": '"not planned"',
        "reason": '"a provider outside the cluster"',
    }
    model = _planned(ended.output, "akko-coder")
    assert model["verdict"] == '"will start"'
    assert model["machine"] == '"g6.2xlarge"'
    assert int(model["largest_max_model_len"]) == 32_768
    assert int(model["kv_cache_tokens"]) > 4096
    assert int(model["concurrency"]) >= 1
    assert int(model["low"]) < int(model["expected"]) < int(model["high"])
    assert float(model["usd_per_month"]) > float(model["usd_per_million_tokens"]) > 0
    assert "GiB" in model["reason"]
