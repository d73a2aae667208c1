"""A GPU is found however its name is written, and never a wrong one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.hardware import GPUS, find_gpu


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("NVIDIA L4", "l4"),
        ("nvidia-l4", "l4"),
        ("l4 24GB", "l4"),
        ("Tesla T4", "t4"),
        ("Tesla V100-SXM2-16GB", "v100-16gb"),
        ("Tesla V100-PCIE-32GB", "v100-32gb"),
        ("NVIDIA A10", "a10"),
        ("a10g", "a10g"),
        ("NVIDIA A10G", "a10g"),
        ("NVIDIA L40", "l40"),
        ("NVIDIA-L40S", "l40s"),
        ("A100", "a100-80gb"),
        ("A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100-SXM4-40GB", "a100-40gb"),
        ("NVIDIA A100-PCIE-40GB", "a100-40gb-pcie"),
        ("NVIDIA A100 80GB PCIe", "a100-80gb-pcie"),
        ("NVIDIA A100 Tensor Core GPU", "a100-80gb"),
        ("A100-40", "a100-40gb"),
        ("a100_80g", "a100-80gb"),
        ("H100", "h100"),
        ("H100 80GB HBM3", "h100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("h100_sxm", "h100"),
        ("H100-SXM5-80GB", "h100"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H100 80GB HBM2e", "h100-pcie"),
        ("h100pcie", "h100-pcie"),
        ("NVIDIA H100 NVL", "h100-nvl"),
        ("H100 94GB", "h100-nvl"),
        ("NVIDIA H20", "h20"),
        ("NVIDIA H200", "h200"),
        ("H200 141GB SXM", "h200"),
        ("NVIDIA H200 NVL", "h200-nvl"),
        ("NVIDIA GH200 480GB", "gh200-96gb"),
        ("GH200 96GB", "gh200-96gb"),
        ("NVIDIA GH200 144G HBM3e", "gh200-144gb"),
        ("NVIDIA B200", "b200"),
        ("B200 192GB", "b200"),
        ("NVIDIA B300 SXM6", "b300"),
        ("NVIDIA GB10", "gb10"),
        ("DGX Spark", "gb10"),
        ("NVIDIA DGX Spark (GB10)", "gb10"),
        ("NVIDIA GeForce RTX 2080 Ti", "rtx-2080-ti"),
        ("NVIDIA TITAN RTX", "titan-rtx"),
        ("GeForceRTX3090", "rtx-3090"),
        ("3090", "rtx-3090"),
        ("RTX 3090 Ti", "rtx-3090-ti"),
        ("RTX 4060 Ti 16GB", "rtx-4060-ti-16gb"),
        ("RTX 4070 Ti SUPER", "rtx-4070-ti-super"),
        ("rtx_4090", "rtx-4090"),
        ("NVIDIA GeForce RTX 4090 D", "rtx-4090-d"),
        ("RTX 5060 Ti 16 GB GDDR7", "rtx-5060-ti-16gb"),
        ("NVIDIA GeForce RTX 5090", "rtx-5090"),
        ("NVIDIA RTX A2000 12GB", "rtx-a2000-12gb"),
        ("NVIDIA RTX A6000", "rtx-a6000"),
        ("a6000", "rtx-a6000"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
        ("RTX 4000 Ada", "rtx-4000-ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "rtx-pro-6000"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "rtx-pro-6000"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"),
        ("rtx-pro-server-6000", "rtx-pro-6000"),
        ("RTX 6000 Pro", "rtx-pro-6000"),
        ("NVIDIA RTX PRO 4500 Blackwell", "rtx-pro-4500"),
    ],
)
def test_a_name_is_understood_as_people_and_drivers_write_it(written: str, name: str) -> None:
    found = find_gpu(written)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "nvidia",
        "80GB",
        "SXM",
        "GB200",
        "NVIDIA GB300",
        "H800",
        "A800",
        "A1000",
        "A100X",
        "A2",
        "V100S",
        "L4S",
        "L20",
        "MI300X",
        "TPU v5e",
        "L4 48GB",
        "L40S PCIe 96GB",
        "A100 64GB",
        "H100 96GB",
        "H200 80GB",
        "T4 SXM",
        "NVIDIA A10-24Q",
        "NVIDIA A100-SXM4-80GB-MIG-1g.10gb",
        "NVIDIA-L4-SHARED",
        "Quadro RTX 6000",
        "RTX 6000",
        "RTX 5000",
        "RTX 4060 Ti",
        "RTX 4060 Ti 8GB",
        "RTX 5060 Ti",
        "NVIDIA RTX A2000",
        "RTX 3080 12GB",
        "RTX 3080 Ti",
        "RTX 4090 48GB",
        "NVIDIA GeForce RTX 5090 Laptop GPU",
        "RTX 5090 D",
        "RTX PRO 5000 72GB",
        "8xH100",
        "9" * 5000 + "GB",
    ],
)
def test_another_card_is_never_taken_for_one_of_the_catalogue(written: str) -> None:
    assert find_gpu(written) is None


@pytest.mark.parametrize("name", GPUS)
def test_every_catalogue_name_finds_its_own_row(name: str) -> None:
    assert find_gpu(name) is GPUS[name]
    assert find_gpu(f"NVIDIA {name.upper().replace('-', ' ')}") is GPUS[name]


def test_karpenters_label_finds_a_gpu_of_that_label() -> None:
    """`a100` stands for both sizes on AWS; the bare name means 80 GB."""
    for gpu in GPUS.values():
        if gpu.label is not None:
            found = find_gpu(gpu.label)
            assert found is not None
            assert found.label == gpu.label
    assert find_gpu("a100") is GPUS["a100-80gb"]


@given(st.text(max_size=60))
def test_any_text_is_a_known_gpu_or_none(text: str) -> None:
    found = find_gpu(text)
    assert found is None or found is GPUS[found.name]


@given(st.sampled_from(list(GPUS)), st.text(alphabet="abcdefqxyz", min_size=1))
def test_a_longer_word_is_another_card(name: str, tail: str) -> None:
    found = find_gpu(name + tail)
    assert found is None or found.name != name
