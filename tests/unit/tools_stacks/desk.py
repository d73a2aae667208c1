"""A project folder, a run folder and a stand-in for `pulumi` that notes how it is called."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.rendering import document
from tools import stacks
from tools.control_plane import ControlPlane

_PULUMI = """#!{python}
import json, os, pathlib, sys
state = pathlib.Path(os.environ.get("PULUMI_BACKEND_URL", "").removeprefix("file://"))
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]) + "\\n")
if sys.argv[1:3] == ["stack", "init"] and not os.environ.get("FAIL"):
    stack = state / ".pulumi" / "stacks" / "inference" / (sys.argv[3] + ".json")
    stack.parent.mkdir(parents=True, exist_ok=True)
    stack.write_text("{{}}")
    pathlib.Path("Pulumi." + sys.argv[3] + ".yaml").write_text("encryptionsalt: salt\\n")
if sys.argv[1:3] == ["stack", "ls"]:
    print("[]")
if sys.argv[1:3] == ["stack", "export"]:
    print(os.environ.get("STATE", json.dumps({{"deployment": {{}}}})))
if sys.argv[1:3] == ["stack", "import"]:
    pathlib.Path(os.environ["CALLS"] + ".imported").write_text(sys.stdin.read())
if sys.argv[1] == "cancel":
    for lock in state.rglob("locks/**/*.json"):
        lock.unlink()
if os.environ.get("FAIL"):
    sys.exit("error: " + os.environ["FAIL"])
"""


class Desk:
    """A project folder, a run folder and the stand-in."""

    def __init__(self, tmp_path: Path) -> None:
        self.project, self.runs = tmp_path / "project", tmp_path / "run"
        self.calls_file = tmp_path / "calls"
        self.bin = tmp_path / "bin"
        self.project.mkdir()
        self.bin.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: inference\nruntime: python\n")
        self.write({"config": {"inference:platform": document("dev")}})
        pulumi = self.bin / "pulumi"
        pulumi.write_text(_PULUMI.format(python=sys.executable))
        pulumi.chmod(0o755)
        home = self.runs / "dev" / "control-plane"
        self.plane = ControlPlane(home, home / "kubeconfig", "embedded", "https://127.0.0.1:1")

    @property
    def home(self) -> Path:
        return self.runs / "dev" / "stacks"

    @property
    def copy(self) -> dict[str, Any]:
        """The stack file that the engine is given."""
        return yaml.safe_load((self.home / "Pulumi.dev.yaml").read_text())

    def write(self, content: object, stack: str = "dev") -> None:
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (self.project / f"Pulumi.{stack}.yaml").write_text(text)

    def calls(self) -> list[list[Any]]:
        """Arguments, folder and environment of each call of the engine."""
        if not self.calls_file.exists():
            return []
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]

    def run(self, *arguments: str) -> int:
        return stacks.main([*arguments, f"--project={self.project}", f"--run-folder={self.runs}"])
