"""How facts are collected, from what the driver writes and from a torch that fails."""

import time
from pathlib import Path

import pytest

from components.programs.gpu_facts import driver_version
from components.programs.preflight import Facts, Fault, Plan, collect, judge

SOME_GPUS = """
import time

class cuda:
    OutOfMemoryError = RuntimeError
    init = staticmethod(lambda: None)
    device_count = staticmethod(lambda: 3)

    class get_device_properties:
        name, total_memory, major, minor = "NVIDIA L4", 22559 * 2**20, 8, 9
        def __init__(self, index): pass

    def mem_get_info(index):
        return 22100 * 2**20, 22559 * 2**20

    def can_device_access_peer(one, other):
        return {one, other} != {0, 2}

class version:
    cuda = "13.0"

class Product:
    def __matmul__(self, other): return self
    def sum(self): return self
    def item(self): return 64.0**3

__version__ = "2.13.0+cu130"

def ones(*shape, device):
    FIRST_USE
    return Product()
"""


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module `torch` that the child of `collect` will find."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "torch.py"


@pytest.mark.parametrize(
    ("written", "version"),
    [
        # oddmario/NVIDIA-Ubuntu-Driver-Guide issue 4; abetlen/llama-cpp-python issue 1687
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Fri May 31", "550.90.07"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  545.23.08  Release Build",
            "545.23.08",
        ),
        ("something else", ""),
    ],
)
def test_the_driver_s_version_is_read_from_its_kernel_module(
    written: str, version: str, tmp_path: Path
) -> None:
    file = tmp_path / "version"
    file.write_text(written, encoding="utf-8")
    assert driver_version(file) == version


def test_a_node_without_driver_has_no_version(tmp_path: Path) -> None:
    assert driver_version(tmp_path / "version") == ""


def test_a11_a_cuda_that_never_answers_is_called_so_within_its_time(torch: Path) -> None:
    """A11: importing torch, or the start of CUDA, hangs on broken drivers."""
    torch.write_text("import time; time.sleep(600)", encoding="utf-8")
    began = time.monotonic()
    facts = collect(5)
    assert time.monotonic() - began < 30
    (finding,) = judge(facts, Plan(gpus=1, timeout_seconds=5))
    assert finding.fault is Fault.HANG
    assert finding.found.startswith("no answer in 5 s at: import torch")


def test_what_was_known_before_cuda_crashed_is_kept(torch: Path) -> None:
    torch.write_text(SOME_GPUS.replace("FIRST_USE", "import os; os.abort()"), encoding="utf-8")
    facts = collect(30)
    assert (facts.step, facts.error) == ("use the GPUs", "ended with -6")
    assert [gpu.name for gpu in facts.gpus] == ["NVIDIA L4"] * 3
    assert [finding.fault for finding in judge(facts, Plan(gpus=3))] == [Fault.CUDA]


def test_gpus_that_work_are_known_with_their_free_memory_and_their_peers(torch: Path) -> None:
    torch.write_text(SOME_GPUS.replace("FIRST_USE", "pass"), encoding="utf-8")
    facts = collect(30)
    assert (facts.step, facts.torch, facts.cuda) == ("", "2.13.0+cu130", "13.0")
    assert [(gpu.total_mib, gpu.free_mib, gpu.error) for gpu in facts.gpus] == [
        (22559, 22100, "")
    ] * 3
    assert facts.no_peer == ((0, 2),)


def test_the_first_gpu_that_fails_ends_the_questions(torch: Path) -> None:
    """The process of a failed kernel cannot be trusted with the next GPU."""
    fails = "if device == 'cuda:1': raise RuntimeError('CUDA error: unknown\\nadvice')"
    torch.write_text(SOME_GPUS.replace("FIRST_USE", fails), encoding="utf-8")
    facts = collect(30)
    assert [(gpu.free_mib, gpu.error) for gpu in facts.gpus] == [
        (22100, ""),
        (22100, "CUDA error: unknown"),
        (None, ""),
    ]
    assert [finding.fault for finding in judge(facts, Plan(gpus=3))] == [Fault.BROKEN]


def test_a_wrong_product_is_a_broken_gpu(torch: Path) -> None:
    torch.write_text(
        SOME_GPUS.replace("FIRST_USE", "Product.item = lambda self: 1.0"), encoding="utf-8"
    )
    (finding, *_) = judge(collect(30), Plan(gpus=3))
    assert finding.found == '"a wrong product: 1.0" (GPU 0)'


def test_a_torch_that_is_not_there_is_said_in_its_own_words(torch: Path) -> None:
    torch.write_text("raise ImportError('libcudart.so.13: cannot open')", encoding="utf-8")
    facts = collect(30)
    assert facts == Facts(
        devices=facts.devices,
        driver=facts.driver,
        nvidia_visible_devices=facts.nvidia_visible_devices,
        cuda_visible_devices=facts.cuda_visible_devices,
        shm_mib=facts.shm_mib,
        step="import torch",
        error="libcudart.so.13: cannot open",
    )
