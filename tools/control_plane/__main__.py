"""`python -m tools.control_plane up|status|down|kubeconfig`."""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.control_plane import installed
from tools.control_plane.layout import DEFAULT_HOME, Layout
from tools.control_plane.lifecycle import ControlPlane, down, up
from tools.control_plane.ports import fixed_port
from tools.control_plane.report import ComponentStatus, connect, status
from tools.problem import ToolError

_INTERRUPTED = 130  # what shells report for Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return {"up": _up, "status": _status, "down": _down, "kubeconfig": _kubeconfig}[
            options.command
        ](options)
    except ToolError as error:
        _say(f"error: {error}")
    except KeyboardInterrupt:
        _say("interrupted: the same command goes on where it stopped, `down` removes everything")
        return _INTERRUPTED
    return 1


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--home", type=Path, default=DEFAULT_HOME, help=f"folder of its data ({DEFAULT_HOME})"
    )
    common.add_argument("--json", action="store_true", help="print a JSON document")
    parser = argparse.ArgumentParser(
        prog="python -m tools.control_plane",
        description="A real Kubernetes control plane on loopback; nodes and containers simulated.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", parents=[common], help="start it, or repair what is broken")
    start.add_argument(
        "--api-port",
        default=os.environ.get("INFERENCE_API_PORT"),
        help="fixed port of the API server (INFERENCE_API_PORT; default: a free one)",
    )
    commands.add_parser("status", parents=[common], help="what runs; exit code 0 when all is well")
    commands.add_parser("down", parents=[common], help="stop it and remove its data")
    show = commands.add_parser("kubeconfig", parents=[common], help="for your own kubectl")
    show.add_argument("--export", action="store_true", help="print the text instead of the path")
    return parser


def _up(options: argparse.Namespace) -> int:
    port = fixed_port(options.api_port)
    binaries, crds = installed.binaries(), installed.crds()
    begun = time.monotonic()
    plane = up(options.home, binaries, crds, api_port=port, report=_say)
    if options.json:
        _print_plane(plane)
    else:
        print(f"{plane.context} answers at {plane.server} after {time.monotonic() - begun:.1f} s")
        print(f"  export KUBECONFIG={shlex.quote(str(plane.kubeconfig))}")
    return 0


def _status(options: argparse.Namespace) -> int:
    parts = status(options.home)
    if options.json:
        print(json.dumps([asdict(part) for part in parts], default=str, indent=2))
    else:
        Console(highlight=False).print(_table(parts))
        print(f"logs: {parts[0].log.parent}")
    return 0 if all(part.state == "running" for part in parts) else 1


def _table(parts: Sequence[ComponentStatus]) -> Table:
    table = Table("component", "state", "pid", "since", "port", box=None)
    for part in parts:
        since = f"{part.since:%Y-%m-%d %H:%M:%S}" if part.since else "-"
        table.add_row(part.name, part.state, str(part.pid or "-"), since, str(part.port or "-"))
    return table


def _down(options: argparse.Namespace) -> int:
    existed = down(options.home)
    if options.json:
        print(json.dumps({"removed": existed}))
    else:
        print("stopped and removed" if existed else "nothing was running")
    return 0


def _kubeconfig(options: argparse.Namespace) -> int:
    plane = connect(options.home)
    if plane is None:
        raise ToolError(
            f"no healthy control plane in {Layout.of(options.home).home}:"
            " `make up STACK=<stack>` starts or repairs it"
        )
    if options.json:
        _print_plane(plane)
    elif options.export:
        print(plane.kubeconfig.read_text(), end="")
    else:
        print(plane.kubeconfig)
        _say(f"use it with: kubectl --kubeconfig {shlex.quote(str(plane.kubeconfig))} get nodes")
    return 0


def _print_plane(plane: ControlPlane) -> None:
    print(json.dumps(asdict(plane), default=str, indent=2))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
