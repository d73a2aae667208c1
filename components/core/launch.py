"""What a container really runs: Kubernetes' expansion, wrappers and simple shells taken away.

Rules of Kubernetes followed here: `command` replaces the image's ENTRYPOINT and `args` its CMD;
`$(NAME)` is expanded from `env`, in order, the last duplicate wins, an unresolved one stays as it
is, `$$` stands for `$`. A shell script is read only when it is one plain command; anything else is
opaque, because a check that guesses at a script is a check that can be talked past.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePosixPath
from typing import Final


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""A value that is decided only while the update runs."""

Word = str | Unknown
"""One word of a command line, or one value of an environment variable."""


@dataclass(frozen=True)
class Launch:
    """The program a container starts.

    Attributes:
        words: Program and arguments; empty when the image's own ENTRYPOINT and CMD run.
        environment: Variables that the program sees, with their values.
        opaque: Why the command line cannot be read; None when `words` tell all.
    """

    words: tuple[Word, ...]
    environment: Mapping[str, Word] = field(default_factory=dict[str, Word])
    opaque: str | None = None

    @property
    def program(self) -> str:
        """File name of the program; empty when it is unknown or the image's own."""
        first = self.words[0] if self.words else ""
        return PurePosixPath(first).name if isinstance(first, str) else ""


def expand(word: Word, environment: Mapping[str, Word], *, complete: bool = True) -> Word:
    """Replace `$(NAME)` as the kubelet does.

    Args:
        word: Text with references.
        environment: Values by name.
        complete: False when further variables come from `envFrom`, so that a missing name may
            still get a value.

    Returns:
        The expanded text, or UNKNOWN when it depends on a value that is.
    """
    if not isinstance(word, str):
        return word
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        name = match.group("name")
        if name is None:  # the escape "$$"
            return "$"
        found = environment.get(name, match.group() if complete else UNKNOWN)
        if isinstance(found, str):
            return found
        unknown = True
        return ""

    expanded = re.sub(r"\$\$|\$\((?P<name>[^)]*)\)", value, word)
    return UNKNOWN if unknown else expanded


def environment_of(pairs: Iterable[tuple[str, Word]], *, complete: bool = True) -> dict[str, Word]:
    """Values of `env` after expansion; a later duplicate replaces an earlier one."""
    result: dict[str, Word] = {}
    for name, value in pairs:
        result[name] = expand(value, result, complete=complete)
    return result


def launch(
    command: Sequence[Word],
    args: Sequence[Word],
    environment: Mapping[str, Word],
    *,
    entrypoint: Sequence[str] = (),
    complete: bool = True,
) -> Launch:
    """Read `command` and `args` of a container down to the program that stays.

    Args:
        command: The container's `command`; empty for the image's ENTRYPOINT.
        args: The container's `args`.
        environment: Its variables, see `environment_of`.
        entrypoint: What the image starts when `command` is empty, if that is known.
        complete: See `expand`.
    """
    raw = (*(command or entrypoint), *args)
    words = tuple(expand(word, environment, complete=complete) for word in raw)
    current = Launch(words, environment)
    for _ in range(_MOST_WRAPPERS):
        unwrapped = _unwrap(current)
        if unwrapped is current:
            return current
        current = unwrapped
    return replace(current, opaque="it is wrapped too many times")


_MOST_WRAPPERS = 8
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_FORWARDERS = frozenset({"exec", "nohup", "setsid", "tini", "dumb-init", "catatonit"})
_LONE_FLAG = re.compile(r"-[sgwlcf]|-v+|--single-child|--verbose|--wait|--fork|--ctty")
"""Flags of forwarders that take no value; after any other one the program may be anywhere."""
_HIDING = frozenset(
    {"timeout", "nice", "ionice", "stdbuf", "setpriv", "xargs", "parallel", "chroot", "su", "sudo"}
    | {"gosu", "su-exec", "runuser", "busybox", "toybox", "fish", "csh", "tcsh", "time", "watch"}
    | {"unshare", "nsenter", "numactl", "taskset", "chrt", "prlimit", "capsh", "script", "strace"}
)
"""Programs that start another one, behind flags that nobody reads here."""
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL)
_SHELL_SYNTAX = re.compile(r"[$`;&|<>(){}*?\[\]~#!\n\\]")


def _unwrap(current: Launch) -> Launch:
    """Take one wrapper away; the same object when there is none."""
    if current.opaque or not current.words:
        return current
    program = current.program
    if program in _SHELLS:
        return _shell(current)
    if program == "env":
        return _env(current)
    if program in _FORWARDERS:
        return _forwarder(current)
    if program in _HIDING:
        return replace(current, opaque=f"`{program}` starts a program that is not read")
    return current


def _forwarder(current: Launch) -> Launch:
    """`tini -s -- program`: skip its own flags; one that may take a value hides the program."""
    rest = list(current.words[1:])
    while rest and isinstance(rest[0], str) and rest[0].startswith("-"):
        flag = str(rest.pop(0))
        if flag == "--":
            break
        if not _LONE_FLAG.fullmatch(flag):
            hidden = f"`{current.program}` is called with a flag that may take the next word"
            return replace(current, opaque=hidden)
    return replace(current, words=tuple(rest))


def _env(current: Launch) -> Launch:
    """`env -u NAME NAME=VALUE program`, the forms of coreutils without `-S`."""
    rest = list(current.words[1:])
    variables = dict(current.environment)
    while rest:
        word = rest[0]
        if not isinstance(word, str):
            return replace(current, opaque="a word of `env` is unknown")
        if assignment := _ASSIGNMENT.fullmatch(word):
            variables[assignment["name"]] = assignment["value"]
            del rest[0]
        elif word.startswith("-"):
            consumed = _env_flag(rest, variables)
            if not consumed:
                return replace(current, opaque="`env` is called with a flag that hides its effect")
            del rest[:consumed]
        else:
            break
    return replace(current, words=tuple(rest), environment=variables)


def _env_flag(rest: Sequence[Word], variables: dict[str, Word]) -> int:
    """Apply one flag of `env`; the number of words it took, 0 for a flag that is not read."""
    flag = str(rest[0])
    if flag == "--":
        return 1
    if flag in {"-i", "-", "--ignore-environment"}:
        variables.clear()
        return 1
    if flag in {"-u", "--unset"} and len(rest) > 1 and isinstance(rest[1], str):
        variables.pop(rest[1], None)
        return 2
    name = flag.removeprefix("--unset=") if flag.startswith("--unset=") else flag[2:]
    if flag.startswith(("-u", "--unset=")) and name:
        variables.pop(name, None)
        return 1
    return 0


def _shell(current: Launch) -> Launch:
    """`sh -c 'one plain command'`, with assignments in front if there are any."""
    script = _script(current.words)
    if not isinstance(script, str):
        return replace(current, opaque="a shell runs a script that is not in the manifest")
    words = _plain_command(script)
    if words is None:
        return replace(current, opaque="a shell script decides the command line")
    variables = dict(current.environment)
    while words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
        variables[assignment["name"]] = assignment["value"]
        del words[0]
    if not words:
        return replace(current, opaque="a shell script without a program")
    return Launch(tuple(words), variables)


def _script(words: Sequence[Word]) -> Word | None:
    """The script given to a shell with `-c`, also in `-ec`, `-lc`, `-o pipefail -c`."""
    for position, word in enumerate(words[1:], start=1):
        if not isinstance(word, str):
            return UNKNOWN
        if re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word):
            following = words[position + 1 :]
            return following[0] if following else None
    return None


def _plain_command(script: str) -> list[str] | None:
    """Words of a script that is one command without expansions; None for any other script."""
    joined = script.replace("\\\n", " ").strip()
    # Single quotes hide everything; with double quotes around, telling them apart is a shell's job.
    visible = joined if '"' in joined else re.sub(r"'[^']*'", "", joined)
    if _SHELL_SYNTAX.search(visible):
        return None
    try:
        return shlex.split(joined)
    except ValueError:  # an unclosed quote
        return None
