"""A stack on the embedded control plane: own state, own passphrase, own copy of the stack file.

Everything lies under `.run/<stack>/stacks`, so that a checkout stays as it was: Pulumi writes the
salt of its encryption into the stack file, and the copy names the embedded cluster instead of the
user's.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from tools.control_plane import ControlPlane
from tools.problem import ToolError

CHECKOUT = Path(__file__).resolve().parents[1]
RUN = CHECKOUT / ".run"
MARK = "INFERENCE_STACKS"
"""Environment variable that marks our engine processes, with the folder that they work in."""

_DOCUMENT = "inference:platform"
_KEY_BYTES = 24


def environment(home: Path, tools: Mapping[str, str]) -> dict[str, str]:
    """What the engine is told: where state lies and how secrets in it are encrypted.

    Args:
        home: Folder of the stacks.
        tools: Variables that lead to the engine and its plugins.

    Raises:
        ToolError: There is state, and the passphrase that it was encrypted with is gone.
    """
    (home / "state").mkdir(parents=True, exist_ok=True)
    passphrase = home / "passphrase"
    if not passphrase.exists():
        if any((home / "state").rglob("stacks/**/*.json")):
            raise ToolError(
                f"the passphrase of the embedded stack ({passphrase}) is gone, its state cannot "
                "be read without it: `make down`, then `make up`"
            )
        partial = passphrase.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_urlsafe(_KEY_BYTES))
        partial.replace(passphrase)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")}
    return {
        **inherited,
        **tools,
        **loopback_directly(inherited),
        MARK: str(home),
        "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
    }


def loopback_directly(environ: Mapping[str, str]) -> dict[str, str]:
    """Exceptions from a user's proxy: engine, plugins and API server talk on loopback."""
    past = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = ",".join(part for part in (past, "127.0.0.1", "localhost") if part)
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def stack_file(
    home: Path,
    source: Path,
    stack: str,
    plane: ControlPlane,
    environ: Mapping[str, str],
) -> Path:
    """Make the stack where there is none, and its stack file from the checkout's.

    Args:
        home: Folder of the stacks.
        source: Project folder with `Pulumi.yaml` and `Pulumi.<stack>.yaml`.
        stack: Name of the stack.
        plane: The running control plane.
        environ: Environment of the engine.

    Raises:
        ToolError: There is no such stack file, or it is not one.
    """
    original = stack_document(source, stack)
    copy = home / f"Pulumi.{stack}.yaml"
    # The engine writes the salt beside the project file of the folder in which it is called.
    shutil.copy(source / "Pulumi.yaml", home / "Pulumi.yaml")
    if not (home / "state" / ".pulumi" / "stacks" / "inference" / f"{stack}.json").exists():
        copy.unlink(missing_ok=True)
        made = subprocess.run(
            ["pulumi", "stack", "init", stack, "--non-interactive"],
            cwd=home,
            env=dict(environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise ToolError(f"the stack {stack} could not be made: {made.stderr.strip()}")
    salt = {
        key: value
        for key, value in _mapping(copy).items()
        if key in ("encryptionsalt", "secretsprovider", "encryptedkey")
    }
    text = yaml.safe_dump({**salt, **on_plane(original, plane)}, sort_keys=False)
    partial = copy.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(copy)
    return copy


def on_plane(document: dict[str, Any], plane: ControlPlane) -> dict[str, Any]:
    """The same stack file for the embedded cluster: context, server and node class differ."""
    config = {**document.get("config", {})}
    platform = config.get(_DOCUMENT)
    if isinstance(platform, dict):
        cluster = {
            "context": plane.context,
            "server": plane.server,
            "node_class": {"kind": "KWOKNodeClass", "name": "default"},
        }
        config[_DOCUMENT] = {**cast("dict[str, Any]", platform), "cluster": cluster}
    return {"config": {key: _readable(key, value) for key, value in config.items()}}


def _readable(key: str, value: object) -> object:
    """Encrypted values belong to the user's own state; a stand-in takes their place here."""
    encrypted = isinstance(value, dict) and "secure" in value
    return f"stand-in-for-{key}" if encrypted else cast("object", value)


def stack_document(source: Path, stack: str) -> dict[str, Any]:
    """The stack file of a project folder, as it is.

    Raises:
        ToolError: There is no such file, or it is not YAML with keys below `config:`.
    """
    path = source / f"Pulumi.{stack}.yaml"
    if not path.exists():
        known = sorted(p.name.split(".")[1] for p in source.glob("Pulumi.*.yaml"))
        raise ToolError(f"there is no stack {stack!r} here; there are: {', '.join(known)}")
    return read_stack_file(path)


def read_stack_file(path: Path) -> dict[str, Any]:
    """A stack file, wherever it lies.

    Raises:
        ToolError: There is no such file, or it is not YAML with keys below `config:`.
    """
    if not path.is_file():
        raise ToolError(f"there is no file {path}; those of examples/ and Pulumi.dev.yaml are some")
    document = _mapping(path)
    if not isinstance(document.get("config"), dict):
        raise ToolError(f"{path.name} holds no keys below `config:`; Pulumi.dev.yaml is an example")
    return document


def _mapping(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: not even text
        raise ToolError(f"{path.name} is not YAML: {_problem(error)}") from error
    if not isinstance(loaded, dict):
        raise ToolError(f"{path.name} holds no keys; it begins with `config:`")
    return cast("dict[str, Any]", loaded)


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice, as Pulumi does; the later one would replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                problem = f"the key {key.value!r} stands already on line {seen[key.value]}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen[str(key.value)] = line
        return super().construct_mapping(node, deep=deep)


def _problem(error: Exception) -> str:
    """Where a text stops being YAML, and why, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
