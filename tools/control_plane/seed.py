"""Bring CRDs and base objects into a cluster, and only what is not there yet."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.control_plane.api import Api
from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.objects import BaseObject, node_names
from tools.control_plane.waiting import wait_until

_RECORD = "inference-embedded"
_RECORD_PATH = f"/api/v1/namespaces/kube-system/configmaps/{_RECORD}"
_CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_CRD_HASH = "inference-platform/crds-sha256"
_DOCUMENT_END = re.compile(r"^---.*$", re.MULTILINE)
_CRD_NAME = re.compile(r"^metadata:\n(?:  .*\n)*?  name: [\"']?([a-z0-9.-]+)", re.MULTILINE)
_IS_CRD = re.compile(r"^kind: [\"']?CustomResourceDefinition\b", re.MULTILINE)

_PARALLEL = 8
"""Applies in flight; the API server of a small machine gains nothing from more."""
_SERVED_SECONDS = 180.0
"""It takes some 5 s of two cores, so minutes where others keep them busy."""
_STILL_SERVED_SECONDS = 3.0
_READY_SECONDS = 30.0


def crd_documents(files: Sequence[Path]) -> dict[str, str]:
    """The CRDs in some YAML files: name -> the document's own text.

    The text goes to the API server as it is. PyYAML refuses the plain scalar `=` that the
    Prometheus Operator's CRDs hold, and reading 8 MB in Python takes longer than all the rest.

    Raises:
        ControlPlaneError: A file cannot be read, or a document has no name.
    """
    documents: dict[str, str] = {}
    for path in files:
        try:
            text = path.read_text()
        except OSError as error:
            raise ControlPlaneError(
                f"The CRD file {path} cannot be read ({error.strerror}):"
                " run `python -m tools.install` again."
            ) from error
        for document in _DOCUMENT_END.split(text):
            if _IS_CRD.search(document):
                documents[_crd_name(document, path)] = document
    return documents


def ensure_crds(api: Api, files: Sequence[Path]) -> bool:
    """Apply the CRDs unless exactly these are there; returns whether anything was applied.

    The cluster itself records which ones it holds, in an annotation of a ConfigMap, so that a
    new data folder can never be taken for a filled one.

    Raises:
        ControlPlaneError: The API server refuses one, or does not serve it in time.
    """
    documents = crd_documents(files)
    wanted = hashlib.sha256("\0".join(documents.values()).encode()).hexdigest()
    names = set(documents)
    if _recorded(api) == wanted and wait_until(
        lambda: names <= api.served(), _STILL_SERVED_SECONDS
    ):
        return False
    with ThreadPoolExecutor(_PARALLEL) as pool:
        calls = [
            pool.submit(api.apply, f"{_CRD_PATH}/{name}", text) for name, text in documents.items()
        ]
        for call in calls:
            call.result()
    if not wait_until(lambda: names <= api.served(), _SERVED_SECONDS):
        late = ", ".join(sorted(names - api.served()))
        raise ControlPlaneError(f"After {_SERVED_SECONDS:g} s the API server serves no {late}.")
    _record(api, wanted)
    return True


def ensure_objects(api: Api, objects: Iterable[BaseObject]) -> None:
    """Apply objects; an apply that changes nothing writes nothing."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for call in [pool.submit(_apply, api, entry) for entry in objects]:
            call.result()


def wait_usable(api: Api) -> None:
    """Wait until pods can be created in `default` and scheduled on the base nodes.

    Raises:
        ControlPlaneError: They cannot within 30 s.
    """
    checks = {
        "the ServiceAccount default/default": lambda: _has_default_account(api),
        **{f"node {name}": lambda name=name: _is_node_ready(api, name) for name in node_names()},
    }
    for what, check in checks.items():
        if not wait_until(check, _READY_SECONDS):
            raise ControlPlaneError(f"After {_READY_SECONDS:g} s {what} is not ready.")


def _apply(api: Api, entry: BaseObject) -> None:
    api.apply(entry.path, json.dumps(entry.body))
    if entry.subresource_body is not None:
        api.apply(f"{entry.path}/status", json.dumps(entry.subresource_body))


def _crd_name(document: str, path: Path) -> str:
    match = _CRD_NAME.search(document)
    if match is None:
        raise ControlPlaneError(
            f"The CRD file {path} holds a definition without a name:"
            " it is damaged, run `python -m tools.install` again."
        )
    return match.group(1)


def _recorded(api: Api) -> str | None:
    record = api.get(_RECORD_PATH)
    return record["metadata"].get("annotations", {}).get(_CRD_HASH) if record else None


def _record(api: Api, digest: str) -> None:
    metadata = {"name": _RECORD, "namespace": "kube-system", "annotations": {_CRD_HASH: digest}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    api.apply(_RECORD_PATH, json.dumps(body))


def _has_default_account(api: Api) -> bool:
    return api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None


def _is_node_ready(api: Api, name: str) -> bool:
    node = api.get(f"/api/v1/nodes/{name}")
    conditions = (node or {}).get("status", {}).get("conditions", [])
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
