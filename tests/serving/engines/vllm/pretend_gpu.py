"""A CUDA platform without a GPU: vLLM builds its configuration and layers as it would on one.

Weights are on the device `meta`, which has shapes and no memory. Compiled kernels are absent and
never called; where vLLM asks whether they are there, it is told yes. Other processes are never
started: a rank of a group is a value.
"""

# ruff: noqa: SLF001, E402 - vLLM keeps its platform and its groups in module variables, and what
# it looks for while it is imported has to be there before
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import torch

_KERNELS = (
    *("_C_stable_libtorch", "_moe_C_stable_libtorch", "_flashmla_C", "_flashmla_extension_C"),
    *("vllm_flash_attn._vllm_fa2_C", "vllm_flash_attn._vllm_fa3_C"),
)
for _kernel in _KERNELS:
    _module = ModuleType(f"vllm.{_kernel}")
    _module.__spec__ = ModuleSpec(_module.__name__, None)
    sys.modules[_module.__name__] = _module


_HOLLOW = ("torchvision", "vllm.third_party.flashmla", "cutlass")


class _Hollow(Loader, MetaPathFinder):
    """Packages that the CPU build lacks: processors of pictures import them, or kernels do."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        hollow = fullname.startswith(_HOLLOW)
        return ModuleSpec(fullname, self, is_package=True) if hollow else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        module.__getattr__ = lambda _: MagicMock()
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is in it."""


sys.meta_path.insert(0, _Hollow())

import vllm.platforms
import vllm.triton_utils
from vllm.platforms.cuda import CudaPlatformBase
from vllm.platforms.interface import DeviceCapability

_GROUPS = ("_WORLD", "_TP", "_PP", "_DP", "_EP", "_DCP", "_PCP", "_ETP", "_INNER_DP_WORLD")


class PretendGpu(CudaPlatformBase):
    """An NVIDIA GPU of the name, memory in bytes and capability that `gpu` has."""

    gpu = SimpleNamespace(name="NVIDIA H100 80GB HBM3", memory=85_028_765_696, capability=(9, 0))

    @classmethod
    def get_device_capability(cls, device_id: int = 0) -> DeviceCapability:  # noqa: ARG003 - theirs
        return DeviceCapability(*cls.gpu.capability)

    @classmethod
    def get_device_name(cls, device_id: int = 0) -> str:  # noqa: ARG003 - theirs
        return cls.gpu.name

    @classmethod
    def get_device_total_memory(cls, device_id: int = 0) -> int:  # noqa: ARG003 - theirs
        return cls.gpu.memory

    @classmethod
    def is_fully_connected(cls, device_ids: list[int]) -> bool:  # noqa: ARG003 - theirs
        return True

    @classmethod
    def num_compute_units(cls, device_id: int = 0) -> int:  # noqa: ARG003 - theirs
        return 132

    @classmethod
    def is_integrated_gpu(cls, device_id: int = 0) -> bool:  # noqa: ARG003 - theirs
        return False

    @classmethod
    def device_count(cls) -> int:
        return 64

    @classmethod
    def current_device(cls) -> torch.device:
        return torch.device("meta")


vllm.platforms._current_platform = PretendGpu()
vllm.triton_utils.triton.Config = lambda kwargs, **others: SimpleNamespace(kwargs=kwargs, **others)

import vllm._custom_ops
import vllm.config.vllm
import vllm.distributed.parallel_state
import vllm.model_executor.models.registry

for _name in dir(vllm._custom_ops):
    if "support" in _name:
        setattr(vllm._custom_ops, _name, lambda *_, **__: True)
torch.cuda.Stream = torch.cuda.Event = MagicMock
vllm.config.vllm.HAS_TRITON = True  # as on a GPU, where the newer model runner is the default
# Looking at a model class happens in a process of its own, which would not have this platform.
vllm.model_executor.models.registry._run_in_subprocess = lambda look: look()


def join(tensor: int, stages: int, stage: int) -> None:
    """Be the first rank of a pipeline's stage.

    Args:
        tensor: Ranks that share a layer.
        stages: Of the pipeline.
        stage: Which of them.
    """
    for name in _GROUPS:
        setattr(vllm.distributed.parallel_state, name, _rank(0, 1))
    vllm.distributed.parallel_state._WORLD = _rank(stage * tensor, stages * tensor)
    vllm.distributed.parallel_state._TP = vllm.distributed.parallel_state._EP = _rank(0, tensor)
    vllm.distributed.parallel_state._PP = _rank(stage, stages)


def _rank(rank: int, size: int) -> SimpleNamespace:
    return SimpleNamespace(
        world_size=size,
        rank=rank,
        rank_in_group=rank,
        local_rank=rank,
        ranks=list(range(size)),
        is_first_rank=rank == 0,
        is_last_rank=rank == size - 1,
        device=torch.device("meta"),
        device_group=SimpleNamespace(size=lambda: size, rank=lambda: rank),
        cpu_group=None,
        device_communicator=None,
        use_device_communicator=False,
        unique_name="",
    )


class MissingKernels:
    """While it is entered, an operation that is not compiled in is one that does nothing."""

    def __enter__(self) -> None:
        namespace = torch._ops._OpNamespace
        self._real = namespace.__getattr__
        namespace.__getattr__ = self._look_up
        PretendGpu.device_type = "meta"

    def __exit__(self, *_: object) -> None:
        torch._ops._OpNamespace.__getattr__ = self._real
        PretendGpu.device_type = "cuda"

    @property
    def _look_up(self):  # noqa: ANN202 - a function that becomes a method of theirs
        real = self._real

        def look_up(namespace: object, name: str) -> object:
            try:
                return real(namespace, name)
            except AttributeError:
                if name.startswith("__"):
                    raise
                return MagicMock()

        return look_up
