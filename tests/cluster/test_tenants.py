"""A stack with teams through the real Pulumi: what the reconciler wrote is never Pulumi's."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.stacks import Deployed, deploy, project_copy, run_stacks

pytestmark = pytest.mark.timeout(480)

SECRET = "akko-app-gateway-key"
VALUE = "sk-value-of-a-service-account-0451"
STATE = "app.kubernetes.io/name=gateway-state"


@pytest.fixture
def dev(tmp_path: Path, binaries: Mapping[str, Path]) -> Iterator[Deployed]:
    """The dev stack, whose team has one service account, from a copy of the project."""
    yield deploy("dev", tmp_path / "run", binaries["kubectl"], project_copy(tmp_path))
    assert run_stacks("down", run_folder=tmp_path / "run").returncode == 0


def _jobs(stack: Deployed) -> list[str]:
    """Jobs of the reconciler that Pulumi made; those of the CronJob are owned by it."""
    found = stack.kubectl.get("jobs", "-nakko", f"-l{STATE}")["items"]
    return [each["metadata"]["name"] for each in found if "ownerReferences" not in each["metadata"]]


def test_c2_a_key_in_its_secret_outlives_deployments_and_is_in_no_state(dev: Deployed) -> None:
    """C2: no diff, no loss and no copy of it; each change of a team is a run of its own."""
    (first,) = _jobs(dev)
    coded = base64.b64encode(VALUE.encode()).decode()
    patch = json.dumps({"data": {"api-key": coded}})
    dev.kubectl("patch", "secret", SECRET, "-nakko", "--type=merge", "-p", patch)

    again = dev.up()
    assert again.returncode == 0, again.stderr
    assert "unchanged" in again.stdout
    assert "updated" not in again.stdout
    assert _jobs(dev) == [first]

    def limited(document: dict[str, Any]) -> None:
        document["gateway"]["teams"]["akko"]["requests_per_minute"] = 7

    dev.change(limited)
    assert dev.up().returncode == 0
    (second,) = _jobs(dev)
    assert second != first
    assert dev.kubectl.get("secret", SECRET, "-nakko")["data"] == {"api-key": coded}
    files = [path for path in dev.home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert VALUE.encode() not in content
        assert coded.encode() not in content

    def without(document: dict[str, Any]) -> None:
        document["gateway"]["teams"] = {}

    dev.change(without)
    assert dev.up().returncode == 0
    assert len(_jobs(dev)) == 1
    assert dev.kubectl.run("get", "secret", SECRET, "-nakko").returncode != 0
