"""The real vLLM in a child process, as a judge of arguments; see engines/vllm/check_config.py."""

import json
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.serving.environments import python_of
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
        process: The child.
    """

    version: str
    process: subprocess.Popen[str]

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
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        assert said, f"vLLM ended at {case}"
        answer: dict[str, Any] = json.loads(said)
        assert "broken" not in answer, f"{args}\n{answer['broken']}"
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
        process = subprocess.Popen(
            [python_of("vllm"), _SCRIPT],
            cwd=folder,
            env=clean_environment(Path(folder), variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            assert process.stdout is not None
            first: dict[str, str] = json.loads(process.stdout.readline())
            yield ConfigJudge(first["version"], process)
            assert process.stdin is not None
            process.stdin.close()
