"""Having the tools: what is missing is built once into the user's cache folder.

    python -m tools.install [NAME...] [--all] [--json | --env]

`ensure` is the same for other modules. When everything is there it costs a few file look-ups and
prints nothing.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tools.bootstrap import cache_folder
from tools.build import build
from tools.catalogue import (
    ALL,
    AUTOSCALING,
    CONTROL_PLANE,
    CRDS,
    KUBERNETES_PROVIDER,
    LANGUAGE_HOST,
    PULUMI,
    PULUMI_CLI,
    SERVING,
)
from tools.engine_home import find_system_pulumi, home_of, plugin_home
from tools.go import DISK_FULL, FREE_GIB, Go, cache_folders, check_space, find_go
from tools.problem import ToolError
from tools.progress import Progress
from tools.store import (
    filling,
    folder_of,
    is_whole,
    key_of,
    locked,
    paths_in,
    write_manifest,
)
from tools.tool import (
    MODULES,
    Tool,
    go_directive,
)

GROUPS: Mapping[str, tuple[Tool, ...]] = {
    "pulumi": PULUMI,
    "control-plane": CONTROL_PLANE,
    "autoscaling": AUTOSCALING,
    "crds": CRDS,
    "serving": SERVING,
}


def ensure(tools: Iterable[Tool], *, free_gib: float = FREE_GIB) -> Mapping[str, Path]:
    """Make sure that tools are there, building those that are not.

    Where `PULUMI_CLI` is asked for and PATH has a Pulumi that will do, that one and its language
    host are answered, and the Kubernetes provider, which it fetches itself, is left out.

    Args:
        tools: Values from `tools.catalogue`, such as `PULUMI + CONTROL_PLANE`.
        free_gib: Free disk space (GiB) below which no build is begun.

    Returns:
        By tool name the absolute path of its executable, or of its folder of CRD files.

    Raises:
        ToolError: A tool is missing and could not be built; the text says what to do.
    """
    wanted = tuple(dict.fromkeys(tools))
    ready: dict[str, Path] = {}
    system = find_system_pulumi() if PULUMI_CLI in wanted else None
    if system is not None:
        ready = {PULUMI_CLI.name: system.cli, LANGUAGE_HOST.name: system.host}
        wanted = tuple(tool for tool in wanted if tool not in PULUMI)
    folders = {tool: folder_of(tool) for tool in wanted}
    missing = [tool for tool in wanted if not is_whole(folders[tool], tool)]
    if missing:
        _install(missing, free_gib)
    for tool, folder in folders.items():
        ready |= paths_in(folder, tool)
    return ready


def engine_environment() -> dict[str, str]:
    """What an engine run's environment needs on top of the caller's.

    Returns:
        PATH (complete, the tools' folders first), PULUMI_HOME and PULUMI_SKIP_UPDATE_CHECK; with
        the built Pulumi also the two switches that keep it to the plugins of that home.

    Raises:
        ToolError: A tool is missing and could not be built.
    """
    paths = ensure(PULUMI)
    provider = paths.get(KUBERNETES_PROVIDER.name)
    system = find_system_pulumi() if provider is None else None
    switches: dict[str, str] = {}
    if system is not None:
        home = home_of(system)
    else:
        identity = f"{key_of(PULUMI_CLI)} {key_of(KUBERNETES_PROVIDER)}"
        home = plugin_home(paths[PULUMI_CLI.name], identity, provider)
        switches["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        switches["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    own = [str(paths[name].parent) for name in (PULUMI_CLI.name, LANGUAGE_HOST.name)]
    others = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {
        "PATH": os.pathsep.join(dict.fromkeys([*own, *others])),
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        **switches,
    }


def crd_folders() -> Mapping[str, Path]:
    """By the names of `CRDS`, folders that hold nothing but CRD files.

    Raises:
        ToolError: They are missing and could not be downloaded.
    """
    return ensure(CRDS)


def _install(missing: Sequence[Tool], free_gib: float) -> None:
    progress = Progress(len(missing))
    go: Go | None = None
    try:
        for tool in missing:
            progress.step(f"{tool.name} {tool.version}")
            lock = cache_folder() / "tools" / tool.name / "lock"
            with locked(lock, lambda: progress.show("another run is building it, waiting")):
                if is_whole(folder_of(tool), tool):
                    progress.done("built by another run")
                    continue
                if go is None:
                    go = _prepare_go(missing, progress)
                check_space([cache_folder(), *cache_folders(go, MODULES / tool.folder)], free_gib)
                _install_one(tool, go, progress)
            progress.done("ready")
    except OSError as error:
        raise _sentence(error) from error
    finally:
        progress.interrupt()


def _sentence(error: OSError) -> ToolError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ToolError(f"{cache_folder()}: {DISK_FULL}")
    return ToolError(
        f"the tools go to {cache_folder()}, which failed ({error}): make it a folder you can write "
        "to, or point INFERENCE_PLATFORM_CACHE to one"
    )


def _prepare_go(missing: Sequence[Tool], progress: Progress) -> Go:
    return find_go(max(go_directive(tool.folder) for tool in missing), progress.show)


def _install_one(tool: Tool, go: Go, progress: Progress) -> None:
    with filling(folder_of(tool)) as folder:
        try:
            origin = build(tool, folder, go, progress.show)
        except ToolError as error:
            raise ToolError(f"{tool.name} {tool.version}: {error}") from error
        write_manifest(folder, tool, origin)


def _named(names: Sequence[str]) -> list[Tool]:
    by_name: dict[str, tuple[Tool, ...]] = {tool.name: (tool,) for tool in ALL}
    by_name |= GROUPS  # the group `pulumi` stands before the program: alone it runs nothing
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ToolError(f"no tool is called {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [tool for name in names for tool in by_name[name]]


def _print(arguments: argparse.Namespace) -> None:
    if arguments.env:
        for name, value in engine_environment().items():
            print(f"export {name}={shlex.quote(value)}")
        return
    paths = ensure(ALL if arguments.all else _named(arguments.names))
    if arguments.json:
        print(json.dumps({name: str(path) for name, path in paths.items()}, indent=2))
        return
    for name, path in paths.items():
        print(f"{name:28} {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when the tools are there, 1 with a sentence on what to do otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tools.install", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"tool or {', '.join(GROUPS)}")
    parser.add_argument("--all", action="store_true", help="every tool")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON object of paths")
    form.add_argument("--env", action="store_true", help="print what an engine run's shell needs")
    arguments = parser.parse_args(argv)
    if not (arguments.names or arguments.all or arguments.env):
        parser.error(f"name a tool or a group ({', '.join(GROUPS)}), or say --all")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that builds end with this run
    try:
        _print(arguments)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: finished tools stay, the same command goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
