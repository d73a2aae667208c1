"""Which cluster a stack is for, and the refusal to touch any other one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pulumi_kubernetes as k8s
import yaml

from components.document.capacity import ClusterSettings


class WrongClusterError(Exception):
    """The kubeconfig does not lead to the cluster that the stack document names."""


def kubernetes_provider(settings: ClusterSettings) -> k8s.Provider:
    """A provider bound to the stack's context, whatever the current context is.

    Its identity is the context's name, so that a new token or port does not replace every object.
    Limits on requests to the API server are raised: at the defaults they dominate a large preview
    (401 objects took 8.2 s, and 5.8 s with these values).
    """
    return k8s.Provider(
        "cluster",
        context=settings.context,
        cluster_identifier=settings.context,
        kube_client_settings={"burst": 1000, "qps": 500},
    )


def check_cluster(settings: ClusterSettings, *, preview: bool) -> str | None:
    """Hold the kubeconfig against the stack document; reads files only, asks no network.

    Args:
        settings: The stack's cluster.
        preview: Whether nothing will be changed. A preview without any kubeconfig is let through,
            for pull requests that have no access to the cluster.

    Returns:
        What to warn about, or None.

    Raises:
        WrongClusterError: No kubeconfig, no such context, or another server behind the context.
    """
    files = kubeconfig_files(os.environ)
    contexts = _servers_by_context(files)
    if not contexts and preview:
        return (
            "no kubeconfig was found: this preview compares with the last deployment only, and the "
            "API server has not judged anything"
        )
    if settings.context not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        message = (
            f"this stack is for the context {settings.context!r} "
            f"(inference:platform.cluster.context), but the kubeconfig has: {known}; "
            "point KUBECONFIG at the right file, or change the key"
        )
        raise WrongClusterError(message)
    server = contexts[settings.context]
    if not server:
        message = (
            f"the context {settings.context!r} of the kubeconfig leads to no cluster with a "
            "server; nothing was touched, repair the kubeconfig"
        )
        raise WrongClusterError(message)
    if settings.server is not None and server.rstrip("/") != settings.server.rstrip("/"):
        message = (
            f"this stack is for the cluster at {settings.server} "
            f"(inference:platform.cluster.server), but the context {settings.context!r} leads to "
            f"{server}; nothing was touched"
        )
        raise WrongClusterError(message)
    return None


def server_of(context: str) -> str:
    """Address of the API server behind a context of the kubeconfig, empty if there is none."""
    return _servers_by_context(kubeconfig_files(os.environ)).get(context, "")


def kubeconfig_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The kubeconfig files that kubectl and the provider would read, in their order."""
    named = [Path(entry) for entry in environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
    candidates = named or [Path.home() / ".kube" / "config"]
    return tuple(path for path in candidates if path.is_file())


def _servers_by_context(files: tuple[Path, ...]) -> dict[str, str]:
    """Server of each context; as in kubectl the first file that defines a name wins."""
    servers: dict[str, str] = {}
    clusters: dict[str, str] = {}
    for path in files:
        document = _document(path)
        for entry in _entries(document, "clusters"):
            clusters.setdefault(entry["name"], _text_in(entry, "cluster", "server"))
        for entry in _entries(document, "contexts"):
            servers.setdefault(entry["name"], _text_in(entry, "context", "cluster"))
    return {name: clusters.get(cluster, "") for name, cluster in servers.items()}


def _document(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: not even text
        message = f"the kubeconfig {path} cannot be read: {str(error).splitlines()[0]}"
        raise WrongClusterError(message) from error
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}


def _entries(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Named entries of a list; what is no such entry leads to no cluster."""
    listed = document.get(key)
    entries = cast("list[Any]", listed) if isinstance(listed, list) else []
    return [
        cast("dict[str, Any]", entry)
        for entry in entries
        if isinstance(entry, dict) and isinstance(cast("dict[str, Any]", entry).get("name"), str)
    ]


def _text_in(entry: dict[str, Any], part: str, key: str) -> str:
    inner = entry.get(part)
    value = cast("dict[str, Any]", inner).get(key) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else ""
