"""Which max_model_len a model's traffic needs: `python -m tools.planner.propose_length page.txt`.

Reads a vLLM's /metrics pages, or one request a line, and proposes the cap that the 99th (or
another) percentile of prompts and answers fits under. Of a stack's model it says how many of the
longest requests a replica then holds at once. Exit code 0: proposed; 2: it could not be asked.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components.core.architecture import ArchitectureError, read_architecture
from components.core.explain import plain
from components.core.hardware import InstanceType
from components.core.model_lock import ModelLockError, locked_model
from components.core.sizing.devices import device_of
from components.core.sizing.request import SizingError
from components.core.sizing.verdict import fit
from components.document import DocumentError, PlatformSettings
from components.document.loads import load_of
from components.document.parts import locked_parts
from components.document.vllm_model import VllmServerSettings
from tools.embedded_stack import CHECKOUT
from tools.planner.lengths import Distribution, Lengths, read_lengths
from tools.planner.stack_file import read_stack
from tools.problem import ToolError

STEP = 256
"""A cap is a multiple of this many tokens, so that traffic of another day proposes the same."""
_SHOWN = (0.5, 0.95, 0.99, 1.0)
_NOT_ASKED = 2
_MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Proposal:
    """A cap and whom it leaves out.

    Attributes:
        percentile: Of prompts, and of answers.
        max_model_len: The cap, tokens of prompt and answer.
        refused_at_least: Share of requests whose prompt alone is longer.
        refused_at_most: Share of requests whose prompt and answer together may be longer.
    """

    percentile: float
    max_model_len: int
    refused_at_least: float
    refused_at_most: float


@dataclass(frozen=True)
class Room:
    """The longest requests that one replica holds at once on a machine, now and then.

    Attributes:
        machine: The instance type.
        now: Of the stack's `max_model_len`.
        then: Of the proposed one.
    """

    machine: str
    now: int
    then: int


def propose(lengths: Lengths, percentile: float, answer_tokens: int | None) -> Proposal:
    """The cap for a percentile of the traffic.

    Args:
        lengths: What was measured.
        percentile: Above 0, at most 100.
        answer_tokens: Room for answers where they were not measured.

    Raises:
        ToolError: Nobody says how long answers are, or how long the longest requests.
    """
    share = percentile / 100
    if lengths.sums is not None:
        cap = _rounded(_known(lengths.sums, share))
        return Proposal(percentile, cap, lengths.prompts.above(cap), lengths.sums.above(cap))
    prompt = _known(lengths.prompts, share)
    if lengths.answers is None:
        if answer_tokens is None:
            raise ToolError(
                "the lines hold prompts alone: say with --answer-tokens how long answers may get, "
                "or write `prompt,answer`"
            )
        cap = _rounded(prompt + answer_tokens)
        left_out = lengths.prompts.above(cap - answer_tokens)
        return Proposal(percentile, cap, lengths.prompts.above(cap), left_out)
    answer = _known(lengths.answers, share)
    cap = _rounded(prompt + answer)
    # A request is over the cap only if its prompt or its answer is over its part of it.
    either = lengths.prompts.above(cap - answer) + lengths.answers.above(answer)
    return Proposal(percentile, cap, lengths.prompts.above(cap), min(1.0, either))


def rooms(
    model: VllmServerSettings, machines: Sequence[InstanceType], length: int
) -> tuple[Room, ...]:
    """How many of the longest requests fit at once, under the cap of the document and another.

    Args:
        model: As the document has it.
        machines: Of its pool.
        length: The other cap.

    Raises:
        ModelLockError: The model has no lock.
        ArchitectureError: Its shape cannot be read.
    """
    lock = locked_model(model.source, model.revision)
    architecture = read_architecture(lock.config, assume=model.architecture)
    parts, _ = locked_parts("", model)

    def held(machine: InstanceType, tokens: int) -> int:
        load = replace(load_of(model, parts), max_model_len=tokens)
        found = fit(architecture, device_of(machine), load, lock.weight_bytes)
        room = found.cache.concurrency(max(0.0, found.available), tokens)
        return min(int(room), found.settings.max_num_seqs)

    able = [each for each in machines if each.gpu_count >= model.gpus_per_node]
    return tuple(
        Room(each.name, held(each, model.max_model_len), held(each, length)) for each in able
    )


def main(argv: Sequence[str] | None = None, project: Path = CHECKOUT) -> int:
    """Read, propose, print."""
    arguments = _parser().parse_args(argv)
    try:
        document = _document(arguments, project)
        model = _model(arguments, document) if document else None
        current = arguments.current or (model.max_model_len if model else None)
        lengths = read_lengths("\n".join(map(_text, arguments.measured)), current)
        found = propose(lengths, arguments.percentile, arguments.answer_tokens)
        held: tuple[Room, ...] = ()
        if document and model:
            catalogue, pool = document.hardware.machines(), document.node_pools[model.pool]
            machines = [catalogue[name] for name in pool.instance_types]
            held = rooms(model, machines, found.max_model_len)
    except (ToolError, DocumentError, ModelLockError, ArchitectureError, SizingError) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        return _NOT_ASKED
    if arguments.json:
        print(json.dumps(_answer(lengths, found, held), indent=2))
    else:
        _print(lengths, found, held, model)
    return 0


def _known(lengths: Distribution, share: float) -> int:
    found = lengths.quantile(share)
    if found is None:
        raise ToolError(
            f"the {share * 100:g}th percentile is longer than the last bucket of the page: say "
            "with --current under which max_model_len it was served"
        )
    return found


def _rounded(tokens: int) -> int:
    return math.ceil(tokens / STEP) * STEP


def _document(arguments: argparse.Namespace, project: Path) -> PlatformSettings | None:
    if arguments.stack or arguments.file:
        return read_stack(project, arguments.stack, arguments.file)
    if arguments.model:
        raise ToolError("--model names a model of a stack: name the stack with --stack or --file")
    return None


def _model(arguments: argparse.Namespace, document: PlatformSettings) -> VllmServerSettings:
    models = document.vllm_models
    alias = arguments.model or (next(iter(models)) if len(models) == 1 else "")
    if alias not in models:
        known = ", ".join(models) or "none"
        raise ToolError(f"--model is {alias!r}: name one of the stack's vLLM models ({known})")
    return models[alias]


def _text(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.read(_MOST_BYTES)
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise ToolError(f"{path} cannot be read ({error}): give a file of text, or -") from error


def _answer(lengths: Lengths, found: Proposal, held: Sequence[Room]) -> dict[str, Any]:
    measured = {"prompts": lengths.prompts, "answers": lengths.answers}
    return {
        "requests": lengths.prompts.count,
        **{
            what: each and {_name(share): each.quantile(share) for share in _SHOWN}
            for what, each in measured.items()
        },
        "proposed": asdict(found),
        "at_once": [asdict(room) for room in held],
    }


def _cell(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"


def _name(share: float) -> str:
    return "max" if share == 1 else f"p{share * 100:.0f}"


def _print(
    lengths: Lengths, found: Proposal, held: Sequence[Room], model: VllmServerSettings | None
) -> None:
    console = Console(highlight=False)
    table = Table("tokens", *map(_name, _SHOWN))
    for what, each in (("prompts", lengths.prompts), ("answers", lengths.answers)):
        if each is not None:
            table.add_row(what, *(_cell(each.quantile(share)) for share in _SHOWN))
    console.print(table)
    lines = [
        f"{lengths.prompts.count:,} requests: max_model_len: {found.max_model_len} fits the "
        f"{found.percentile:g}th percentile; it would refuse {found.refused_at_least:.1%} for "
        f"their prompt alone, and {found.refused_at_most:.1%} at most."
    ]
    if model and found.max_model_len >= model.max_model_len:
        lines.append(f"The stack's own cap, {model.max_model_len:,}, is not higher: leave it.")
    lines += [
        f"On {room.machine} a replica holds {room.then:,} of the longest requests at once, "
        f"{room.now:,} today."
        for room in held
    ]
    lines.append("What was refused until now is in no measurement.")
    for line in lines:
        console.print(plain(line), markup=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.planner.propose_length", description=__doc__
    )
    parser.add_argument("measured", nargs="+", help="files with pages or lines, - for stdin")
    parser.add_argument("--percentile", type=_percentile, default=99.0, help="default: 99")
    parser.add_argument("--answer-tokens", type=int, help="where the lines hold prompts alone")
    parser.add_argument("--current", type=int, help="max_model_len that was served under")
    parser.add_argument("--stack", default="", help="Pulumi.<stack>.yaml")
    parser.add_argument("--file", default="", help="a stack file anywhere else")
    parser.add_argument("--model", default="", help="its alias; needed where there are several")
    parser.add_argument("--json", action="store_true", help="for a script to read")
    return parser


def _percentile(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:  # noqa: PLR2004 - per cent
        raise argparse.ArgumentTypeError(f"{text!r} is no percentile above 0 and at most 100")
    return value


if __name__ == "__main__":
    sys.exit(main())
