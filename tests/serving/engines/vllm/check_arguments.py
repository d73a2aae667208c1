"""Let the real vLLM judge command lines: `check_arguments.py CASES.json VERDICTS.json`.

CASES is a list of argument lists as a container carries them after `vllm serve`, VERDICTS the list
of what vLLM says: null where it accepts, else its own words. One process judges all of them,
because importing vLLM takes ten times as long as judging.

Two levels: the parser (unknown flags, wrong types and choices), then the engine's configuration,
which reads the model's config.json and refuses what does not fit it.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from serve_parser import command_parser
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.utils.argparse_utils import FlexibleArgumentParser


def verdict(parser: FlexibleArgumentParser, arguments: list[str]) -> str | None:
    """What vLLM objects to.

    Args:
        parser: The parser of `vllm`.
        arguments: The command line after `vllm serve`.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = parser.parse_args(["serve", *arguments])
        if parsed.model_tag is not None:  # as vllm/entrypoints/cli/serve.py does
            parsed.model = parsed.model_tag
        ServeSubcommand().validate(parsed)
        AsyncEngineArgs.from_cli_args(parsed).create_engine_config()
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1]
    except (TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
        return str(error)
    return None


def main(cases: Path, verdicts: Path) -> None:
    """Judge every case.

    Args:
        cases: File to read.
        verdicts: File to write.
    """
    parser, _ = command_parser()
    said = [verdict(parser, arguments) for arguments in json.loads(cases.read_text("utf-8"))]
    verdicts.write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
