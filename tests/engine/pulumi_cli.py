"""The real Pulumi CLI as a user would call it, with state, secrets and stack files of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PACK = CHECKOUT / "policies"
ROOT = "inference:platform"

_VIOLATION = re.compile(
    r"- \[(?P<level>\w+)\](?: \[severity: \w+\])?\s+(?P<policy>[\w-]+)"
    r"\s+\((?P<type>\S+): (?P<resource>\S+)\)\n\s+(?P<description>.*)\n\s+(?P<sentence>.*)"
)
_CREATED = re.compile(r"^ \+  (\S+) (\S+) create", re.MULTILINE)
_CALL_SECONDS = 180


@dataclass(frozen=True)
class Violation:
    """One finding of the policy pack, as the CLI prints it."""

    level: str
    policy: str
    resource: str
    sentence: str


@dataclass(frozen=True)
class Ended:
    """What a call has left: its exit code and everything that it printed."""

    code: int
    output: str

    @cached_property
    def errors(self) -> list[str]:
        """First lines of what stands behind `error: `."""
        lines = [line.strip() for line in self.output.splitlines()]
        return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]

    @cached_property
    def violations(self) -> list[Violation]:
        return [
            Violation(found["level"], found["policy"], found["resource"], found["sentence"])
            for found in _VIOLATION.finditer(self.output)
        ]

    @cached_property
    def created(self) -> list[str]:
        """Type and name of everything that a preview would create."""
        return sorted({f"{kind} {name}" for kind, name in _CREATED.findall(self.output)})

    def refuses(self, *sentences: str) -> None:
        """The call failed with exactly these sentences and no traceback."""
        assert self.errors == list(sentences), self.output
        assert "Traceback" not in self.output
        assert self.code != 0


def run(command: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Ended:
    """Run a command to its end, output and errors in one text."""
    done = subprocess.run(
        list(command),
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_CALL_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout)


@dataclass(frozen=True)
class Engine:
    """The CLI with a backend in a folder.

    Attributes:
        home: Folder for state, passphrase and stack files.
        environ: Environment of every call; no variable of the caller's own Pulumi is in it.
        project: Folder of the program.
    """

    home: Path
    environ: Mapping[str, str]
    project: Path = CHECKOUT

    @classmethod
    def at(cls, home: Path, tools: Mapping[str, str], project: Path = CHECKOUT) -> "Engine":
        """A fresh backend without stacks, without any kubeconfig."""
        (home / "state").mkdir(parents=True)
        (home / "passphrase").write_text("of the tests", encoding="utf-8")
        shutil.copy(project / "Pulumi.yaml", home)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")}
        environ = {
            **inherited,
            **tools,
            "KUBECONFIG": str(home / "no-kubeconfig"),
            "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(home / "passphrase"),
        }
        return cls(home, environ, project)

    def given(self, **changes: str | None) -> "Engine":
        """The same with other variables; None takes one away."""
        changed = {**self.environ, **changes}
        return replace(self, environ={k: v for k, v in changed.items() if v is not None})

    def pulumi(self, *arguments: str, cwd: Path | None = None) -> Ended:
        command = ["pulumi", *arguments, "--non-interactive"]
        return run(command, cwd=cwd or self.project, environ=self.environ)

    def make_stack(self, stack: str) -> None:
        """Make a stack beside a copy of the project file, where Pulumi writes its salt."""
        done = self.pulumi("stack", "init", stack, cwd=self.home)
        assert done.code == 0, done.output

    def stack_file(self, stack: str, text: str) -> Path:
        """A stack file with this text and the stack's salt; each text has a file of its own."""
        salt = (self.home / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
        number = len(list(self.home.glob("*.copy.yaml")))
        path = self.home / f"{stack}-{number}.copy.yaml"
        path.write_text(f"{salt}{text}", encoding="utf-8")
        return path

    def on_document(self, command: str, stack: str, document: object, *options: str) -> Ended:
        """`pulumi preview` or `up` of the stack with another document in its file."""
        text = yaml.safe_dump({"config": {ROOT: document}}, sort_keys=False)
        return self.on_file(command, stack, text, *options)

    def on_file(self, command: str, stack: str, text: str, *options: str) -> Ended:
        file = self.stack_file(stack, text)
        return self.pulumi(command, f"--stack={stack}", f"--config-file={file}", *options)


def document_of(stack: str) -> dict[str, Any]:
    """The stack's document from the checkout, to be changed."""
    text = (CHECKOUT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.safe_load(text)["config"][ROOT])


def kubeconfig(path: Path, server: str, *contexts: str) -> Path:
    """A kubeconfig whose contexts all lead to one server."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "only", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {"token": "of-nobody"}}],
        "contexts": [
            {"name": name, "context": {"cluster": "only", "user": "nobody"}} for name in contexts
        ],
        "current-context": contexts[0],
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path
