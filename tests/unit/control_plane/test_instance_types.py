import json
from typing import Any

import pytest

from components.core.hardware import INSTANCE_TYPES, Gpu, InstanceType
from tools.control_plane.instance_types import allocatable_mib, instance_types

PRICED = {name: kind for name, kind in INSTANCE_TYPES.items() if kind.usd_per_hour is not None}
ENTRIES = {entry["name"]: entry for entry in instance_types(INSTANCE_TYPES)}


def labels(offering: dict[str, Any]) -> dict[str, str]:
    return {entry["key"]: entry["values"][0] for entry in offering["Requirements"]}


def test_every_type_with_a_price_is_in_the_catalogue_and_no_other() -> None:
    assert set(ENTRIES) == set(PRICED)


@pytest.mark.parametrize("name", sorted(PRICED))
def test_every_type_is_offered_as_spot_and_on_demand_in_two_zones(name: str) -> None:
    offers = [labels(offering) for offering in ENTRIES[name]["offerings"]]
    places = {(o["karpenter.sh/capacity-type"], o["topology.kubernetes.io/zone"]) for o in offers}
    assert places == {
        (capacity, zone)
        for capacity in ("spot", "on-demand")
        for zone in ("us-east-1a", "us-east-1b")
    }
    assert len(offers) == 4


@pytest.mark.parametrize("name", sorted(PRICED))
def test_spot_costs_seven_tenths_of_on_demand(name: str) -> None:
    kind = INSTANCE_TYPES[name]
    assert kind.usd_per_hour is not None
    for offering in ENTRIES[name]["offerings"]:
        spot = labels(offering)["karpenter.sh/capacity-type"] == "spot"
        expected = kind.usd_per_hour * (0.7 if spot else 1)
        assert offering["Price"] == pytest.approx(expected, abs=1e-6)


def test_an_offering_carries_the_labels_that_production_node_pools_select_on() -> None:
    """B13: count, memory and name of the GPUs are requirements of a NodePool."""
    offered = labels(ENTRIES["g6.12xlarge"]["offerings"][0])
    assert (
        offered
        | {
            "node.kubernetes.io/instance-type": "g6.12xlarge",
            "karpenter.k8s.aws/instance-category": "g",
            "karpenter.k8s.aws/instance-family": "g6",
            "karpenter.k8s.aws/instance-generation": "6",
            "karpenter.k8s.aws/instance-size": "12xlarge",
            "karpenter.k8s.aws/instance-gpu-name": "l4",
            "karpenter.k8s.aws/instance-gpu-count": "4",
            "karpenter.k8s.aws/instance-gpu-memory": "22888",
        }
        == offered
    )
    assert ENTRIES["g6.12xlarge"]["resources"]["nvidia.com/gpu"] == "4"


@pytest.mark.parametrize(("name", "mib"), [("g5.xlarge", 14162), ("g6e.2xlarge", 59627)])
def test_allocatable_memory_is_what_karpenter_publishes(name: str, mib: int) -> None:
    assert allocatable_mib(INSTANCE_TYPES[name]) == pytest.approx(mib, abs=1)


def test_pods_never_get_more_memory_than_the_machine_has() -> None:
    for kind in INSTANCE_TYPES.values():
        assert 0.8 * kind.memory_gib * 1024 < allocatable_mib(kind) < kind.memory_gib * 1024


def test_the_catalogue_is_json() -> None:
    assert json.loads(json.dumps(list(ENTRIES.values()))) == list(ENTRIES.values())


def test_a_name_that_is_not_ec2s_is_refused() -> None:
    kind = InstanceType("big", Gpu("l4", 22888), 1, 4, 16, 0, 1.0)
    with pytest.raises(ValueError, match="big is not an EC2 instance type name"):
        instance_types({"big": kind})
