"""Renders a chat template as the engine does; a program that the preview starts and may stop.

A template is a program: it can loop without end or ask for all memory, and a sandbox stops neither.
So it runs in a process of its own (see chat_template.py), with limits that the process sets itself.
The template comes by stdin; stdout is one JSON object: `heard`, or what went wrong. The
environment is that of transformers/utils/chat_template_utils.py, `_cached_compile_jinja_template`.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_SECONDS = 5
MEMORY_BYTES = (1024 + 256) * 2**20
"""1 GiB for the template; the interpreter and Jinja take 25 MiB of address space."""
_MOST_CHARACTERS = 2**20
"""What a short talk may become; published templates write some thousand for one with a tool."""
_MOST_REASON = 300

WORD = "inference-platform-probe"
TALK = (
    {"role": "system", "content": "Answer in one word."},
    {"role": "user", "content": WORD},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": WORD},
)
TOOL: Mapping[str, Any] = MappingProxyType(
    {
        "type": "function",
        "function": {
            "name": "read_clock",
            "description": "The time at a place.",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string", "description": "A town."}},
                "required": ["place"],
            },
        },
    }
)
FURTHER: Mapping[str, Any] = MappingProxyType(
    {"documents": None, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>"}
)


class _Generation(Extension):
    """`generation` marks what an assistant said, for training; the engine passes it through."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """The block as a call, as there: what is set inside is not seen outside."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("passed"), [], [], body).set_lineno(line)

    def passed(self, caller: Callable[[], str]) -> str:
        """What is in the block."""
        return caller()


def compiled(text: str) -> Template:
    """A template in the engine's environment.

    Raises:
        jinja2.TemplateSyntaxError: It is none.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    own = {"raise_exception": _refuse, "strftime_now": _now}
    return environment.from_string(text, globals=own)


def _tojson(  # the names, order and defaults are the engine's: templates give them by position too
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _refuse(message: str) -> str:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def rendered(template: Template, *, tool: bool) -> str:
    """The talk as a template writes it; without the system's part where it refuses that one."""
    tools = [dict(TOOL)] if tool else None
    try:
        return template.render(messages=list(TALK), tools=tools, **FURTHER)
    except TemplateError:
        return template.render(messages=list(TALK[1:]), tools=tools, **FURTHER)


def answer(text: str, *, tools: bool) -> dict[str, Any]:
    """What becomes of a talk, and where `tools` of one with a tool; or what went wrong.

    Returns:
        `heard`, whether the user's words are in each talk, in that order; or `memory`, true; or
        `reason`, with `line` where the text is no template and else `tool`: the talk had one.
    """
    tool = False
    renderings: list[str] = []
    try:
        template = compiled(text)
        for tool in (False, True) if tools else (False,):
            renderings.append(rendered(template, tool=tool))
            if len(renderings[-1]) > _MOST_CHARACTERS:
                return {"tool": tool, "reason": f"it writes more than {_MOST_CHARACTERS} letters"}
    except TemplateSyntaxError as error:
        return {"line": error.lineno, "reason": _line(error.message)}
    except MemoryError:
        return {"memory": True}
    except Exception as error:  # whatever a template does is its own fault
        return {"tool": tool, "reason": _line(str(error)) or type(error).__name__}
    return {"heard": [WORD in each for each in renderings]}


def _line(message: str | None) -> str:
    return " ".join((message or "").split())[:_MOST_REASON]


def _limit() -> None:
    """Limits of this process: seconds of CPU, bytes of address space, no core file of a stop."""
    try:
        import resource  # noqa: PLC0415 - Windows has none; there the preview's deadline is all
    except ImportError:
        return
    for which, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(which)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS takes no limit of address space
            resource.setrlimit(which, (soft, hard))


def main() -> None:
    """Reads a template, tries it, writes the answer; the argument `tools` asks for tools too."""
    text = sys.stdin.buffer.read().decode()
    _limit()
    sys.stdout.write(json.dumps(answer(text, tools="tools" in sys.argv[1:])))


if __name__ == "__main__":
    main()
