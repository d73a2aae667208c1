"""The real LiteLLM with a rendered configuration, on loopback."""

import copy
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from tests.serving.processes import (
    Server,
    clean_environment,
    free_port,
    replace_option,
    running,
)
from tests.serving.stacks import Container

_READY_WITHIN_SECONDS = 120
"""LiteLLM is up in 6 to 15 s on an idle machine."""


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
    container: Container, python: Path, upstream_url: str, folder: Path
) -> Generator[Server]:
    """Start the gateway of a stack with its backends replaced.

    Args:
        container: The rendered container.
        python: Interpreter of LiteLLM's environment.
        upstream_url: Where all backends are.
        folder: Empty folder for its files.
    """
    port = free_port()
    there = with_upstream(container.config, upstream_url)
    config = write_config(there, folder, container.hooks)
    args = replace_option(container.args, "--config", str(config))
    args = replace_option(args, "--port", str(port))
    with running(
        [str(python.parent / "litellm"), *args, "--host", "127.0.0.1"],
        clean_environment(folder, container.environment),
        port=port,
        ready_path=container.readiness_path,
        log=folder / "gateway.log",
        within_seconds=_READY_WITHIN_SECONDS,
    ) as server:
        yield server
