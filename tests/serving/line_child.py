"""A script in vLLM's environment that answers a line of JSON for each line of JSON."""

import json
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving.environments import python_of


@dataclass(frozen=True)
class LineChild:
    """The running script.

    Attributes:
        version: Of the engine, which it says first.
        process: The child.
    """

    version: str
    process: subprocess.Popen[str]

    def ask(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer to one case."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        assert said, f"vLLM ended at {case}"
        answer: dict[str, Any] = json.loads(said)
        assert "broken" not in answer, f"{case}\n{answer['broken']}"
        return answer


@contextmanager
def line_child(script: Path, folder: Path, environment: Mapping[str, str]) -> Generator[LineChild]:
    """Start a script, and end it.

    Args:
        script: File of the script.
        folder: Where it runs.
        environment: Its whole environment.
    """
    process = subprocess.Popen(
        [python_of("vllm"), script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        first: dict[str, str] = json.loads(process.stdout.readline())
        yield LineChild(first["version"], process)
        assert process.stdin is not None
        process.stdin.close()
