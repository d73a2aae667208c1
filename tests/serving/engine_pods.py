"""A vLLM pod of a stack, with a tiny model on its volume, ready to be started on a CPU.

`rendered_pod` is THE ONE PLACE where manifests come in.
"""

import json
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.rendering import document, of_kind, render
from tests.serving import stand_ins
from tests.serving.cpu import on_cpu, vllm_image
from tests.serving.environments import ENGINES
from tests.serving.pods import Pod, running_pod
from tests.serving.processes import clean_environment
from tests.serving.stacks import MASTER_KEY
from tests.serving.volumes import Cluster

PORT = 8000
MODELS = "/models"
"""Where pods mount the volume of their models."""
_IMAGE = "docker.io/vllm/vllm-openai"
_KEYS = "akko-coder-keys"
"""The Secret of the engine's keys; the gateway's has the value of every Secret in these tests."""


@dataclass(frozen=True)
class Engine:
    """A ready engine.

    Attributes:
        pod: Its pod.
        url: Where its API is, without a path.
        client: Asks it with the gateway's key; of use to several threads at once.
        keys: The folder of its keys, as the kubelet keeps it.
    """

    pod: Pod
    url: str
    client: httpx.Client
    keys: Path

    def post(self, path: str, **request: object) -> httpx.Response:
        """Send a request and wait for the whole answer.

        Args:
            path: Path of the API.
            request: Its fields.
        """
        return self.client.post(path, json=request)

    def get(self, path: str) -> httpx.Response:
        """Read.

        Args:
            path: Path of the API.
        """
        return self.client.get(path)

    def metrics(self, *names: str) -> tuple[float, ...]:
        """Metrics at one moment, each the sum of its series.

        Args:
            names: Their names as they are exposed.
        """
        lines = self.get("/metrics").text.splitlines()
        return tuple(
            sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))
            for name in names
        )


@dataclass(frozen=True)
class Variant:
    """A way to run a model.

    Attributes:
        settings: What the document of production says otherwise of its model.
        tiny: Which of the tiny models stands in for which of the hub's.
        instance_types: Of the pool that it is planned for.
    """

    settings: Mapping[str, object]
    tiny: Mapping[str, str]
    instance_types: Sequence[str] = ("g6.2xlarge",)


def rendered_pod(variant: Variant) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """The pod of the engine as its stack renders it, and the ConfigMaps of that stack.

    Args:
        variant: How the model is run.
    """
    value = document("production")
    (pool,) = value["node_pools"].values()
    pool["instance_types"] = list(variant.instance_types)
    (model,) = value["models"].values()
    model |= variant.settings
    for planned in ("cpu", "memory_gib"):
        model.pop(planned)
    rendered = render(value)
    pods = [item["spec"]["template"]["spec"] for item in of_kind(rendered, "Deployment")]
    (pod,) = [pod for pod in pods if pod["containers"][0]["name"] == "vllm"]
    maps = of_kind(rendered, "ConfigMap")
    return pod, {item["metadata"]["name"]: item["data"] for item in maps}


def write_tiny_models(python: Path, folder: Path) -> None:
    """Write a folder of random models that vLLM serves on a CPU, and an adapter for one.

    Args:
        python: Interpreter of vLLM's environment.
        folder: An empty folder.
    """
    done = subprocess.run(
        [python, ENGINES / "vllm" / "write_tiny_models.py", folder],
        env=clean_environment(folder, {"HF_HUB_OFFLINE": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def running_engine(
    variant: Variant, tiny_models: Path, python: Path, folder: Path
) -> Generator[Engine]:
    """Start the engine of a variant and wait until its probes say that it is ready.

    Args:
        variant: How the model is run.
        tiny_models: Where the tiny models are.
        python: Interpreter of vLLM's environment.
        folder: An empty folder.
    """
    pod, maps = rendered_pod(variant)
    claim, place = folder / "claim", folder / "pod"
    place.mkdir()
    tiny = {source: tiny_models / kind for source, kind in variant.tiny.items()}
    for name, plan in stand_ins.plans(maps).items():
        maps[name] = maps[name] | {stand_ins.PLAN: json.dumps(stand_ins.filled(plan, tiny, claim))}
    (name,) = (
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    )
    images, secrets = {_IMAGE: vllm_image(python)}, {_KEYS: {"gateway": MASTER_KEY}}
    cluster = Cluster(images, claims={name: claim}, config_maps=maps, secrets=secrets)
    with running_pod(on_cpu(pod), cluster, place) as running:
        running.await_ready()
        url = running.url(PORT)
        # No TLS on loopback; loading the authorities takes a busy machine seconds.
        with httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {MASTER_KEY}"},
            timeout=120,
            trust_env=False,
            verify=False,
        ) as client:
            yield Engine(running, url, client, place / "engine-keys")
