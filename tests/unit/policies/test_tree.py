"""The access layer: KNOWN, UNKNOWN and ABSENT, through the SDK's own proxies."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi_policy.proxy import unknown_checking_proxy

from components.core.launch import UNKNOWN
from policies.reading.tree import ABSENT, tree
from tests.unit.policies.analyzer import SENTINELS


def test_a_path_reads_like_a_manifest() -> None:
    node = tree({"spec": {"list": [{"a.b/c": 1.0}]}}).at("spec", "list", 0, "a.b/c")
    assert node.path == 'spec.list[0]["a.b/c"]'
    assert node.value == 1
    assert tree({}).path == "the resource"


@pytest.mark.parametrize("sentinel", SENTINELS)
def test_every_placeholder_is_unknown_wherever_it_stands(sentinel: str) -> None:
    props = {"a": sentinel, "b": ["x", sentinel], "c": {"d": sentinel}, "e": f"x-{sentinel}-y"}
    for root in (tree(unknown_checking_proxy(props)), tree(props)):
        assert root.at("a").unknown
        assert root.at("a", "below", 0).unknown
        assert root.at("b").value == ["x", UNKNOWN]
        assert root.at("c", "d").unknown
        assert root.at("e").unknown


@pytest.mark.parametrize("value", ["text", 1, True, None, [], {}])
def test_a_value_of_another_shape_has_nothing_below(value: object) -> None:
    node = tree({"spec": value}).at("spec")
    assert node.at("containers").absent
    assert node.at(0).absent
    assert not list(node.items())
    assert not list(node.elements())


def test_null_is_absent_and_scalars_read_as_yaml_prints_them() -> None:
    root = tree({"n": None, "t": True, "i": 3.0, "f": 0.5, "s": "x", "l": [None, "y"]})
    assert root.at("n").value is ABSENT
    assert [root.at(key).text for key in "ntifs"] == [None, "true", "3", "0.5", "x"]
    assert [node.text for node in root.at("l").elements()] == [None, "y"]


def test_what_is_not_json_is_unknown() -> None:
    assert tree({"asset": object()}).at("asset").unknown
    assert math.isnan(float(tree(float("nan")).text or "0"))
    deep: object = "leaf"
    for _ in range(300):
        deep = [deep]
    assert any(node.unknown for node in tree(deep).walk())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_conversion_never_raises_and_the_proxies_change_nothing(value: object) -> None:
    plain = [(node.path, repr(node.value)) for node in tree({"v": value}).walk()]
    proxied = tree(unknown_checking_proxy({"v": value}))
    assert [(node.path, repr(node.value)) for node in proxied.walk()] == plain
