"""Which LoRA adapters are refused, against vLLM's own check of an adapter_config.json."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.core.adapter import AdapterError, read_adapter
from components.core.model_lock import LOCK_FOLDER, read_lock_file
from tests.serving.processes import clean_environment

pytestmark = pytest.mark.timeout(3600)  # the first test may install vLLM

_SCRIPT = Path(__file__).parent / "engines" / "vllm" / "check_adapters.py"
_PLAIN: dict[str, Any] = {
    "peft_type": "LORA",
    "base_model_name_or_path": "Qwen/Qwen3-8B",
    "r": 16,
    "lora_alpha": 32,
    "target_modules": ["q_proj", "v_proj"],
    "modules_to_save": None,
}
_CASES = [
    _PLAIN,
    *(
        _PLAIN | change
        for change in (
            {"use_rslora": True},
            {"target_modules": "all-linear"},
            {"modules_to_save": ["score"]},
            {"modules_to_save": ["lm_head"]},
            {"use_dora": True},
            {"bias": "all"},
            {"r": 0},
            {"r": 512},
            {"r": 513},
        )
    ),
    {key: value for key, value in _PLAIN.items() if key != "lora_alpha"},
    {key: value for key, value in _PLAIN.items() if key != "target_modules"},
]


def _is_refused(config: dict[str, Any]) -> bool:
    try:
        read_adapter(config)
    except AdapterError:
        return True
    return False


def test_adapters_are_refused_as_vllm_refuses_them(vllm_python: Path, tmp_path: Path) -> None:
    locked = [read_lock_file(path) for path in sorted(LOCK_FOLDER.glob("*.json"))]
    cases = [*_CASES, *(lock.config for lock in locked if lock.adapter)]
    done = subprocess.run(
        [vllm_python, _SCRIPT],
        input=json.dumps(cases),
        env=clean_environment(tmp_path, {"HF_HUB_OFFLINE": "1"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert [bool(text) for text in said] == [_is_refused(config) for config in cases]
    assert sum(map(bool, said)) == 7
    assert "vLLM does not yet support DoRA." in said[5]
