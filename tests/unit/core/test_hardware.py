"""The catalogue of GPUs and instance types is whole, and cannot be changed by accident."""

from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest

from components.core.hardware import INSTANCE_TYPES, InstanceType

ALL = [pytest.param(kind, id=name) for name, kind in INSTANCE_TYPES.items()]


@pytest.mark.parametrize("kind", ALL)
def test_a_row_is_plausible(kind: InstanceType) -> None:
    assert kind.gpu_count in {1, 2, 4, 8}
    assert kind.vcpu >= 4 * kind.gpu_count
    assert kind.memory_gib >= 4 * kind.vcpu
    assert kind.nvme_gb > 0
    assert kind.usd_per_hour is None or 0.3 < kind.usd_per_hour < 100


@pytest.mark.parametrize("kind", ALL)
def test_only_the_families_with_nvlink_say_so(kind: InstanceType) -> None:
    assert kind.gpu.nvlink == kind.name.startswith("p")


def test_within_a_family_more_host_costs_more() -> None:
    families: dict[str, list[InstanceType]] = {}
    for kind in INSTANCE_TYPES.values():
        families.setdefault(kind.name.split(".")[0], []).append(kind)
    for members in families.values():
        priced = [k for k in members if k.usd_per_hour is not None]
        by_size = sorted(priced, key=lambda k: (k.gpu_count, k.vcpu))
        prices = [k.usd_per_hour for k in by_size]
        assert prices == sorted(cast("list[float]", prices))
        assert len({k.gpu for k in members}) == 1


def test_the_gpu_of_the_least_recommended_size_is_there() -> None:
    """Row A8: 16 GB, of which the runtime leaves less; 15 GiB is what a T4 has at least."""
    assert min(kind.gpu.memory_mib for kind in INSTANCE_TYPES.values()) >= 15 * 1024


def test_every_name_is_the_key_of_its_row() -> None:
    assert all(name == kind.name for name, kind in INSTANCE_TYPES.items())
    assert len(INSTANCE_TYPES) == 29


def test_the_catalogue_cannot_be_changed() -> None:
    table = cast("Any", INSTANCE_TYPES)
    with pytest.raises(TypeError):
        table["g6.xlarge"] = None
    row = cast("Any", INSTANCE_TYPES["g6.xlarge"])
    with pytest.raises(FrozenInstanceError):
        row.vcpu = 1
