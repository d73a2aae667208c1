"""The parser that `vllm serve` uses, as `vllm/entrypoints/cli/main.py` builds it.

Its other subcommands are left out: they take seconds to import and judge no line of `serve`.
"""

from unittest.mock import patch

import vllm.version
from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.platforms import current_platform
from vllm.utils.argparse_utils import FlexibleArgumentParser


def command_parser() -> tuple[FlexibleArgumentParser, FlexibleArgumentParser]:
    """The parser of `vllm`, and the one of its subcommand `serve` in it, as on an NVIDIA GPU.

    Where it is built decides one list of choices, that of `--mm-processor-device`.
    """
    parser = FlexibleArgumentParser(prog="vllm")
    parser.add_argument("-v", "--version", action="version", version=version())
    subparsers = parser.add_subparsers(required=False, dest="subparser")
    with patch.object(type(current_platform), "device_type", "cuda"):
        return parser, ServeSubcommand().subparser_init(subparsers)


def version() -> str:
    """The engine's version without the part that names the build, `0.32.0`."""
    return vllm.version.__version__.partition("+")[0]
