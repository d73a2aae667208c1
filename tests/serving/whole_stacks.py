"""A committed stack as it is rendered, gateway and engine, in one network with its Services' names.

What differs from a cluster: the models are tiny, vLLM runs on a CPU, one pod of each server is
started, PostgreSQL and Redis are those of the tests, without TLS, and all share one network, in
which every Service stands for its loopback. Their configuration is as rendered, addresses included;
the rendered migration has to end before the gateway begins.
"""

import contextlib
import json
import shutil
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.core.conventions import POSTGRES_PORT, REDIS_PORT
from tests.rendering import Rendered, document, of_kind, render
from tests.serving import stand_ins
from tests.serving.containers import Container, start
from tests.serving.cpu import on_cpu, vllm_image
from tests.serving.ollamas import pin
from tests.serving.pods import Pod, running_pod
from tests.serving.sandbox import Image, Mount, Network, network
from tests.serving.stacks import MASTER_KEY
from tests.serving.states import State
from tests.serving.stores import Stores
from tests.serving.volumes import Cluster

GATEWAY_PORT = 4000
_QWEN = "Qwen/Qwen2.5-7B-Instruct"
_DATABASE = "akko-akko-litellm-database"
"""The Service of development's database; production's Secret says this name too."""
_ENGINE_KEY = "key-of-the-gateway-at-the-engine-0463"
_STORES = {"postgres", "valkey"}
"""Containers that the tests' own servers stand in for."""
_MIGRATION_SECONDS = 300
"""Where nothing is left to do it ends after half a minute on two busy cores."""
_INTERPRETER = Path(sys.base_prefix)
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Programs:
    """What the images are stood in for by.

    Attributes:
        state: LiteLLM and its stores.
        vllm: Interpreter of vLLM's environment.
        tiny_models: Folder of the tiny models for vLLM.
        ollama: The program; None where a stack needs none.
        store: Ollama's folder with its tiny models.
    """

    state: State
    vllm: Path | None = None
    tiny_models: Path | None = None
    ollama: Path | None = None
    store: Path | None = None


@dataclass(frozen=True)
class WholeStack:
    """A running stack.

    Attributes:
        name: Of the stack.
        file: Its document, as a stack file.
        pods: Gateway and engine by the name of their Deployments.
        network: What they share.
        service: Name and port of the gateway for pods of the namespace, `name:4000`.
        folder: For what clients write.
    """

    name: str
    file: Path
    pods: Mapping[str, Pod]
    network: Network
    service: str
    folder: Path

    @property
    def url(self) -> str:
        """The gateway from out here, without a path."""
        return f"http://127.0.0.1:{self.network.ports[GATEWAY_PORT]}"

    @property
    def address(self) -> str:
        """The gateway as a pod of the namespace calls it, row A1."""
        return f"http://{self.service}/v1"

    def client(self, words: Sequence[str], name: str, **variables: str) -> Container:
        """Start a client as a pod of the namespace would run: the names of Services resolve.

        Args:
            words: Arguments of Python, isolated from the caller's environment.
            name: Of its log.
            variables: Its environment.
        """
        venv = Path(sys.prefix).resolve()
        image = Image(venv / "bin", (_CHECKOUT, venv, _INTERPRETER), ("python3",))
        env = [{"name": key, "value": value} for key, value in variables.items()]
        container = {"image": "client", "name": name, "args": list(words), "env": env}
        return start(
            {"securityContext": {"runAsUser": 1000, "runAsGroup": 1000}},
            {**container, "workingDir": str(_CHECKOUT)},
            cluster=Cluster({"client": image}),
            mounts=[],
            network=self.network,
            folder=self.folder,
        )


@contextlib.contextmanager
def running_stack(stack: str, programs: Programs, folder: Path) -> Generator[WholeStack]:
    """Start a committed stack and wait until its pods are ready.

    Args:
        stack: Its name.
        programs: What stands in for its images.
        folder: An empty folder.
    """
    value = _document(stack, programs)
    rendered = render(value, stack=stack, gateway_key=MASTER_KEY)
    cluster = _cluster(rendered, programs, folder)
    services = {item["metadata"]["name"]: item["spec"] for item in of_kind(rendered, "Service")}
    hosts = folder / "hosts"
    redis = value["gateway"]["redis"].get("host", "")
    names = {"localhost", *services, _DATABASE, redis}
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in sorted(names) if name))
    ports = [
        port["containerPort"]
        for spec in _pods(rendered).values()
        for container in spec["containers"]
        for port in container["ports"]
    ]
    (gateway,) = (name for name, spec in services.items() if spec["ports"][0]["port"] == 4000)
    file = folder / f"Pulumi.{stack}.yaml"
    file.write_text(json.dumps({"config": {"inference:platform": value}}))
    with contextlib.ExitStack() as stopping:
        net = replace(stopping.enter_context(network(ports, _neighbours(programs))), hosts=hosts)
        _migrate(rendered, cluster, folder / "migration", net)
        pods: dict[str, Pod] = {}
        for name, spec in _pods(rendered).items():
            _agree(name, spec, services)
            place = folder / name
            place.mkdir()
            pods[name] = stopping.enter_context(running_pod(spec, cluster, place, net))
        for pod in pods.values():
            pod.await_ready()
        clients = folder / "clients"
        clients.mkdir()
        yield WholeStack(stack, file, pods, net, f"{gateway}:{GATEWAY_PORT}", clients)


def _document(stack: str, programs: Programs) -> dict[str, Any]:
    """The committed document; Ollama's models are pinned to the tiny ones that have their names."""
    value = document(stack)
    if value["gateway"]["redis"]["kind"] == "external":
        value["gateway"]["redis"]["tls"] = False
    if programs.store:
        for model in value["models"].values():
            model |= {"digest": pin(programs.store, model["source"]), "size_gb": 0.01}
        value["ollama"]["memory_gib"] = 4
    return value


def _pods(rendered: Sequence[Rendered]) -> dict[str, Mapping[str, Any]]:
    """The pod of each Deployment but the stores', an engine on a CPU where it is vLLM."""
    found = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]
        for item in of_kind(rendered, "Deployment")
    }
    return {
        name: on_cpu(spec)
        for name, spec in found.items()
        if spec["containers"][0]["name"] not in _STORES
    }


def _neighbours(programs: Programs) -> dict[int, Path]:
    """Where the ports of the stores lead."""
    state = programs.state
    return {POSTGRES_PORT: state.postgres.socket, REDIS_PORT: state.redis.socket}


def _migrate(rendered: Sequence[Rendered], cluster: Cluster, folder: Path, net: Network) -> None:
    """Run the rendered Job to its end."""
    folder.mkdir()
    (spec,) = (
        job["spec"]["template"]["spec"]
        for job in of_kind(rendered, "Job")
        if job["spec"]["template"]["spec"]["containers"][0]["name"] == "migrate"
    )
    with running_pod(spec, cluster, folder, net) as pod:
        code = pod.only.exit_code(_MIGRATION_SECONDS)
        if code != 0:
            raise pod.only.error(f"gave {code}")


def _agree(name: str, spec: Mapping[str, Any], services: Mapping[str, Any]) -> None:
    """A Service's port is its pod's: only so may its name stand for the pod's own loopback."""
    named = {port["name"]: port["containerPort"] for port in spec["containers"][0]["ports"]}
    for port in services[name]["ports"]:
        assert port["port"] == named[port["targetPort"]]


def _cluster(rendered: Sequence[Rendered], programs: Programs, folder: Path) -> Cluster:
    maps = {item["metadata"]["name"]: item["data"] for item in of_kind(rendered, "ConfigMap")}
    claim = folder / "claim"
    images = {
        "docker.io/litellm/litellm-non_root": _litellm(programs.state.stores),
        "docker.io/library/python": Image(_INTERPRETER / "bin", (_INTERPRETER,), ("python3",)),
    }
    if programs.ollama and programs.store:
        image = folder / "ollama-image"  # where it was built, its owner alone may read
        image.mkdir()
        shutil.copy2(programs.ollama, image)
        seen = Mount("/image", image, read_only=True)
        images["docker.io/ollama/ollama"] = Image(
            Path(seen.path), (), ("ollama", "serve"), elsewhere=(seen,)
        )
        claim = programs.store
    if programs.vllm and programs.tiny_models:
        images["docker.io/vllm/vllm-openai"] = vllm_image(programs.vllm)
        tiny = {_QWEN: programs.tiny_models / "chat"}
        for name, plan in stand_ins.plans(maps).items():
            there = stand_ins.filled(plan, tiny, claim)
            maps[name] = maps[name] | {stand_ins.PLAN: json.dumps(there)}
    claims = {
        volume["persistentVolumeClaim"]["claimName"]: claim
        for spec in _pods(rendered).values()
        for volume in spec["volumes"]
        if "persistentVolumeClaim" in volume
    }
    return Cluster(images, claims, maps, _secrets(rendered, programs.state))


def _secrets(rendered: Sequence[Rendered], state: State) -> dict[str, dict[str, str]]:
    """Every Secret that a container reads, with what its variable is for."""
    values = {
        "LITELLM_MASTER_KEY": state.master_key,
        "LITELLM_SALT_KEY": state.salt_key,
        "DATABASE_URL": state.postgres.url(state.database, _DATABASE, POSTGRES_PORT),
        "REDIS_PASSWORD": state.redis.password,
    }
    return {
        source["name"]: {source["key"]: values.get(variable["name"], _ENGINE_KEY)}
        for spec in _pods(rendered).values()
        for container in spec["containers"]
        for variable in container["env"]
        if (source := variable.get("valueFrom", {}).get("secretKeyRef"))
    }


def _litellm(made: Stores) -> Image:
    """LiteLLM with its database client, as its image has them."""
    programs, client = made.litellm.parent, Path(made.environment["PYTHONPATH"])
    folders = (programs.parent, client.parents[1], _INTERPRETER)
    return Image(programs, folders, ("litellm",), environment=made.environment)
