"""The real vLLM in a child process that lays out KV caches; see engines/vllm/plan_kv_cache.py."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.serving.line_child import LineChild, line_child
from tests.serving.processes import clean_environment

_SCRIPT = Path(__file__).parent / "engines" / "vllm" / "plan_kv_cache.py"

Answer = dict[str, Any]


@dataclass(frozen=True)
class Gpu:
    """What vLLM sees of a GPU.

    Attributes:
        name: As the driver has it.
        memory: Total, bytes.
        capability: (major, minor).
    """

    name: str
    memory: int
    capability: tuple[int, int]


H100 = Gpu("NVIDIA H100 80GB HBM3", 85_028_765_696, (9, 0))


@dataclass(frozen=True)
class Case:
    """A model and how it is to be served.

    Attributes:
        config: Its config.json; it may not be quantised, as kernels are absent.
        settings: By the engine's own names.
        available: Bytes for the KV cache on each GPU.
        gpu: On which.
    """

    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    available: int
    gpu: Gpu = H100


@dataclass(frozen=True)
class RealEngine:
    """A child process that takes a case a line and gives an answer a line.

    Attributes:
        version: The version that it says it is.
        child: The child.
    """

    version: str
    child: LineChild

    def plan(self, case: Case) -> Answer:
        """What vLLM makes of a case."""
        asked = {
            "config": case.config,
            "settings": {**case.settings, "language_model_only": True},
            "gpu": asdict(case.gpu),
            "available": case.available,
        }
        return self.child.ask(asked)


@contextmanager
def real_engine() -> Generator[RealEngine]:
    """Start it, and end it."""
    with TemporaryDirectory() as folder:
        variables = {
            "VLLM_TARGET_DEVICE": "cpu",  # the platform is replaced; see pretend_gpu.py
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_LEVEL": "ERROR",
            "VLLM_CACHE_ROOT": "/vllm",
            "HF_HUB_OFFLINE": "1",
        }
        environment = clean_environment(Path(folder), variables)
        with line_child(_SCRIPT, Path(folder), environment) as child:
            yield RealEngine(child.version, child)
