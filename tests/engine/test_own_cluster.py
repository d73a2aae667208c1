"""`python -m tools.stacks` refuses a mistake before it starts, changes or leaves anything."""

import errno
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.engine.pulumi_cli import CHECKOUT, Ended, Engine, document_of, kubeconfig, run

_REFUSED = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"


@dataclass(frozen=True)
class Project:
    """A copy of the stack files, and all that a call may write to.

    Attributes:
        folder: The stack files, for the reader to spoil.
        written: Where control planes, state and `PULUMI_HOME` would be.
        environ: Environment of the call.
    """

    folder: Path
    written: Path
    environ: Mapping[str, str]

    def stacks(self, *arguments: str, server: str = "") -> Ended:
        """Call it; with a server, the kubeconfig leads the stacks' contexts to it."""
        environ = dict(self.environ)
        if server:
            file = kubeconfig(self.folder / "kubeconfig", server, "akko-production", "elsewhere")
            environ["KUBECONFIG"] = str(file)
        options = (f"--project={self.folder}", f"--run-folder={self.written / 'run'}")
        command = [sys.executable, "-m", "tools.stacks", *arguments, *options]
        return run(command, cwd=CHECKOUT, environ=environ)

    def untouched(self) -> bool:
        """Neither a control plane nor a state was begun, and no stack file has a salt."""
        stack_files = [path.read_text() for path in self.folder.glob("Pulumi.*.yaml")]
        return not list(self.written.iterdir()) and "encryptionsalt" not in "".join(stack_files)


@pytest.fixture
def project(tools: Mapping[str, str], tmp_path: Path) -> Project:
    folder, written = tmp_path / "project", tmp_path / "written"
    folder.mkdir()
    written.mkdir()
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.production.yaml"):
        shutil.copy(CHECKOUT / name, folder)
    engine = Engine.at(tmp_path / "home", tools)
    environ = {**engine.environ, "PULUMI_BACKEND_URL": f"file://{written}"}
    return Project(folder, written, environ)


def test_a_context_other_than_the_documents_is_refused(
    project: Project, closed_server: str
) -> None:
    ended = project.stacks("up", "--stack=production", "--context=elsewhere", server=closed_server)

    ended.refuses(
        "CONTEXT is 'elsewhere', but the stack production is for the context 'akko-production': "
        "change CONTEXT, or inference:platform.cluster.context in Pulumi.production.yaml"
    )
    assert project.untouched()


def test_the_documents_context_with_another_server_is_refused(
    project: Project, closed_server: str
) -> None:
    document = document_of("production")
    document["cluster"]["server"] = "https://llm.example.com:6443"
    _write(project, "production", {"config": {"inference:platform": document}})

    ended = project.stacks(
        "up", "--stack=production", "--context=akko-production", server=closed_server
    )

    ended.refuses(
        "this stack is for the cluster at https://llm.example.com:6443 "
        "(inference:platform.cluster.server), but the context 'akko-production' leads to "
        f"{closed_server}; nothing was touched"
    )
    assert project.untouched()


def test_a_context_that_no_kubeconfig_has_is_refused(project: Project) -> None:
    ended = project.stacks("up", "--stack=production", "--context=akko-production")

    ended.refuses(
        "this stack is for the context 'akko-production' (inference:platform.cluster.context), "
        "but the kubeconfig has: none; point KUBECONFIG at the right file, or change the key"
    )
    assert project.untouched()


def test_a_cluster_that_does_not_answer_is_named_within_seconds(
    project: Project, closed_server: str
) -> None:
    begun = time.monotonic()

    ended = project.stacks(
        "up", "--stack=production", "--context=akko-production", server=closed_server
    )

    ended.refuses(
        f"the cluster of context 'akko-production', {closed_server}, does not answer ({_REFUSED}): "
        "check the network, its address in the kubeconfig, and whether it runs"
    )
    assert time.monotonic() - begun < 30
    assert project.untouched()


@pytest.mark.parametrize("context", ["", "akko-production"])
def test_a_stack_that_does_not_exist_is_answered_with_those_that_do(
    project: Project, context: str
) -> None:
    ended = project.stacks("up", "--stack=staging", f"--context={context}")

    ended.refuses("there is no stack 'staging' here; there are: dev, production")
    assert project.untouched()


@pytest.mark.parametrize("context", ["", "kind-akko"])
def test_a_stack_file_that_is_no_yaml_is_named_with_the_line(
    project: Project, context: str
) -> None:
    (project.folder / "Pulumi.dev.yaml").write_text("config:\n  inference:platform: {a: [1}\n")

    ended = project.stacks("up", "--stack=dev", f"--context={context}")

    ended.refuses(
        "Pulumi.dev.yaml is not YAML: line 2, column 29: expected ',' or ']', but got '}'"
    )
    assert project.untouched()


@pytest.mark.parametrize("context", ["", "kind-akko"])
@pytest.mark.parametrize("document", [{"config": None}, {"config": "none"}, {}])
def test_a_stack_file_without_configuration_is_named(
    project: Project, context: str, document: dict[str, object]
) -> None:
    _write(project, "dev", document)

    ended = project.stacks("up", "--stack=dev", f"--context={context}")

    assert len(ended.errors) == 1
    ended.refuses(*ended.errors)
    assert ended.errors[0].startswith("Pulumi.dev.yaml holds no keys")
    assert project.untouched()


def _write(project: Project, stack: str, document: dict[str, object]) -> None:
    text = yaml.safe_dump(document, sort_keys=False)
    (project.folder / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")
