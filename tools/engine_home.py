"""The private PULUMI_HOME that engine runs use, and whether PATH's own Pulumi will do."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import cache_folder
from tools.catalogue import KUBERNETES_PLUGIN_VERSION, PULUMI_CLI
from tools.problem import ToolError
from tools.store import locked, read_json, sha256, write_json

OWN = "INFERENCE_PLATFORM_PULUMI"
"""Environment variable; `own` takes the built Pulumi even where PATH has a good one."""

_PLUGIN = f"resource-kubernetes-v{KUBERNETES_PLUGIN_VERSION}"
_INSTALL_SECONDS = 600  # a release archive of the provider is some 40 MB
_ASK_SECONDS = 60
_REFUSAL_SECONDS = 24 * 3600  # for so long a Pulumi that could not fetch plugins is not asked again


@dataclass(frozen=True)
class SystemPulumi:
    """A Pulumi found on PATH that can run the platform: its command, language host, version."""

    cli: Path
    host: Path
    version: str


def plugin_home(cli: Path, identity: str, provider: Path | None) -> Path:
    """A PULUMI_HOME in the cache folder that has the Kubernetes provider in it.

    Args:
        cli: The `pulumi` that installs it.
        identity: What `cli` and `provider` are; another identity gets another home.
        provider: The built provider, or None to let Pulumi fetch the released one.

    Raises:
        ToolError: Pulumi could not install the provider.
    """
    key = hashlib.sha256(f"{identity} {_PLUGIN}".encode()).hexdigest()[:16]
    home = cache_folder() / "pulumi-home" / key
    done = home / "inference-platform.json"
    if _has_plugin(home, done):
        return home
    with locked(home.with_suffix(".lock"), lambda: None):
        if not _has_plugin(home, done):
            shutil.rmtree(home / "plugins", ignore_errors=True)
            home.mkdir(parents=True, exist_ok=True)
            _install_plugin(cli, home, provider)
            write_json(done, {"plugin": _PLUGIN, "identity": identity})
    return home


def _has_plugin(home: Path, done: Path) -> bool:
    plugin = home / "plugins" / _PLUGIN / "pulumi-resource-kubernetes"
    return done.is_file() and os.access(plugin, os.X_OK)


def _install_plugin(cli: Path, home: Path, provider: Path | None) -> None:
    command = [str(cli), "plugin", "install", "resource", "kubernetes", KUBERNETES_PLUGIN_VERSION]
    if provider is not None:
        command += ["--file", str(provider)]
    try:
        ended = subprocess.run(
            command,
            env={**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS,
        )
        said, failed = ended.stderr + ended.stdout, ended.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, failed = str(error), True
    if failed:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        raise ToolError(
            f"{cli} could not install the Kubernetes provider {KUBERNETES_PLUGIN_VERSION}: "
            f"{lines[-1] if lines else 'it said nothing'}"
        )


def find_system_pulumi() -> SystemPulumi | None:
    """Pulumi from PATH, where it is new enough, has its Python host and can fetch plugins.

    The answer is kept in the cache folder until one of the two programs changes. Why one on PATH
    is not used is said on standard error, once.
    """
    cli, host = shutil.which(PULUMI_CLI.name), shutil.which("pulumi-language-python")
    if os.environ.get(OWN) == "own" or cli is None:
        return None
    if Path(cli).is_relative_to(cache_folder()):
        return None  # our own, in the environment of an engine run
    if host is None:
        reason, seen = "its Python language host is not on PATH", _fingerprint(cli)
    else:
        reason, seen = None, _fingerprint(cli) + _fingerprint(host)
    record = cache_folder() / "tools" / PULUMI_CLI.name / "on-path.json"
    known = read_json(record)
    if known is None or not _still_holds(known, seen):
        known = _judge(cli, seen, reason)
        write_json(record, known)
    if host is None or known["refused"]:
        return None
    return SystemPulumi(Path(cli), Path(host), str(known["version"]))


def home_of(system: SystemPulumi) -> Path:
    """The PULUMI_HOME of a Pulumi on PATH, with the provider that it fetched itself."""
    return plugin_home(system.cli, f"PATH {system.version}", None)


def _fingerprint(program: str) -> str:
    state = Path(program).stat()
    return f"{program} {state.st_size} {state.st_mtime_ns};"


def _still_holds(known: Mapping[str, str | float], seen: str) -> bool:
    if known.get("seen") != seen or known.get("plugin") != _PLUGIN:
        return False
    return not known["refused"] or time.time() - float(known["asked"]) < _REFUSAL_SECONDS


def _judge(cli: str, seen: str, reason: str | None) -> dict[str, str | float]:
    version = _version_of(cli)
    if reason is None:
        reason = _reason_against(cli, version)
    if reason:
        print(f"pulumi on PATH ({cli}) is not used: {reason}", file=sys.stderr)
    return {
        "name": PULUMI_CLI.name,
        "version": version,
        "origin": "PATH",
        "sha256": sha256(Path(cli)),
        "seen": seen,
        "plugin": _PLUGIN,
        "refused": reason or "",
        "asked": time.time(),
    }


def _reason_against(cli: str, version: str) -> str | None:
    numbers, pin = _numbers(version), _numbers(PULUMI_CLI.version)
    if numbers < pin or numbers[:1] != pin[:1]:
        return f"it is {version or 'of no known version'}, and {PULUMI_CLI.version} or newer works"
    if os.environ.get("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "").lower() in {"1", "true"}:
        return "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION keeps it from fetching plugins"
    print(f"pulumi {version} on PATH: asking it for the Kubernetes provider", file=sys.stderr)
    try:
        plugin_home(Path(cli), f"PATH {version}", None)
    except ToolError as error:
        return str(error)
    return None


def _version_of(cli: str) -> str:
    try:
        ended = subprocess.run(
            [cli, "version"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASK_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"v\d+\.\d+\.\d+", ended.stdout)
    return match[0] if match and ended.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
