"""A real API server and the real CRDs judge every way in; a stack changes from one to another.

The stack is the one of `examples/` with most behind its gateway: models, a provider outside, teams.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl
from tests.cluster.examples import example, write_stack
from tests.cluster.objects import Object
from tests.cluster.stacks import Deployed, deploy, project_copy, run_stacks
from tests.rendering import of_kind
from tests.unit.components.ways_in import WAYS_IN, exposed

pytestmark = pytest.mark.timeout(600)

KINDS = {
    "existing": {"BackendTrafficPolicy", "HTTPRoute"},
    "created": {
        *("BackendTrafficPolicy", "ClientTrafficPolicy", "EnvoyProxy"),
        *("Gateway", "HTTPRoute"),
    },
    "alb": {"Ingress"},
}
ALL = "ingresses,gateways,httproutes,backendtrafficpolicies,clienttrafficpolicies,envoyproxies"
GROUPS = ("gateway.networking.k8s.io/", "gateway.envoyproxy.io/", "networking.k8s.io/")


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> str:
    (made,) = of_kind(exposed(WAYS_IN["alb"]), "Namespace")
    kubectl.apply(json.dumps(made))
    return "akko"


def way_in(name: str) -> list[dict[str, Any]]:
    return [
        dict(item.inputs)
        for item in exposed(WAYS_IN[name])
        if str(item.inputs.get("apiVersion", "")).startswith(GROUPS)
    ]


@pytest.mark.parametrize("name", WAYS_IN)
def test_the_api_server_takes_every_object_of_a_way_in_without_a_warning(
    kubectl: Kubectl, namespace: str, name: str
) -> None:
    """Rows A6, B7: schemas and rules of Gateway API's and Envoy Gateway's own CRDs."""
    found = way_in(name)
    done = strictly(kubectl, namespace, found)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(found)


def test_the_rules_of_the_real_crds_are_asked(kubectl: Kubectl, namespace: str) -> None:
    """What the test above could not see otherwise: an unknown field, and a broken rule."""
    (policy,) = [each for each in way_in("created") if each["kind"] == "BackendTrafficPolicy"]
    policy["spec"]["timeout"]["http"]["streamIdle"] = "1s"
    assert "unknown field" in strictly(kubectl, namespace, [policy]).stderr
    del policy["spec"]["timeout"]["http"]["streamIdle"]
    policy["spec"]["targetRefs"][0]["kind"] = "Service"
    refused = strictly(kubectl, namespace, [policy]).stderr
    assert "this policy can only have a targetRefs[*].kind of" in refused


def strictly(
    kubectl: Kubectl, namespace: str, found: list[dict[str, Any]]
) -> CompletedProcess[str]:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    return kubectl.run(
        "apply", "--dry-run=server", "--validate=strict", f"-n{namespace}", "-f-", stdin=listed
    )


@dataclass(frozen=True)
class Change:
    """What a deployment of a way in left.

    Attributes:
        done: How it went.
        again: How the same document went once more.
        objects: Kinds of objects that lead to the gateway afterwards.
    """

    done: CompletedProcess[str]
    again: CompletedProcess[str]
    objects: list[Object]


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, binaries: Mapping[str, Path]
) -> Iterator[Deployed]:
    """The stack, with no way in as yet."""
    folder = tmp_path_factory.mktemp("exposures")
    project = project_copy(folder)
    write_stack(project, "frontier", example("frontier"))
    try:
        yield deploy("frontier", folder / "run", binaries["kubectl"], project)
    finally:
        run_stacks("down", run_folder=folder / "run")


def test_b8_c2_several_models_a_provider_and_teams_are_up_behind_one_gateway(
    deployed: Deployed,
) -> None:
    """Rows B8, C2: every pod is ready, and each account of a team has the Secret of its key."""
    found = deployed.kubectl.get("deployments,jobs,secrets,configmaps", "-nakko")["items"]
    names = {(each["kind"], each["metadata"]["name"]): each for each in found}
    servers = {
        name: each["status"].get("readyReplicas")
        for (kind, name), each in names.items()
        if kind == "Deployment"
    }
    assert servers == {"akko-akko-vllm": 2, "akko-akko-long": 1, "akko-akko-litellm": 2}
    jobs = [each for (kind, _), each in names.items() if kind == "Job"]
    assert all(each["status"].get("succeeded") == 1 for each in jobs)
    parts = {each["metadata"]["labels"]["app.kubernetes.io/name"] for each in jobs}
    assert {"gateway-state", "litellm"} <= parts, parts
    for account in ("support-assistant", "research-notebooks", "research-nightly"):
        assert ("Secret", f"{account}-key") in names
    (config,) = (each["data"] for each in found if "config.yaml" in each.get("data", {}))
    entries = json.loads(config["config.yaml"])["model_list"]
    assert {each["model_name"] for each in entries} >= {"akko-coder", "frontier", "akko-any"}


@pytest.fixture(scope="module")
def changes(deployed: Deployed) -> Mapping[str, Change]:
    """One stack, each way in after the other."""
    return {name: change(deployed, name) for name in ("created", "alb", "existing")}


def change(deployed: Deployed, name: str) -> Change:
    document = {**example("frontier"), "exposure": dict(WAYS_IN[name])}
    write_stack(deployed.project, "frontier", document)
    done, again = deployed.up(), deployed.up()
    found = deployed.kubectl.get(ALL, "-nakko")
    return Change(done, again, found["items"])


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_goes_from_one_way_in_to_another(changes: Mapping[str, Change], name: str) -> None:
    """Rows A6, B7: what the other way needed is gone."""
    found = changes[name]
    assert found.done.returncode == 0, found.done.stdout + found.done.stderr
    assert {each["kind"] for each in found.objects} == KINDS[name]


@pytest.mark.parametrize("name", KINDS)
def test_the_same_way_in_again_changes_nothing(changes: Mapping[str, Change], name: str) -> None:
    again = changes[name].again
    assert again.returncode == 0, again.stdout + again.stderr
    for word in (" created", " updated", " replaced", " deleted"):
        assert f"{word}\n" not in again.stdout, again.stdout
