"""A stack touches the cluster that its document names, and no other."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.cluster import WrongClusterError, check_cluster, server_of
from components.document.capacity import ClusterSettings

SERVER = "https://akko.example.com"
OTHER = "https://other.example.com"


def _kubeconfig(clusters: dict[str, str], contexts: dict[str, str]) -> dict[str, Any]:
    return {
        "clusters": [{"name": n, "cluster": {"server": s}} for n, s in clusters.items()],
        "contexts": [{"name": n, "context": {"cluster": c}} for n, c in contexts.items()],
        "current-context": "other",
    }


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put kubeconfigs in force, in their order; what is no mapping is written as it is."""

    def put(*contents: object) -> None:
        paths = [tmp_path / f"config-{number}" for number, _ in enumerate(contents)]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return put


GOOD = _kubeconfig({"akko": SERVER, "other": OTHER}, {"akko": "akko", "other": "other"})
NAMED = ClusterSettings(context="akko")
PINNED = ClusterSettings(context="akko", server=SERVER)


def _refusal(settings: ClusterSettings, *, preview: bool = False) -> str:
    with pytest.raises(WrongClusterError) as caught:
        check_cluster(settings, preview=preview)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("settings", [NAMED, PINNED])
def test_the_named_cluster_is_accepted_whatever_the_current_context_is(
    use: Callable[..., None], settings: ClusterSettings, *, preview: bool
) -> None:
    use(GOOD)
    assert check_cluster(settings, preview=preview) is None
    assert server_of("akko") == SERVER


@pytest.mark.parametrize("preview", [True, False])
def test_a_kubeconfig_without_the_context_is_refused_with_those_it_has(
    use: Callable[..., None], *, preview: bool
) -> None:
    use(_kubeconfig({"other": OTHER}, {"other": "other", "another": "other"}))
    said = _refusal(NAMED, preview=preview)
    assert "'akko' (inference:platform.cluster.context)" in said
    assert "the kubeconfig has: another, other;" in said


@pytest.mark.parametrize("preview", [True, False])
def test_another_server_behind_the_right_name_is_refused(
    use: Callable[..., None], *, preview: bool
) -> None:
    use(_kubeconfig({"akko": OTHER}, {"akko": "akko"}))
    said = _refusal(PINNED, preview=preview)
    assert SERVER in said
    assert f"leads to {OTHER}; nothing was touched" in said
    assert check_cluster(NAMED, preview=preview) is None  # nobody said which server


def test_a_slash_at_the_end_makes_no_other_server(use: Callable[..., None]) -> None:
    use(_kubeconfig({"akko": f"{SERVER}/"}, {"akko": "akko"}))
    assert check_cluster(PINNED, preview=False) is None


def test_of_several_files_the_first_that_defines_a_name_wins(use: Callable[..., None]) -> None:
    first = _kubeconfig({"akko": OTHER}, {"akko": "akko"})
    use(first, GOOD)
    assert OTHER in _refusal(PINNED)
    use(GOOD, first)
    assert check_cluster(PINNED, preview=False) is None


def test_context_and_cluster_may_stand_in_two_files(use: Callable[..., None]) -> None:
    use(_kubeconfig({}, {"akko": "akko"}), _kubeconfig({"akko": SERVER}, {}))
    assert check_cluster(PINNED, preview=False) is None


def test_the_kubeconfig_of_the_home_folder_is_the_default(
    use: Callable[..., None], tmp_path: Path
) -> None:
    assert use
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(yaml.safe_dump(GOOD))
    assert check_cluster(PINNED, preview=False) is None


def test_files_that_do_not_exist_count_as_empty_ones(
    use: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(GOOD)
    both = os.pathsep.join([str(tmp_path / "none"), os.environ["KUBECONFIG"], ""])
    monkeypatch.setenv("KUBECONFIG", both)
    assert check_cluster(PINNED, preview=False) is None


@pytest.mark.usefixtures("use")
def test_without_a_kubeconfig_a_preview_warns_and_a_deployment_is_refused() -> None:
    warning = check_cluster(PINNED, preview=True)
    assert warning is not None
    assert warning.startswith("no kubeconfig was found")
    assert "the kubeconfig has: none;" in _refusal(PINNED)


def test_a_named_file_that_is_missing_does_not_lead_to_another_one(
    use: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert use
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(yaml.safe_dump(GOOD))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "the kubeconfig has: none;" in _refusal(NAMED)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tkey: value"])
@pytest.mark.parametrize("preview", [True, False])
def test_broken_yaml_is_one_sentence(use: Callable[..., None], text: str, *, preview: bool) -> None:
    use(text)
    assert "config-0 cannot be read: " in _refusal(NAMED, preview=preview)


def test_a_file_that_is_no_text_is_one_sentence(use: Callable[..., None], tmp_path: Path) -> None:
    use("")
    (tmp_path / "config-0").write_bytes(b"\xff\xfe\x00\x80")
    assert "config-0 cannot be read: " in _refusal(NAMED)


_NO_KUBECONFIGS: list[object] = [
    "",
    "just text",
    "[1, 2]",
    {"contexts": "akko", "clusters": 5},
    {"contexts": [None, "akko", {"name": 5}], "clusters": [[]]},
    {"contexts": None},
]


@pytest.mark.parametrize("content", _NO_KUBECONFIGS)
def test_yaml_that_is_no_kubeconfig_has_no_context(
    use: Callable[..., None], content: object
) -> None:
    use(content)
    assert "the kubeconfig has: none;" in _refusal(NAMED)


@pytest.mark.parametrize(
    "content",
    [
        _kubeconfig({}, {"akko": "gone"}),
        {"contexts": [{"name": "akko"}]},
        {"contexts": [{"name": "akko", "context": "text"}]},
        {
            "contexts": [{"name": "akko", "context": {"cluster": "a"}}],
            "clusters": [{"name": "a", "cluster": None}],
        },
    ],
)
def test_a_context_that_leads_nowhere_is_refused(use: Callable[..., None], content: object) -> None:
    use(content)
    for settings in (NAMED, PINNED):
        assert "leads to no cluster with a server; nothing was touched" in _refusal(settings)
