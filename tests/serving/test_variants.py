"""vLLM's own parser and `create_engine_config` accept every server that a document comes to.

The documents are the examples and the ways of the unit tests; the arguments are those of the
rendered containers, the configurations those of the model locks. What only happens on a GPU is not
judged, as in `test_engine_config`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from components.document import ROOT
from tests.rendering import Rendered, render
from tests.serving.config_judge import ConfigJudge
from tests.serving.real_engine import Gpu
from tests.unit.components.ways import (
    WAYS,
    Change,
    alter_locks,
    config_of,
    named_sources,
    way_document,
)
from tools.embedded_stack import read_stack_file

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

_EXAMPLES = [
    path
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
    if "engine: vllm" in path.read_text(encoding="utf-8")
]
_BY_KUBELET = {"$(LWS_WORKER_INDEX)": "1", "$(LWS_LEADER_ADDRESS)": "leader.akko.svc"}
"""Variables that LeaderWorkerSet sets and the kubelet puts into arguments."""
_WIDE = Gpu("NVIDIA H100 80GB HBM3", 85_045_346_304, (9, 0))
_ADAPTER_CONFIG = "adapter_config.json"


def _pod_specs(item: Rendered) -> Iterator[Mapping[str, Any]]:
    """Pods of a server: one, or a leader's and a worker's."""
    spec = item.inputs.get("spec", {})
    group = spec.get("leaderWorkerTemplate", {})
    for template in (
        spec.get("template"),
        group.get("leaderTemplate"),
        group.get("workerTemplate"),
    ):
        if template and "containers" in template.get("spec", {}):
            yield template["spec"]


def _engines(rendered: Sequence[Rendered]) -> Iterator[tuple[str, ...]]:
    """The arguments of every engine, as the kubelet hands them over."""
    for item in rendered:
        for spec in _pod_specs(item):
            for container in spec["containers"]:
                if container["name"] == "vllm":
                    yield tuple(_expanded(word) for word in container["args"])


def _expanded(word: str) -> str:
    for name, value in _BY_KUBELET.items():
        word = word.replace(name, value)
    assert "$(" not in word
    return word


def _folders(
    models: Sequence[Change], lines: Sequence[Sequence[str]], altered: Mapping[str, Change]
) -> dict[str, dict[str, str]]:
    """What lies under the paths that the lines name."""
    folders: dict[str, dict[str, str]] = {}
    for named in (each for model in models for each in named_sources(model)):
        config = config_of(named["source"], altered)
        file = _ADAPTER_CONFIG if "peft_type" in config else "config.json"
        below = f"{named['source']}/{named['revision']}"
        places = {f"/models/{below}"} | {line[0] for line in lines if line[0].endswith(below)}
        folders |= {place: {file: json.dumps(config)} for place in places}
    return folders


def _judged(
    judge: ConfigJudge, value: Mapping[str, Any], altered: Mapping[str, Change], pods: int
) -> None:
    models = [model for model in value["models"].values() if model["engine"] == "vllm"]
    lines = list(_engines(render(value)))
    assert len(lines) == pods
    folders = _folders(models, lines, altered)
    for line in lines:
        said = judge.judge(line, folders, _WIDE)
        assert said.refused is None, (said.by, line)


@pytest.mark.parametrize("name", WAYS)
def test_the_engine_accepts_a_way_to_run_a_model(
    name: str, judge: ConfigJudge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows B18, B19, C4, C12, C13, D3: leaders and workers of groups alike."""
    way = WAYS[name]
    alter_locks(way.altered, tmp_path, monkeypatch)
    pods = min(2, way.change.get("nodes", 1))
    _judged(judge, way_document(way.change, way.machine), way.altered, pods)


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.stem)
def test_the_engine_accepts_every_server_of_an_example(path: Path, judge: ConfigJudge) -> None:
    """Rows B1, B18, C1, D3."""
    value = read_stack_file(path)["config"][ROOT]
    pods = sum(
        min(2, model.get("nodes", 1))
        for model in value["models"].values()
        if model["engine"] == "vllm"
    )
    _judged(judge, value, {}, pods)
