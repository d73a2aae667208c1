"""The main job: both stacks go up for real, and what arrives in the API server is looked at.

Containers are simulated here; the serving tier runs the rendered commands on real engines.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cluster.objects import peers_of, pod_spec, pods, ready, selects
from tests.cluster.stacks import CHECKOUT, Deployed, deploy, run_stacks

PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}


def git_status() -> str:
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stacks")
    yield folder
    run_stacks("down", run_folder=folder)


@pytest.fixture(scope="module")
def before() -> str:
    return git_status()


@pytest.fixture(scope="module")
def dev(run_folder: Path, binaries: Mapping[str, Path], before: str) -> Deployed:
    assert before is not None
    return deploy("dev", run_folder, binaries["kubectl"])


@pytest.fixture(scope="module")
def production(run_folder: Path, binaries: Mapping[str, Path], before: str) -> Deployed:
    assert before is not None
    return deploy("production", run_folder, binaries["kubectl"])


def test_a1_a3_dev_goes_up_on_a_live_api_server(dev: Deployed) -> None:
    """A1, A2, A3: gateway and Ollama, with the names that clients use today, Ready."""
    for app, role in (
        *(("litellm", "gateway"), ("ollama", "engine")),
        *(("postgres", "database"), ("valkey", "counters")),
    ):
        assert [ready(pod) for pod in pods(dev.kubectl, app, role)] == [True], app
    services = {
        item["metadata"]["name"]: item["spec"]["ports"][0]["port"]
        for item in dev.kubectl.get("services", "-n", "akko")["items"]
    }
    assert services == {
        "akko-akko-litellm": 4000,
        "akko-akko-litellm-database": 5432,
        "akko-akko-litellm-redis": 6379,
        "akko-akko-ollama": 11434,
    }


@pytest.mark.parametrize(
    ("stack", "applications"),
    [("dev", ["gateway-state", "litellm", "ollama"]), ("production", ["gateway-state", "litellm"])],
)
def test_what_has_to_be_done_once_is_done(
    stack: str, applications: list[str], request: pytest.FixtureRequest
) -> None:
    """Weights, the database's tables, teams and keys: a Job each, and each has ended well."""
    deployed: Deployed = request.getfixturevalue(stack)
    items = deployed.kubectl.get("jobs", "-n", "akko")["items"]
    once = [job for job in items if "ownerReferences" not in job["metadata"]]
    named = sorted(job["metadata"]["labels"]["app.kubernetes.io/name"] for job in once)
    assert [name for name in named if name != "vllm"] == applications
    assert [job["status"]["succeeded"] for job in once] == [1] * len(once)
    (cron_job,) = deployed.kubectl.get("cronjobs", "-n", "akko")["items"]
    assert cron_job["metadata"]["name"] == "akko-akko-litellm-drift"


def test_the_end_of_a_deployment_says_what_exists_and_what_to_do_next(dev: Deployed) -> None:
    out = dev.first.stdout
    assert "akko-akko-ollama" in out
    assert "1/1" in out
    assert "http://akko-akko-litellm:4000/v1" in out
    assert "containers are simulated" in out
    assert "make down" in out


def test_readme_shows_what_a_deployment_prints(dev: Deployed) -> None:
    """But for seconds, the zones that pods landed in, and the widths that follow from them."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("It ends\nlike this:")[1].split("```")[1]
    assert _timeless(shown) <= _timeless(dev.first.stdout)
    assert any("gateway is http" in line for line in _timeless(shown))


def _timeless(text: str) -> set[str]:
    lines = (re.sub(r"\d+ s,|us-east-1[ab]", "*", line.strip()) for line in text.splitlines())
    return {line for line in lines if line}


def test_the_policy_pack_has_judged_the_deployment(dev: Deployed, production: Deployed) -> None:
    for deployed in (dev, production):
        assert "inference-platform@v" in deployed.first.stdout


@pytest.mark.parametrize("stack", ["dev", "production"])
def test_a_second_deployment_changes_nothing(stack: str, request: pytest.FixtureRequest) -> None:
    """Not even a key that was made in the cluster meanwhile, as the gateway's state does it."""
    deployed: Deployed = request.getfixturevalue(stack)
    account = ("secret", "akko-app-gateway-key", "-nakko")
    assert "data" not in deployed.kubectl.get(*account)
    made = {"api-key": base64.b64encode(b"sk-made-in-the-cluster").decode()}
    deployed.kubectl("patch", *account, "--type=merge", "-p", json.dumps({"data": made}))
    second = deployed.up()
    assert second.returncode == 0, second.stdout + second.stderr
    assert deployed.kubectl.get(*account)["data"] == made
    state = deployed.home / f"state/.pulumi/stacks/inference/{stack}.json"
    assert made["api-key"] not in state.read_text()
    assert " unchanged" in second.stdout
    for change in (" created", " updated", " replaced", " deleted"):
        assert f"{change}\n" not in second.stdout


@pytest.mark.parametrize(
    ("secret", "key", "value"),
    [
        ("akko-litellm-key", "master-key", "akko-dev-litellm-key"),
        ("akko-litellm-salt", "value", "akko-dev-litellm-salt"),
        ("akko-litellm-database", "value", "akko-dev-database"),
        ("akko-litellm-redis", "value", "akko-dev-redis"),
    ],
)
def test_a2_a_development_key_stands_in_a_secret_and_only_there(
    dev: Deployed, secret: str, key: str, value: str
) -> None:
    """A2: the dev key is a dev-only secret, and so are those of the gateway's stores."""
    data = dev.kubectl.get("secret", secret, "-n", "akko")["data"]
    assert base64.b64decode(data[key]).decode() == value
    kinds = "cm,deploy,pods,jobs,cronjobs"
    assert value not in dev.kubectl("get", kinds, "-n", "akko", "-o", "json")
    # The engine's history repeats the stack file, where everybody can read this key anyway; the
    # resources' state, where a real key would stand too, holds it encrypted.
    state = dev.run_folder / "dev/stacks/state/.pulumi/stacks/inference/dev.json"
    assert secret in state.read_text()
    assert value not in state.read_text()


def test_a4_b20_the_production_pod_runs_on_a_node_that_karpenter_made(
    production: Deployed,
) -> None:
    """A4, A8, B20: the NodePool of the stack, unchanged but for its node class, gave the node."""
    (pod,) = pods(production.kubectl, "vllm", "engine")
    assert ready(pod)
    node = production.kubectl.get("node", pod["spec"]["nodeName"])
    labels = node["metadata"]["labels"]
    assert labels["karpenter.sh/nodepool"] == "l4"
    assert labels["node.kubernetes.io/instance-type"] in {"g6.2xlarge", "g6.4xlarge"}
    assert labels["karpenter.sh/capacity-type"] == "spot"
    assert {"key": "nvidia.com/gpu", "effect": "NoSchedule"} in node["spec"]["taints"]
    claims = production.kubectl.get("nodeclaims")["items"]
    assert [claim["status"]["nodeName"] for claim in claims] == [pod["spec"]["nodeName"]]


def test_only_vllm_lands_on_gpu_nodes(production: Deployed) -> None:
    everything = production.kubectl.get("pods", "-n", "akko")["items"]
    gpu_nodes = {
        node["metadata"]["name"]
        for node in production.kubectl.get("nodes", "-l", "karpenter.sh/nodepool=l4")["items"]
    }
    apps = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in everything
        if pod["spec"]["nodeName"] in gpu_nodes
    }
    assert apps == {"engine"}


def test_a4_the_engine_arrives_as_asked(production: Deployed) -> None:
    """A4, A7: model, length, memory share and names, in the object that the API server holds."""
    (container,) = pod_spec(production.kubectl, "vllm")["containers"]
    arguments = container["args"]
    assert arguments[0].startswith("/models/Qwen/Qwen2.5-7B-Instruct/a09a35458c70")
    assert {"--max-model-len=4096", "--gpu-memory-utilization=0.9"} <= set(arguments)
    names = arguments.index("--served-model-name")
    assert arguments[names + 1 : names + 3] == ["akko-coder", "Qwen/Qwen2.5-7B-Instruct"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_no_service_links_reach_vllm(production: Deployed) -> None:
    spec = pod_spec(production.kubectl, "vllm")
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False


def test_the_engine_ends_its_streams_within_its_grace(production: Deployed) -> None:
    """RL-02: endpoint removal + shutdown time-out fit into the pod's grace, it into the node's."""
    spec = pod_spec(production.kubectl, "vllm")
    (container,) = spec["containers"]
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    flag = next(a for a in container["args"] if a.startswith("--shutdown-timeout="))
    shutdown = int(flag.partition("=")[2])
    grace = spec["terminationGracePeriodSeconds"]
    assert shutdown > 0
    assert wait + shutdown < grace
    pool = production.kubectl.get("nodepool", "l4")
    assert grace < int(pool["spec"]["template"]["spec"]["terminationGracePeriod"].rstrip("s"))


def test_a6_only_gateway_and_monitoring_reach_port_8000(production: Deployed) -> None:
    """A6: every policy that arrived is read together, as the network plug-in would."""
    (pod,) = pods(production.kubectl, "vllm", "engine")
    gateway, monitoring = peers_of(production.kubectl, pod, 8000)
    (litellm, *_) = pods(production.kubectl, "litellm", "gateway")
    assert "namespaceSelector" not in gateway
    assert selects(gateway["podSelector"], litellm["metadata"]["labels"])
    assert not selects(gateway["podSelector"], pod["metadata"]["labels"])
    namespace = monitoring["namespaceSelector"]["matchLabels"]
    assert namespace == {"kubernetes.io/metadata.name": "monitoring"}
    assert monitoring["podSelector"]["matchLabels"] == PROMETHEUS


def test_a6_the_route_leads_to_the_gateway_only(production: Deployed) -> None:
    """A6: `https://llm.akko.local` is LiteLLM; vLLM has neither route nor public Service."""
    (route,) = production.kubectl.get("httproutes", "-A")["items"]
    assert route["spec"]["hostnames"] == ["llm.akko.local"]
    backends = [ref["name"] for rule in route["spec"]["rules"] for ref in rule["backendRefs"]]
    assert backends == ["akko-akko-litellm"]
    kinds = {
        item["metadata"]["name"]: item["spec"]["type"]
        for item in production.kubectl.get("services", "-n", "akko")["items"]
    }
    assert kinds == {"akko-akko-litellm": "ClusterIP", "akko-akko-vllm": "ClusterIP"}


def test_the_namespace_refuses_a_privileged_pod(production: Deployed) -> None:
    refused = production.kubectl.run(
        "run", "escape", "-n", "akko", "--image=docker.io/library/python:3.12-slim", "--privileged"
    )
    assert refused.returncode != 0
    assert "violates PodSecurity" in refused.stderr


def test_the_checkout_stays_clean(dev: Deployed, production: Deployed, before: str) -> None:
    assert dev.up().returncode == 0
    assert production is not None
    assert git_status() == before
