"""What a killed run was creating is put into the state, so that nothing is left unknown."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tools_stacks.desk import Desk
from tools.pending_creates import take_in

URN = "urn:pulumi:dev::inference::kubernetes:core/v1:ConfigMap::gateway-config"


def resource(name: str, *, urn: str = URN, namespace: str | None = "akko") -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = urn.split("::")[2]
    return {"urn": urn, "custom": True, "type": kind, "inputs": {"metadata": metadata}}


def begun(entry: dict[str, Any], what: str = "creating") -> dict[str, Any]:
    return {"resource": entry, "type": what}


def test_an_object_in_the_making_becomes_a_resource_with_the_id_that_the_provider_gives() -> None:
    state = {"resources": [], "pending_operations": [begun(resource("a"))]}
    assert take_in(state) == [URN]
    assert state == {"resources": [{**resource("a"), "id": "akko/a"}], "pending_operations": []}


def test_an_object_of_the_whole_cluster_has_its_name_for_an_id() -> None:
    state: dict[str, Any] = {"pending_operations": [begun(resource("l4", namespace=None))]}
    take_in(state)
    assert [entry["id"] for entry in state["resources"]] == ["l4"]


def test_a_successor_in_the_making_is_to_be_deleted_beside_its_live_predecessor() -> None:
    live = {**resource("old"), "id": "akko/old"}
    state = {"resources": [live], "pending_operations": [begun(resource("new"))]}
    take_in(state)
    assert state["resources"] == [live, {**resource("new"), "id": "akko/new", "delete": True}]


def test_what_the_state_has_already_is_not_put_in_twice() -> None:
    live = {**resource("same"), "id": "akko/same"}
    state = {"resources": [live], "pending_operations": [begun(resource("same"))]}
    take_in(state)
    assert state == {"resources": [live], "pending_operations": []}


@pytest.mark.parametrize(
    "entry",
    [
        begun(resource("a"), "updating"),
        begun(resource("a"), "deleting"),
        begun({"urn": URN, "type": "pulumi:providers:kubernetes", "inputs": {}}),
        begun({"urn": URN, "type": "kubernetes:core/v1:Pod", "inputs": {"metadata": {}}}),
    ],
)
def test_other_notes_are_the_engines_own_business(entry: dict[str, Any]) -> None:
    state = {"resources": [], "pending_operations": [entry]}
    before = copy.deepcopy(state)
    assert take_in(state) == []
    assert state == before


def test_an_embedded_run_takes_them_in_before_it_deploys(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a lock too: the run before may have died while it mended."""
    assert desk.run("preview") == 0
    pending = {"deployment": {"pending_operations": [begun(resource("a"))]}}
    file = desk.home / "state" / ".pulumi" / "stacks" / "inference" / "dev.json"
    file.write_text(json.dumps({"checkpoint": {"latest": pending["deployment"]}}))
    monkeypatch.setenv("STATE", json.dumps(pending))
    assert desk.run("preview") == 0
    commands = [" ".join(call[0][:2]) for call in desk.calls()[2:]]
    assert commands[:2] == ["stack export", "stack import"]
    assert [command.split()[0] for command in commands[2:]] == ["refresh", "preview"]
    taken = json.loads(Path(f"{desk.calls_file}.imported").read_text())
    assert [entry["id"] for entry in taken["deployment"]["resources"]] == ["akko/a"]
    assert "it was creating gateway-config" in capsys.readouterr().err
