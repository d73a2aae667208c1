"""The catalogue of GPUs and instance types is whole, and cannot be changed by accident."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, cast

import pytest

from components.core.hardware import (
    GPUS,
    INSTANCE_TYPES,
    PRICE_LIST_DATE,
    PRICE_LIST_REGION,
    Gpu,
    InstanceType,
)

ROOT = Path(__file__).parents[3]
ALL_TYPES = [pytest.param(kind, id=name) for name, kind in INSTANCE_TYPES.items()]
ALL_GPUS = [pytest.param(gpu, id=name) for name, gpu in GPUS.items()]
FP8_SINCE = (8, 9)


@pytest.mark.parametrize("kind", ALL_TYPES)
def test_a_type_is_plausible(kind: InstanceType) -> None:
    assert kind.gpu_count in {1, 2, 4, 8}
    assert kind.vcpu >= 4 * kind.gpu_count
    assert kind.memory_gib >= 4 * kind.vcpu
    assert kind.nvme_gb > 0
    assert 0 <= kind.efa <= 32
    assert kind.usd_per_hour is None or 0.3 < kind.usd_per_hour < 150


@pytest.mark.parametrize("kind", ALL_TYPES)
def test_only_p_types_with_several_gpus_join_them_by_nvlink(kind: InstanceType) -> None:
    assert kind.nvlink == (kind.name.startswith("p") and kind.gpu_count > 1)
    assert not kind.nvlink or kind.gpu.nvlink_gb_per_s is not None


@pytest.mark.parametrize("kind", ALL_TYPES)
def test_a_type_carries_a_gpu_that_karpenter_labels(kind: InstanceType) -> None:
    assert kind.gpu is GPUS[kind.gpu.name]
    assert kind.gpu.label is not None


def test_within_a_family_more_host_for_the_same_gpus_costs_more() -> None:
    """A g4dn.16xlarge with one GPU costs more than a g4dn.12xlarge with four, so count matters."""
    rows: dict[tuple[str, int], list[InstanceType]] = {}
    for kind in INSTANCE_TYPES.values():
        rows.setdefault((kind.name.split(".")[0], kind.gpu_count), []).append(kind)
    for members in rows.values():
        by_size = sorted(members, key=lambda k: k.vcpu)
        prices = [k.usd_per_hour for k in by_size if k.usd_per_hour is not None]
        assert prices == sorted(prices)
        assert len({k.vcpu for k in members}) == len(members)


def test_a_family_has_one_kind_of_gpu() -> None:
    kinds = {(kind.name.split(".")[0], kind.gpu) for kind in INSTANCE_TYPES.values()}
    assert len(kinds) == len({family for family, _ in kinds})


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("g4dn.metal", ("t4", 8, 96, 384, 1800, 1, 7.824)),
        ("g5.24xlarge", ("a10g", 4, 96, 384, 3800, 1, 8.144)),
        ("gr6.4xlarge", ("l4", 1, 16, 128, 600, 0, 1.5392)),
        ("g6e.48xlarge", ("l40s", 8, 192, 1536, 7600, 4, 30.13118)),
        ("g7.12xlarge", ("rtx-pro-4500", 2, 48, 192, 1900, 1, 7.12832)),
        ("g7e.24xlarge", ("rtx-pro-6000", 4, 96, 1024, 7600, 2, 16.57216)),
        ("p4d.24xlarge", ("a100-40gb", 8, 96, 1152, 8000, 4, 21.957642)),
        ("p4de.24xlarge", ("a100-80gb", 8, 96, 1152, 8000, 4, 27.44705)),
        ("p5.4xlarge", ("h100", 1, 16, 256, 3800, 1, 6.88)),
        ("p5e.48xlarge", ("h200", 8, 192, 2048, 30400, 32, None)),
        ("p6-b200.48xlarge", ("b200", 8, 192, 2048, 30400, 8, 113.9328)),
        ("p6-b300.48xlarge", ("b300", 8, 192, 4096, 30400, 16, 142.416)),
    ],
)
def test_a_type_is_as_karpenter_lists_it(name: str, facts: tuple[object, ...]) -> None:
    t = INSTANCE_TYPES[name]
    told = (t.gpu.name, t.gpu_count, t.vcpu, t.memory_gib, t.nvme_gb, t.efa, t.usd_per_hour)
    assert told == facts


@pytest.mark.parametrize(
    ("name", "label", "mib"),
    [
        ("t4", "t4", 16384),
        ("a10g", "a10g", 22888),
        ("l4", "l4", 22888),
        ("l40s", "l40s", 45776),
        ("rtx-pro-4500", "rtx-pro-4500", 32768),
        ("rtx-pro-6000", "rtx-pro-server-6000", 98304),
        ("a100-40gb", "a100", 40960),
        ("a100-80gb", "a100", 81920),
        ("h100", "h100", 81920),
        ("h200", "h200", 144384),
        ("b200", "b200", 183359),
        ("b300", "b300", 275040),
    ],
)
def test_labels_are_karpenters(name: str, label: str, mib: int) -> None:
    assert (GPUS[name].label, GPUS[name].memory_mib) == (label, mib)


@pytest.mark.parametrize("gpu", ALL_GPUS)
def test_cuda_reports_a_little_less_than_the_nominal_memory(gpu: Gpu) -> None:
    assert gpu.cuda_low_mib is not None
    assert gpu.cuda_memory_mib is not None
    assert gpu.cuda_high_mib is not None
    assert gpu.cuda_low_mib <= gpu.cuda_memory_mib <= gpu.cuda_high_mib
    assert 0.9 * gpu.memory_mib < gpu.cuda_memory_mib < 1.02 * gpu.memory_mib


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("l4", 22.03),
        ("a10g", 22.06),
        ("l40s", 44.40),
        ("a100-40gb", 39.49),
        ("a100-80gb", 79.25),
        ("h100", 79.19),
        ("h200", 139.80),
        ("b200", 178.35),
        ("b300", 267.69),
        ("rtx-4090", 23.52),
        ("rtx-5090", 31.36),
        ("rtx-a6000", 47.43),
    ],
)
def test_the_total_is_what_engines_print(name: str, gib: float) -> None:
    total = GPUS[name].cuda_memory_mib
    assert total is not None
    assert total / 1024 == pytest.approx(gib, abs=0.006)


@pytest.mark.parametrize("gpu", ALL_GPUS)
def test_a_gpu_has_fp8_from_compute_capability_8_9_on(gpu: Gpu) -> None:
    assert gpu.compute_capability is not None
    assert gpu.tflops_16bit is not None
    assert (gpu.tflops_fp8 is not None) == (gpu.compute_capability >= FP8_SINCE)
    assert gpu.tflops_fp8 is None or gpu.tflops_16bit <= gpu.tflops_fp8 < 2.1 * gpu.tflops_16bit


@pytest.mark.parametrize("gpu", ALL_GPUS)
def test_nvlink_is_faster_than_pcie(gpu: Gpu) -> None:
    assert gpu.pcie_gb_per_s in {32, 50, 64, 128}
    assert gpu.nvlink_gb_per_s is None or gpu.nvlink_gb_per_s > gpu.pcie_gb_per_s


def test_only_the_dgx_spark_shares_its_memory_with_the_host() -> None:
    assert [gpu.name for gpu in GPUS.values() if gpu.unified_memory] == ["gb10"]


def test_the_gpu_of_the_least_recommended_size_is_there() -> None:
    """Row A8: 16 GB, of which the runtime leaves less; 15 GiB is what a T4 has at least."""
    assert min(kind.gpu.memory_mib for kind in INSTANCE_TYPES.values()) >= 15 * 1024


def test_every_name_is_the_key_of_its_row() -> None:
    assert all(name == kind.name for name, kind in INSTANCE_TYPES.items())
    assert all(name == gpu.name for name, gpu in GPUS.items())
    assert (len(INSTANCE_TYPES), len(GPUS)) == (53, 57)


def test_prices_say_when_and_where_they_hold() -> None:
    assert (PRICE_LIST_DATE.isoformat(), PRICE_LIST_REGION) == ("2026-07-20", "us-east-1")


def test_own_hardware_needs_only_what_its_owner_knows() -> None:
    own = InstanceType("rack-7", Gpu("mystery", 48 * 1024), gpu_count=2, vcpu=32, memory_gib=256)
    assert (own.usd_per_hour, own.nvlink, own.gpu.bandwidth_gb_per_s) == (None, False, None)


def test_the_catalogue_cannot_be_changed() -> None:
    for table in (cast("Any", INSTANCE_TYPES), cast("Any", GPUS)):
        with pytest.raises(TypeError):
            table["g6.xlarge"] = None
    row = cast("Any", INSTANCE_TYPES["g6.xlarge"])
    with pytest.raises(FrozenInstanceError):
        row.vcpu = 1


def test_the_catalogue_is_read_from_any_working_directory(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import components.core.hardware as h; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(len(h.INSTANCE_TYPES), 'pydantic' in sys.modules)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["53", "False"]
