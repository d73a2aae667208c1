"""What the installer answers to a name, and to a script."""

import json

import pytest

from tests.unit.tools.workshop import Workshop
from tools.catalogue import ETCD
from tools.install import main
from tools.store import folder_of


def test_an_unknown_name_is_answered_with_the_known_ones(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.builds() == []
    assert main(["etdc"]) == 1
    said = capsys.readouterr().err
    assert "no tool is called etdc; there are pulumi" in said
    assert "control-plane" in said


def test_json_output_maps_names_to_paths(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.go()
    assert main(["etcd", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"etcd": str(folder_of(ETCD) / "etcd")}
