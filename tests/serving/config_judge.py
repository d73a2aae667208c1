"""The real vLLM in a child process, as a judge of arguments; see engines/vllm/check_config.py."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.serving.line_child import LineChild, line_child
from tests.serving.processes import clean_environment
from tests.serving.real_engine import H100, Gpu

_SCRIPT = Path(__file__).parent / "engines" / "vllm" / "check_config.py"

L40S = Gpu("NVIDIA L40S", 48_305_799_168, (8, 9))
__all__ = ["H100", "L40S", "ConfigJudge", "Judgement", "config_judge"]


@dataclass(frozen=True)
class Judgement:
    """What vLLM makes of a line.

    Attributes:
        refused: Its words; None where it accepts.
        by: What refused: `parser`, `server` or `engine`; empty where it accepts.
        accepted: What its configuration came to; empty where it refuses.
    """

    refused: str | None
    by: str
    accepted: Mapping[str, Any]


@dataclass(frozen=True)
class ConfigJudge:
    """A child process that takes a case a line and gives an answer a line.

    Attributes:
        version: The version that it says it is.
        child: The child.
    """

    version: str
    child: LineChild

    def judge(
        self,
        args: Sequence[str],
        folders: Mapping[str, Mapping[str, str]],
        gpu: Gpu = L40S,
    ) -> Judgement:
        """What vLLM makes of a container's arguments.

        Args:
            args: The arguments.
            folders: Text by the name of a file, by the path of the folder as the arguments name
                it; a folder with a config.json gets a tokenizer too.
            gpu: What vLLM is to see.
        """
        case = {"args": list(args), "folders": folders, "gpu": asdict(gpu)}
        answer = self.child.ask(case)
        return Judgement(answer.get("refused"), answer.get("by", ""), answer.get("accepted", {}))


@contextmanager
def config_judge() -> Generator[ConfigJudge]:
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
            yield ConfigJudge(child.version, child)
