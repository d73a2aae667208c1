"""Each mistake in the input ends `pulumi` with one clear sentence, and with an error code."""

import copy
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.pulumi_cli import CHECKOUT, Engine, document_of, kubeconfig

_MODEL = "inference:platform.models.akko-coder"


@pytest.fixture
def production() -> dict[str, Any]:
    return document_of("production")


@pytest.fixture
def model(production: dict[str, Any]) -> dict[str, Any]:
    return production["models"]["akko-coder"]


def test_a_misspelled_key_is_answered_with_the_nearest_right_one_and_its_path(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    model["gpu_memory_utilisation"] = model.pop("gpu_memory_utilization")

    ended = engine.on_document("preview", "production", production)

    ended.refuses(
        f"{_MODEL}.gpu_memory_utilisation is not a key of this document; did you mean "
        f"{_MODEL}.gpu_memory_utilization?"
    )


def test_an_unknown_key_is_answered_with_the_possible_ones(
    engine: Engine, production: dict[str, Any]
) -> None:
    production["ingress_nginx"] = {"enabled": True}

    ended = engine.on_document("preview", "production", production)

    ended.refuses(
        "inference:platform.ingress_nginx is not a key of this document; Possible here: "
        "namespace, environment, cluster, hardware, node_pools, models, ollama, gateway, exposure, "
        "streams, monitoring, hub"
    )


def test_a_wrong_type_is_answered_with_the_value_and_the_type(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    model["replicas"] = "two"

    ended = engine.on_document("preview", "production", production)

    ended.refuses(
        f"{_MODEL}.replicas is 'two': input should be a valid integer (Servers of this model)"
    )


def test_a_pool_that_does_not_exist_is_answered_with_those_that_do(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    model["pool"] = "h100"

    ended = engine.on_document("preview", "production", production)

    ended.refuses(f"{_MODEL}.pool is 'h100', which is not among inference:platform.node_pools: l4")


def test_two_models_with_one_service_name_are_both_named(
    engine: Engine, production: dict[str, Any], model: dict[str, Any]
) -> None:
    production["models"]["second"] = copy.deepcopy(model)

    ended = engine.on_document("preview", "production", production)

    ended.refuses(
        f"{_MODEL}.service_name and inference:platform.models.second.service_name are both "
        "'akko-akko-vllm': every server needs a Service of its own, rename one"
    )


def test_a_stack_without_the_document_is_told_where_to_write_it(engine: Engine) -> None:
    ended = engine.on_file("preview", "dev", "config: {}\n")

    ended.refuses("inference:platform is missing; write its keys below it, as Pulumi.dev.yaml does")


def test_a_document_that_is_a_text_is_no_document(engine: Engine) -> None:
    ended = engine.on_document("preview", "dev", "everything, please")

    ended.refuses(
        "inference:platform holds no keys; write its keys below it, as Pulumi.dev.yaml does"
    )


def test_a_stack_file_that_is_no_yaml_is_refused_with_the_line(engine: Engine) -> None:
    text = (CHECKOUT / "Pulumi.dev.yaml").read_text(encoding="utf-8")

    ended = engine.on_file("preview", "dev", text.replace("models:", "models: [", 1))

    assert len(ended.errors) == 1
    ended.refuses(*ended.errors)
    assert ended.errors[0].startswith("getting stack configuration: invalid YAML file: yaml: line ")


def test_a_missing_passphrase_is_answered_with_the_variables_to_set(
    engine: Engine, production: dict[str, Any]
) -> None:
    without = engine.given(PULUMI_CONFIG_PASSPHRASE_FILE=None)

    ended = without.on_document("preview", "production", production)

    ended.refuses(
        "getting stack configuration: get stack secrets manager: passphrase must be set with "
        "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables"
    )


def test_a_wrong_passphrase_is_refused(
    engine: Engine, production: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("somebody else's", encoding="utf-8")
    wrong = engine.given(PULUMI_CONFIG_PASSPHRASE_FILE=str(tmp_path / "wrong"))

    ended = wrong.on_document("preview", "production", production)

    ended.refuses("getting stack configuration: get stack secrets manager: incorrect passphrase")


def test_a_kubeconfig_without_the_stacks_context_is_refused(
    engine: Engine, production: dict[str, Any], tmp_path: Path, closed_server: str
) -> None:
    """The wrong-cluster guard holds whatever the current context is."""
    file = kubeconfig(tmp_path / "kubeconfig", closed_server, "kind-mine", "somebody-elses")

    ended = engine.given(KUBECONFIG=str(file)).on_document("preview", "production", production)

    ended.refuses(
        "this stack is for the context 'akko-production' (inference:platform.cluster.context), "
        "but the kubeconfig has: kind-mine, somebody-elses; point KUBECONFIG at the right file, "
        "or change the key"
    )


def test_another_server_behind_the_right_context_is_refused(
    engine: Engine, production: dict[str, Any], tmp_path: Path, closed_server: str
) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", closed_server, "akko-production")
    production["cluster"]["server"] = "https://llm.example.com:6443"

    ended = engine.given(KUBECONFIG=str(file)).on_document("preview", "production", production)

    ended.refuses(
        "this stack is for the cluster at https://llm.example.com:6443 "
        "(inference:platform.cluster.server), but the context 'akko-production' leads to "
        f"{closed_server}; nothing was touched"
    )


def test_an_update_without_a_kubeconfig_is_refused(
    fresh_engine: Engine,
) -> None:
    """A preview is let through, as in `test_previews`; an update could land anywhere."""
    ended = fresh_engine.on_document("up", "dev", document_of("dev"), "--yes", "--skip-preview")

    ended.refuses(
        "this stack is for the context 'kind-akko' (inference:platform.cluster.context), "
        "but the kubeconfig has: none; point KUBECONFIG at the right file, or change the key"
    )


def test_an_update_of_a_cluster_that_does_not_answer_fails_within_seconds(
    fresh_engine: Engine, tmp_path: Path, closed_server: str
) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", closed_server, "kind-akko")
    begun = time.monotonic()

    ended = fresh_engine.given(KUBECONFIG=str(file)).on_document(
        "up", "dev", document_of("dev"), "--yes", "--skip-preview"
    )

    assert ended.code != 0
    address = closed_server.removeprefix("https://")
    unreachable = [line for line in ended.errors if line != "update failed"]
    assert set(unreachable) == {
        "configured Kubernetes cluster is unreachable: unable to load schema information from the "
        f'API server: Get "{closed_server}/openapi/v2?timeout=32s": dial tcp {address}: connect: '
        "connection refused"
    }
    assert "Traceback" not in ended.output
    assert time.monotonic() - begun < 60
