"""Whether a chat template of one's own is one: read as the engine reads it, on a short talk.

The engine renders templates by Jinja in a sandbox, with trimmed blocks and loop controls
(transformers/utils/chat_template_utils.py); the same is done here, so that a template which breaks
is found in preview and not by the first request.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
"""The folder of the stack files, to which a template's path is relative."""

_MOST_BYTES = 512 * 1024
"""A ConfigMap holds 1 MiB; templates that are published have 20 KiB at most."""
_WORD = "inference-platform-probe"
_TALK = (
    {"role": "system", "content": "Answer in one word."},
    {"role": "user", "content": _WORD},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": _WORD},
)


def text(name: str) -> str:
    """A template's text.

    Raises:
        OSError: It cannot be read.
    """
    return (PROJECT / name).read_text(encoding="utf-8")


def content_hash(name: str) -> str:
    """Eight digits that change with the template's content."""
    return hashlib.sha256(text(name).encode()).hexdigest()[:8]


def problems(key: str, name: str) -> Iterator[str]:
    """What is wrong with a template, a sentence each.

    Args:
        key: Of the document.
        name: Path below the project's folder.
    """
    path = PROJECT / name
    if not path.resolve().is_relative_to(PROJECT.resolve()) or not path.is_file():
        yield f"{key} is {name!r}, but there is no such file beside the stack file"
        return
    try:
        template = text(name)
    except (OSError, UnicodeDecodeError) as error:
        yield f"{key} is {name!r}, which cannot be read: {error}"
        return
    if len(template.encode()) > _MOST_BYTES:
        yield f"{key} is {name!r}, which has more than {_MOST_BYTES // 1024} KiB: make it smaller"
        return
    yield from _faults(key, name, template)


def _faults(key: str, name: str, template: str) -> Iterator[str]:
    from jinja2 import TemplateError, TemplateSyntaxError  # noqa: PLC0415 - only templates pay

    failures = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError)
    try:
        said = _render(template)
    except TemplateSyntaxError as error:
        yield f"{key} is {name!r}, which is no template, at line {error.lineno}: {error.message}"
        return
    except (*failures, TypeError, ValueError) as error:
        yield f"{key} is {name!r}, which fails on a short talk: {error}"
        return
    if _WORD not in said:
        yield (
            f"{key} is {name!r}, which leaves out what the user says: it has to go through "
            "`messages`, each with `role` and `content`"
        )


def _render(template: str) -> str:
    """The talk as the template writes it; without the system's part where it refuses that one."""
    from jinja2 import TemplateRuntimeError  # noqa: PLC0415 - see above
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - see above

    def refuse(message: str) -> str:
        raise TemplateRuntimeError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    compiled = environment.from_string(
        template, globals={"raise_exception": refuse, "strftime_now": str}
    )
    further = {"add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>"}
    try:
        return compiled.render(messages=_TALK, tools=None, **further)
    except TemplateRuntimeError:
        return compiled.render(messages=_TALK[1:], tools=None, **further)
