"""The real LiteLLM with a rendered configuration, on loopback."""

import copy
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import yaml

from tests.serving.processes import Server, free_port, replace_option, running
from tests.serving.stacks import Container
from tests.serving.states import State

_READY_WITHIN_SECONDS = 240
"""LiteLLM is up in 15 s on an idle machine."""


def with_upstream(config: Mapping[str, Any], url: str) -> dict[str, Any]:
    """A configuration whose backends are all at `url`; their paths stay as they were rendered.

    Args:
        config: The rendered configuration.
        url: Scheme and address of the backend.
    """
    changed = copy.deepcopy(dict(config))
    there = urlsplit(url)
    for entry in changed["model_list"]:
        parameters = entry["litellm_params"]
        rendered: str = parameters["api_base"]
        path = urlsplit(rendered).path
        parameters["api_base"] = urlunsplit((there.scheme, there.netloc, path, "", ""))
    return changed


def write_config(
    config: Mapping[str, Any], folder: Path, hooks: Mapping[str, str] | None = None
) -> Path:
    """The configuration file as the ConfigMap mounts it.

    Args:
        config: The configuration.
        folder: Where to write it.
        hooks: Files that lie beside it.
    """
    for name, text in (hooks or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    return path


@contextmanager
def running_gateway(
    container: Container,
    state: State,
    upstream_url: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Generator[Server]:
    """Start the gateway of a stack with its backends and its stores replaced.

    Args:
        container: The rendered container.
        state: Its stores.
        upstream_url: Where all backends are.
        folder: Empty folder for its files.
        environment: Variables in place of rendered ones.
    """
    port = free_port()
    there = with_upstream(container.config, upstream_url)
    if state.redis_tls is None:
        there["general_settings"]["coordination_redis"]["ssl"] = False
    config = write_config(there, folder, container.hooks)
    args = replace_option(container.args, "--config", str(config))
    args = replace_option(args, "--port", str(port))
    args = replace_option(args, "--prometheus_metrics_port", str(free_port()))
    with running(
        [str(state.stores.litellm.parent / "litellm"), *args, "--host", "127.0.0.1"],
        state.environment(folder, container.environment, environment or {}),
        port=port,
        ready_path=container.readiness_path,
        log=folder / "gateway.log",
        within_seconds=_READY_WITHIN_SECONDS,
    ) as server:
        yield server


def metrics_url(server: Server) -> str:
    """Where a gateway tells its metrics.

    Args:
        server: The gateway.
    """
    words = [str(word) for word in cast("Sequence[str]", server.process.args)]
    (port,) = (w.partition("=")[2] for w in words if w.startswith("--prometheus_metrics_port="))
    return f"http://127.0.0.1:{port}/metrics/"
