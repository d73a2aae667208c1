"""Will it start, for how many users, at what cost: `make plan`.

Of a stack: every model of `Pulumi.<stack>.yaml` on its pool. Of a model: every GPU of the
catalogue, "what would I need?". Reads the stack file and the locks in `models/`; asks no network
and needs no Pulumi. Exit code 0: it will start, or may; 1: refused; 2: it could not be asked.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.core.architecture import ArchitectureError, read_architecture
from components.core.explain import plain
from components.core.hardware import GPUS, Gpu, find_gpu
from components.core.images import image_version
from components.core.model_lock import (
    LockedModel,
    ModelLockError,
    lock_path,
    locked_model,
    locked_names,
    read_lock_file,
)
from components.core.sizing.request import Load, Model, SizingError, Traffic, engine_version
from components.document import ROOT, DocumentError, PlatformSettings, outside
from components.document.capacity import HardwareSettings
from components.document.figures import figures, machine_figures
from components.document.plans import ModelPlan, plan_models
from tools.embedded_stack import CHECKOUT
from tools.planner.catalogue import COUNTS, Option, options
from tools.planner.stack_file import read_stack
from tools.planner.table import Sheet, catalogue_sheet, print_markdown, print_table, stack_sheet
from tools.problem import ToolError

_REFUSED, _NOT_ASKED = 1, 2


def main(argv: Sequence[str] | None = None, project: Path = CHECKOUT) -> int:
    """Plan a stack or a model, print it, and say by the exit code whether it will start."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.model:
            return _model(arguments, project)
        if arguments.gpu:
            raise ToolError("--gpu (GPU=...) needs a model: name one with --model (MODEL=org/name)")
        return _stack(arguments, project)
    except (ToolError, DocumentError, ModelLockError, ArchitectureError, SizingError) as error:
        lines = (plain(line) for line in str(error).splitlines())
        print("error: " + "\n".join(lines), file=sys.stderr)
        return _NOT_ASKED


def _stack(arguments: argparse.Namespace, project: Path) -> int:
    stack = arguments.file or arguments.stack or "dev"
    document = read_stack(project, stack, arguments.file)
    plans = plan_models(document)
    refused = any(found.verdict == "refused" for found in plans.values())
    if arguments.json:
        print(json.dumps(_stack_answer(stack, document, plans), indent=2))
    else:
        _print(stack_sheet(document, plans), as_markdown=arguments.markdown)
    return _REFUSED if refused else 0


def _stack_answer(
    stack: str, document: PlatformSettings, plans: Mapping[str, ModelPlan]
) -> dict[str, Any]:
    models = figures(document, plans)
    for alias, found in plans.items():
        models[alias] |= {
            "machines": [machine_figures(found, plan) for plan in found.plans],
            "problems": list(found.problems),
            "warnings": list(found.warnings),
        }
    for alias, text in zip(document.external_models, outside.warnings(document), strict=True):
        models[alias]["warnings"] = [text]
    return {"stack": stack, "models": models}


def _model(arguments: argparse.Namespace, project: Path) -> int:
    lock = _lock(arguments.model)
    if lock.adapter is not None:
        raise ToolError(
            f"{lock.source} is an adapter of {lock.adapter.base}: --model takes a model"
        )
    named = arguments.stack or arguments.file
    hardware = (
        read_stack(project, arguments.stack, arguments.file).hardware
        if named
        else HardwareSettings()
    )
    gpu = _gpu(arguments.gpu, hardware) if arguments.gpu else None
    model = Model(lock.source, read_architecture(lock.config), lock.weight_bytes)
    traffic = Traffic(arguments.prompt_tokens, arguments.output_tokens, arguments.utilization)
    found = options(
        model,
        _load(arguments),
        list(hardware.machines().values()),
        traffic=traffic,
        gpu=gpu,
        counts=(arguments.tensor_parallel,) if arguments.tensor_parallel else COUNTS,
    )
    if arguments.json:
        answer = {
            "model": lock.source,
            "revision": lock.revision,
            "options": [_option_answer(each) for each in found],
        }
        print(json.dumps(answer, indent=2))
    else:
        others = len(GPUS) - len({each.machine.gpu.name for each in found})
        _print(catalogue_sheet(lock, found, others), as_markdown=arguments.markdown)
    return 0 if any(each.fit.verdict != "refused" for each in found) else _REFUSED


def _option_answer(option: Option) -> dict[str, Any]:
    return {
        "gpu": option.machine.gpu.name,
        "gpus": option.gpus,
        "machine": option.machine.name,
        "machine_gpus": option.machine.gpu_count,
        "links": option.links,
        **asdict(option.figures),
    }


def _print(sheet: Sheet, *, as_markdown: bool) -> None:
    (print_markdown if as_markdown else print_table)(sheet)


def _lock(asked: str) -> LockedModel:
    """The lock of `org/name`, or of `org/name@revision` where several are locked.

    Raises:
        ToolError: Several fit.
        ModelLockError: None fits, or it is unusable.
    """
    source, _, revision = asked.partition("@")
    fitting = [
        short
        for name, short in locked_names()
        if name == source and (short.startswith(revision) or revision.startswith(short))
    ]
    if len(fitting) > 1:
        raise ToolError(
            f"{source} is locked at {' and '.join(fitting)}: name one of them, --model "
            f"{source}@{fitting[0]}"
        )
    lock = read_lock_file(lock_path(source, fitting[0])) if fitting else None
    if lock is None or not lock.revision.startswith(revision):
        return locked_model(source, revision or "main")
    return lock


def _gpu(name: str, hardware: HardwareSettings) -> Gpu:
    found = hardware.known_gpus().get(name) or find_gpu(name)
    if found is None:
        raise ToolError(
            f"--gpu is {name!r}, which is not in the catalogue; known are {', '.join(GPUS)}, "
            f"others stand below {ROOT}.hardware.gpus of a stack that --stack names"
        )
    return found


def _load(arguments: argparse.Namespace) -> Load:
    return Load(
        engine_version=engine_version(image_version("vllm")),
        max_model_len=arguments.max_model_len,
        gpu_memory_utilization=arguments.gpu_memory_utilization,
        max_num_seqs=arguments.max_num_seqs,
        max_num_batched_tokens=arguments.max_num_batched_tokens,
        kv_cache_dtype=arguments.kv_cache_dtype,
        quantization=arguments.quantization,
        dtype=arguments.dtype,
        enforce_eager=arguments.enforce_eager,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.planner", description=__doc__)
    parser.add_argument("--stack", default="", help="Pulumi.<stack>.yaml; dev by default")
    parser.add_argument("--file", default="", help="a stack file elsewhere: examples/...yaml")
    parser.add_argument("--model", default="", help="org/name[@revision] that is locked")
    parser.add_argument("--gpu", default="", help="with --model: this kind alone")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for a script to read")
    form.add_argument("--markdown", action="store_true", help="for a pull request")
    engine = parser.add_argument_group("with --model", "settings as in the document")
    engine.add_argument("--max-model-len", type=_count, help="default: the model's own length")
    engine.add_argument("--tensor-parallel", type=_count, help="default: 1, 2, 4 and 8")
    engine.add_argument("--gpu-memory-utilization", type=_share, default=0.9)
    engine.add_argument("--max-num-seqs", type=_count)
    engine.add_argument("--max-num-batched-tokens", type=_count)
    engine.add_argument("--kv-cache-dtype", choices=("auto", "fp8"), default="auto")
    engine.add_argument("--quantization", choices=("fp8",))
    engine.add_argument("--dtype", choices=("auto", "bfloat16", "float16"), default="auto")
    engine.add_argument("--enforce-eager", action="store_true")
    engine.add_argument("--prompt-tokens", type=_count, default=Traffic.prompt_tokens)
    engine.add_argument("--output-tokens", type=_count, default=Traffic.output_tokens)
    engine.add_argument("--utilization", type=_share, default=Traffic.utilization)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 2**24:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 16777216")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and at most 1")
    return share
