"""What a killed run was creating: objects that may exist, though the state does not hold them.

The engine notes each creation before it begins and replaces the note by the resource afterwards.
A run that dies in between leaves the note. Were it dropped, an object that the next document does
not ask for any more would stay in the cluster for ever, known to nobody.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tools.problem import ToolError

_Object = dict[str, Any]


def adopt(stack: str, environ: Mapping[str, str], source: Path) -> list[str]:
    """Put what a killed run was creating into the state, for a refresh to look whether it is there.

    Args:
        stack: Name of the stack.
        environ: Environment of the engine.
        source: Project folder.

    Returns:
        URNs of what was put in; with any, a refresh has to follow.

    Raises:
        ToolError: The state cannot be read, or another run holds its lock.
    """
    state = json.loads(_call(["export"], stack, environ, source))
    urns = take_in(state["deployment"])
    if urns:
        _call(["import"], stack, environ, source, json.dumps(state))
    return urns


def take_in(deployment: _Object) -> list[str]:
    """Turn notes of begun creations into resources, in place; returns their URNs.

    Where the state has a resource of that URN already, the new one was to replace it: it is marked
    for deletion, as the engine marks what it replaced, and the next deployment makes another.
    """
    operations = cast("list[_Object]", deployment.get("pending_operations") or [])
    begun = [entry for entry in operations if _is_begun_object(entry)]
    if not begun:
        return []
    deployment["pending_operations"] = [entry for entry in operations if entry not in begun]
    resources = cast("list[_Object]", deployment.setdefault("resources", []))
    ids = {(entry["urn"], entry.get("id")) for entry in resources}
    live = {entry["urn"] for entry in resources if not entry.get("delete")}
    for entry in begun:
        resource: _Object = {**entry["resource"], "id": _object_id(entry["resource"])}
        if (resource["urn"], resource["id"]) in ids:
            continue
        if resource["urn"] in live:
            resource["delete"] = True
        resources.append(resource)
    return [entry["resource"]["urn"] for entry in begun]


def _is_begun_object(operation: _Object) -> bool:
    """Whether it is the creation of an object whose name was known before; others have no id."""
    resource = operation.get("resource", {})
    return (
        operation.get("type") == "creating"
        and str(resource.get("type", "")).startswith("kubernetes:")
        and isinstance(resource.get("inputs", {}).get("metadata", {}).get("name"), str)
    )


def _object_id(resource: _Object) -> str:
    """As the Kubernetes provider names objects: namespace/name, or the name of a global one."""
    metadata = resource["inputs"]["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def _call(
    command: list[str], stack: str, environ: Mapping[str, str], source: Path, text: str = ""
) -> str:
    done = subprocess.run(
        ["pulumi", "stack", *command, f"--stack={stack}", "--non-interactive"],
        cwd=source,
        env=dict(environ),
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(done.stderr.strip().removeprefix("error: "))
    return done.stdout
