"""Let the real vLLM read command lines: a case a line on standard input, an answer a line back.

A case: `{"words": [...], "files": {name: text}, "environment": {...}}`, the words being what
follows `vllm serve`. The answer: `{"settings": {...}, "keys": [...], "switches": {...}}` as the
parser leaves them, or `{"refused": "its words"}`. The first line out, `{"version": ...}`, comes
when vLLM is imported. Files are written to the current folder.
"""

# ruff: noqa: SLF001 - argparse keeps its entries in members without a public name
import contextlib
import io
import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import vllm.envs
from describe_flags import describe, plain
from serve_parser import command_parser, version
from vllm.engine.arg_utils import _expand_json_human_readable_numbers
from vllm.entrypoints.cli.main import maybe_run_omni
from vllm.entrypoints.serve.middleware.register import init_entrypoints_middleware
from vllm.utils.argparse_utils import FlexibleArgumentParser

_SWITCHES = (
    *("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "VLLM_SERVER_DEV_MODE"),
    *("VLLM_ALLOW_INSECURE_SERIALIZATION", "VLLM_USE_FLASHINFER_SAMPLER"),
)


def keep_objects_as_json(serve: FlexibleArgumentParser) -> None:
    """Let flags with a configuration still judge a text, but keep its JSON instead of an object."""
    for action in serve._actions:
        named = action.option_strings and action.dest != "help"
        if named and describe(action).get("kind") == "config":
            action.type = _judged(action.type)


def _judged(judge):  # noqa: ANN001, ANN202 - as argparse has it: any callable
    def convert(text: str) -> object:
        value = judge(text)
        return None if value is None else json.loads(_expand_json_human_readable_numbers(text))

    convert.__name__ = judge.__name__
    return convert


def answer(parser: FlexibleArgumentParser, case: dict) -> dict[str, object]:
    """What vLLM makes of one case.

    Args:
        parser: The parser of `vllm`.
        case: See the head of this file.
    """
    for name, text in case.get("files", {}).items():
        Path(name).write_text(text, encoding="utf-8")
    said = io.StringIO()
    sys.argv = ["vllm", "serve", *case["words"]]
    os.environ.update(case.get("environment", {}))
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            maybe_run_omni()
            parsed = parser.parse_args(sys.argv[1:])
            switches = {name: _switch(name) for name in _SWITCHES}
            keys = _keys(parsed)
    except SystemExit:
        _, mark, words = said.getvalue().partition(": error: ")
        return {"refused": words.removesuffix("\n") if mark else ""}
    except Exception as error:  # vLLM would end with this traceback
        return {"refused": f"{type(error).__name__}: {error}"}
    finally:
        for name in case.get("environment", {}):
            del os.environ[name]
    if parsed.model_tag is not None:  # as vllm/entrypoints/cli/serve.py does
        parsed.model = parsed.model_tag
    lora = [vars(module) for module in parsed.lora_modules or []]
    settings = {name: plain(value) for name, value in vars(parsed).items()}
    return {"settings": settings | {"lora_modules": lora}, "keys": keys, "switches": switches}


def _switch(name: str) -> bool | None:
    try:
        return vllm.envs.environment_variables[name]()
    except ValueError:
        return None


def _keys(parsed: Namespace) -> list[str]:
    """The keys that the server's own code asks requests for; none where it asks for none."""
    found: list[str] = []

    def add(middleware, **options: object) -> None:  # noqa: ANN001 - any class
        if middleware.__name__ == "AuthenticationMiddleware":
            found.extend(options["tokens"])

    app = SimpleNamespace(add_middleware=add, middleware=lambda _: lambda function: function)
    quiet = Namespace(**{**vars(parsed), "middleware": []})
    init_entrypoints_middleware(quiet, app, ())
    return found


def main() -> None:
    """Answer until the input ends."""
    parser, serve = command_parser()
    keep_objects_as_json(serve)
    answers = sys.stdout
    print(json.dumps({"version": version()}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(parser, json.loads(line)), default=repr), file=answers, flush=True)


if __name__ == "__main__":
    main()
