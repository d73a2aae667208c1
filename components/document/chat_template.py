"""Whether a chat template of one's own is one: read as the engine reads it, on a short talk.

A template is tried in a process of its own (template_trial.py), so that one which never ends or
wants all memory is a sentence in preview, and one which breaks is not found by the first request.
"""

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
"""The project's folder, to which a template's path is relative."""

_TRIAL = Path(__file__).resolve().with_name("template_trial.py")
_DEADLINE_SECONDS = 10
"""By the clock: twice the CPU time that the trial allows itself, on a machine that is busy."""
_MOST_BYTES = 512 * 1024
"""A ConfigMap holds 1 MiB; templates that are published have 20 KiB at most."""
_TOO_LONG = "takes too long: the engine writes a short talk in milliseconds; look for its loops"
_TOO_BIG = "needs too much memory: a short talk has to do with 1 GiB; look for what it repeats"
_STOPPED = {"SIGXCPU": _TOO_LONG, "SIGKILL": _TOO_BIG}
"""Signals that end a trial: the limit of its CPU time, and the kernel when memory runs out."""


def text(name: str) -> str:
    """A template's text.

    Raises:
        OSError: It cannot be read.
    """
    return (PROJECT / name).read_text(encoding="utf-8")


def content_hash(name: str) -> str:
    """Eight digits that change with the template's content."""
    return hashlib.sha256(text(name).encode()).hexdigest()[:8]


def problems(key: str, name: str, *, tools: bool) -> Iterator[str]:
    """What is wrong with a template, a sentence each.

    Args:
        key: Of the document.
        name: Path below the project's folder.
        tools: Whether requests bring tools, so that the template has to write a talk with one too.
    """
    path = PROJECT / name
    if not path.resolve().is_relative_to(PROJECT.resolve()) or not path.is_file():
        yield f"{key} is {name!r}, but there is no such file in the project's folder"
        return
    try:
        template = text(name)
    except (OSError, UnicodeDecodeError) as error:
        yield f"{key} is {name!r}, which cannot be read: {error}"
        return
    if len(template.encode()) > _MOST_BYTES:
        yield f"{key} is {name!r}, which has more than {_MOST_BYTES // 1024} KiB: make it smaller"
        return
    fault = _fault(template, tools=tools)
    if fault:
        yield f"{key} is {name!r}, which {fault}"


def _fault(template: str, *, tools: bool) -> str | None:
    """What a template does wrong, as the end of a sentence."""
    answer = _tried(template, tools=tools)
    if isinstance(answer, str):
        return answer
    if "memory" in answer:
        return _TOO_BIG
    if "line" in answer:
        return f"is no template, at line {answer['line']}: {answer['reason']}"
    if "reason" in answer:
        return f"fails on a short talk{' with a tool' * answer['tool']}: {answer['reason']}"
    if not all(answer["heard"]):
        return (
            "leaves out what the user says: it has to go through `messages`, each with `role` "
            "and `content`"
        )
    return None


def _tried(template: str, *, tools: bool) -> dict[str, Any] | str:
    """The trial's answer, or the fault of a template that the trial did not outlive."""
    try:
        done = subprocess.run(
            # -P: the modules beside the program shall not stand in for the standard library's.
            [sys.executable, "-P", str(_TRIAL), *["tools"] * tools],
            input=template.encode(),
            capture_output=True,
            check=False,
            timeout=_DEADLINE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return _TOO_LONG
    if done.returncode == 0:
        return json.loads(done.stdout)
    if done.returncode < 0:
        return _STOPPED.get(signal.Signals(-done.returncode).name, "crashes the interpreter")
    last = done.stderr.decode(errors="replace").split("\n")
    return "cannot be tried: " + next((line for line in reversed(last) if line), "no reason given")
