"""The real Ollama with rendered containers: the preload Job's steps, the server, its check."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rendering import Rendered, document, render
from tests.serving.ollama_registry import Registry, manifest_of
from tests.serving.processes import Server, clean_environment, free_port, running
from tests.serving.tiny_gguf import write_tiny_gguf

Json = Mapping[str, Any]

CODER, CHAT = "qwen2.5-coder:7b", "qwen2.5:3b"
"""The models of the committed stack; in these tests tiny ones have their names."""

_READY_SECONDS = 60


def make_library(ollama: Path, store: Path, folder: Path) -> None:
    """Let Ollama make a store with two tiny models under the names of the committed stack's."""
    with _serving(ollama, {"OLLAMA_MODELS": str(store)}, folder) as (_, environment):
        for seed, source in enumerate((CODER, CHAT)):
            write_tiny_gguf(folder / f"{seed}.gguf", seed=seed)
            file = folder / f"Modelfile.{seed}"
            file.write_text(f'FROM {folder / f"{seed}.gguf"}\nTEMPLATE "{{{{ .Prompt }}}}"\n')
            subprocess.run(
                [ollama, "create", source, "-f", file],
                env=environment,
                check=True,
                capture_output=True,
            )
    for source in (CODER, CHAT):  # as a push sends them; `create` alone ends the file with a line
        made = manifest_of(store, source)
        made.write_bytes(made.read_bytes().rstrip())


def pin(store: Path, source: str) -> str:
    """SHA-256 of a model's manifest."""
    return hashlib.sha256(manifest_of(store, source).read_bytes()).hexdigest()


def rendered_stack(store: Path, **server: object) -> tuple[Rendered, ...]:
    """The committed stack with the tiny models' digests and other values of its server.

    Args:
        store: Where the models are.
        server: What changes below `ollama`.
    """
    changed = document("dev")
    for model in changed["models"].values():
        model |= {"digest": pin(store, model["source"]), "size_gb": 0.01}
    changed["models"]["akko-coder"]["max_model_len"] = 8192
    changed["ollama"] |= {"memory_gib": 4, **server}
    return render(changed, stack="dev")


def pod_of(rendered: Sequence[Rendered], kind: str, begins: str) -> Json:
    """The pod of one workload."""
    (found,) = (
        item.inputs["spec"]["template"]["spec"]
        for item in rendered
        if item.inputs.get("kind") == kind and item.inputs["metadata"]["name"].startswith(begins)
    )
    return found


def verify(
    rendered: Sequence[Rendered], step: Json, models: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a rendered `verify` step on a folder, with the program that its ConfigMap holds."""
    (data,) = (
        item.inputs["data"]
        for item in rendered
        if item.name == "ollama-verify" and item.inputs.get("kind") == "ConfigMap"
    )
    ((name, text),) = data.items()
    program = folder / name
    program.write_text(text, encoding="utf-8")
    assert step["command"] == ["python3", f"/opt/verify/{name}"]
    words = [str(models) if word == "/models" else word for word in step["args"]]
    assert str(models) in words
    return subprocess.run(
        [sys.executable, "-I", program, *words],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def preload(
    ollama: Path, rendered: Sequence[Rendered], models: Path, folder: Path, there: Registry
) -> subprocess.CompletedProcess[str]:
    """Run the rendered Job's steps in their order; the last of them is the answer."""
    spec = pod_of(rendered, "Job", "akko-akko-ollama-preload")
    sidecar, *pulls = spec["initContainers"]
    (check,) = spec["containers"]
    variables = {**_variables(sidecar), **there.environment, "OLLAMA_MODELS": str(models)}
    assert sidecar["command"] == ["/bin/ollama", "serve"]
    with _serving(ollama, variables, folder) as (_, environment):
        for step in pulls:
            program, *words = step["command"]
            assert program == "/bin/ollama"
            done = subprocess.run(
                [ollama, *words], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    return verify(rendered, check, models, folder)


@contextmanager
def running_server(
    ollama: Path, rendered: Sequence[Rendered], models: Path, folder: Path
) -> Generator[Server]:
    """Start the rendered server on a folder of models."""
    (container,) = pod_of(rendered, "Deployment", "akko-akko-ollama")["containers"]
    assert "command" not in container  # the image's own is `/bin/ollama serve`
    assert container["readinessProbe"]["httpGet"]["path"] == "/api/version"
    variables = {**_variables(container), "OLLAMA_MODELS": str(models)}
    with _serving(ollama, variables, folder) as (server, _):
        yield server


def _variables(container: Json) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}


@contextmanager
def _serving(
    ollama: Path, variables: Mapping[str, str], folder: Path
) -> Generator[tuple[Server, dict[str, str]]]:
    """`ollama serve` on loopback, and the environment in which commands find it."""
    port = free_port()
    # Paths outside the container's own are added after those in it were moved.
    ours = {
        name: variables[name] for name in ("OLLAMA_MODELS", "SSL_CERT_FILE") if name in variables
    }
    moved = {name: value for name, value in variables.items() if name not in ours}
    environment = {**clean_environment(folder, moved), **ours, "OLLAMA_HOST": f"127.0.0.1:{port}"}
    with running(
        [str(ollama), "serve"],
        environment,
        port=port,
        ready_path="/api/version",
        log=folder / "ollama.log",
        within_seconds=_READY_SECONDS,
    ) as server:
        yield server, environment
