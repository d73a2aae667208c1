from pathlib import Path

import pytest
import yaml

from tools.control_plane.components import STAGES
from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.objects import base_objects
from tools.control_plane.seed import crd_documents

CRD = """---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    controller-gen.kubebuilder.io/version: v0.19.0
  name: {name}
spec: {{}}
"""


def test_the_stage_file_holds_stages_only_and_plays_nodes_pods_and_volumes() -> None:
    """A KwokConfiguration in that file would wipe kwok's defaults."""
    documents = list(yaml.safe_load_all(STAGES.read_text()))
    assert {document["kind"] for document in documents} == {"Stage"}
    played = {document["spec"]["resourceRef"]["kind"] for document in documents}
    assert played == {"Node", "Pod", "PersistentVolumeClaim", "PersistentVolume"}
    names = [document["metadata"]["name"] for document in documents]
    assert len(set(names)) == len(names) == 7


def test_every_stage_selects_something_and_does_something() -> None:
    for document in yaml.safe_load_all(STAGES.read_text()):
        spec = document["spec"]
        assert spec["selector"]["matchExpressions"]
        assert spec.get("next") or spec.get("steps")


def test_each_zone_has_an_ordinary_node_of_16_cpus_and_64_gib() -> None:
    nodes = [entry for entry in base_objects() if entry.body["kind"] == "Node"]
    zones = [n.body["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in nodes]
    assert zones == ["us-east-1a", "us-east-1b"]
    for node in nodes:
        assert node.subresource_body is not None
        allocatable = node.subresource_body["status"]["allocatable"]
        assert (allocatable["cpu"], allocatable["memory"]) == ("16", "64Gi")


def test_exactly_one_storage_class_is_the_default() -> None:
    key = "storageclass.kubernetes.io/is-default-class"
    classes = [e.body["metadata"] for e in base_objects() if e.body["kind"] == "StorageClass"]
    assert {entry["name"] for entry in classes} == {"standard", "gp3", "efs", "fsx"}
    assert [e["name"] for e in classes if e["annotations"][key] == "true"] == ["standard"]


def test_crds_are_found_in_files_of_one_and_of_many_documents(tmp_path: Path) -> None:
    one, many = tmp_path / "one.yaml", tmp_path / "many.yaml"
    one.write_text(CRD.format(name="pools.example.org"))
    other = "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: not-a-crd\n"
    many.write_text(CRD.format(name="as.example.org") + other + CRD.format(name="bs.example.org"))
    found = crd_documents([one, many])
    assert list(found) == ["pools.example.org", "as.example.org", "bs.example.org"]
    assert "name: bs.example.org" in found["bs.example.org"]


def test_a_crd_without_a_name_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("kind: CustomResourceDefinition\nmetadata:\n  labels: {}\n")
    with pytest.raises(ControlPlaneError, match=r"broken\.yaml holds a definition without a name"):
        crd_documents([path])


def test_an_absent_crd_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ControlPlaneError, match=r"absent\.yaml cannot be read.*tools\.install"):
        crd_documents([tmp_path / "absent.yaml"])
