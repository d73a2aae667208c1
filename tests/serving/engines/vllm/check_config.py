"""Let the real vLLM judge rendered arguments: a case a line on standard input, an answer a line.

A case: `{"args": [...], "folders": {path: {file: text}}, "gpu": {"name", "memory", "capability"}}`:
the container's arguments; what lies under the paths that they name, a model's config.json before
all; and the GPU that vLLM is to see. The answer: `{"accepted": {...}}` with what the configuration
came to, or `{"refused": "its words", "by": ...}`, by `parser`, `server` or `engine`.
The first line out, `{"version": ...}`, comes when vLLM is imported.
"""

import contextlib
import copy
import io
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from pretend_gpu import PretendGpu
from serve_parser import command_parser, version
from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.entrypoints.launchers.launcher import validate_api_server_args
from vllm.exceptions import VLLMError
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from write_tiny_models import tokenizer

_REFUSALS = (AssertionError, KeyError, NotImplementedError, OSError, TypeError, ValueError)
"""What the engine's own checks raise; pydantic's errors are ValueErrors."""


def answer(parser: FlexibleArgumentParser, case: Mapping[str, object]) -> dict[str, object]:
    """What vLLM makes of one case.

    Args:
        parser: The parser of `vllm`.
        case: See the head of this file.
    """
    PretendGpu.gpu = SimpleNamespace(**case["gpu"])
    with TemporaryDirectory() as folder:
        here = Path(folder)
        for path, files in case["folders"].items():
            _write(here / path.strip("/"), files)
        return _judge(parser, [_moved(word, case["folders"], here) for word in case["args"]])


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if "config.json" in files:
        tokenizer().save_pretrained(folder)  # the engine looks up what marks reasoning
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _moved(word: str, paths: Sequence[str], here: Path) -> str:
    """A word with the paths that are there for this case alone."""
    for path in paths:
        word = word.replace(path, f"{here}/{path.strip('/')}")
    return word


def _judge(parser: FlexibleArgumentParser, words: list[str]) -> dict[str, object]:
    said, by = io.StringIO(), "parser"
    try:
        with contextlib.redirect_stderr(said):
            # A copy: the engine writes into what the parser has as its defaults.
            parsed = copy.deepcopy(parser.parse_args(["serve", *words]))
        by = "server"
        if parsed.model_tag is not None:  # as vllm/entrypoints/cli/serve.py does
            parsed.model = parsed.model_tag
        ServeSubcommand().validate(parsed)
        validate_api_server_args(parsed)
        by = "engine"
        arguments = AsyncEngineArgs.from_cli_args(parsed)
        config = arguments.create_engine_config(UsageContext.OPENAI_API_SERVER)
    except SystemExit:
        return {"refused": said.getvalue().strip().splitlines()[-1], "by": by}
    except (*_REFUSALS, VLLMError) as error:
        return {"refused": str(error) or type(error).__name__, "by": by}
    return {"accepted": _summary(config)}


def _summary(config: VllmConfig) -> dict[str, object]:
    """What a reader of a manifest wants to see again."""
    speculation, lora = config.speculative_config, config.lora_config
    return {
        "architecture": config.model_config.architecture,
        "runner": config.model_config.runner_type,
        "max_model_len": config.model_config.max_model_len,
        "quantization": config.model_config.quantization,
        "kv_cache_dtype": config.cache_config.cache_dtype,
        "prefix_caching": config.cache_config.enable_prefix_caching,
        "tensor_parallel": config.parallel_config.tensor_parallel_size,
        "pipeline_parallel": config.parallel_config.pipeline_parallel_size,
        "data_parallel": config.parallel_config.data_parallel_size,
        "scheduling": config.scheduler_config.policy,
        "chunked_prefill": config.scheduler_config.enable_chunked_prefill,
        "speculation": None if speculation is None else speculation.method,
        "max_lora_rank": None if lora is None else lora.max_lora_rank,
        "kv_connector": None
        if config.kv_transfer_config is None
        else config.kv_transfer_config.kv_connector,
    }


def main() -> None:
    """Answer until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    parser, _ = command_parser()
    print(json.dumps({"version": version()}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            said = answer(parser, json.loads(line))
        except Exception:  # a fault of this script: the test shows it
            said = {"broken": traceback.format_exc()}
        print(json.dumps(said), file=answers, flush=True)


if __name__ == "__main__":
    main()
