"""An adapter is locked as a model is, and one that vLLM cannot load is not."""

from pathlib import Path

import pytest

from components.core.adapter import Adapter
from components.core.model_lock import locked_model
from tests.unit.tools_models.conftest import Locked, one_sentence
from tests.unit.tools_models.hub import FIRST, MODEL, Content, FakeHub, Weights, as_json, config

ADAPTER = {
    "peft_type": "LORA",
    "base_model_name_or_path": "Qwen/Qwen3-8B",
    "r": 8,
    "lora_alpha": 16,
    "target_modules": ["q_proj"],
}


def _adapter(**changes: object) -> dict[str, Content]:
    return {
        "README.md": b"# adapter\n",
        "adapter_config.json": as_json(ADAPTER | changes),
        "adapter_model.safetensors": Weights(300, "a" * 64),
        "tokenizer.json": b"{}",
        "training_args.bin": Weights(5, "b" * 64),
    }


def test_an_adapter_is_locked_with_its_two_files(lock: Locked, hub: FakeHub, folder: Path) -> None:
    hub.commits[FIRST] = _adapter()
    assert lock(MODEL) == 0
    found = locked_model(MODEL, FIRST, folder)
    assert found.adapter == Adapter("Qwen/Qwen3-8B", 8, 16.0, ("q_proj",))
    assert [file.path for file in found.files] == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert (found.weight_bytes, found.ignored) == (300, ("training_args.bin",))
    assert found.unverifiable == ()
    assert {path.rpartition("/")[2] for path in hub.paths[1:]} == {"adapter_config.json"}


def test_its_base_s_config_beside_it_makes_no_model_of_an_adapter(
    lock: Locked, hub: FakeHub, folder: Path
) -> None:
    hub.commits[FIRST] = _adapter() | {"config.json": config()}
    assert lock(MODEL) == 0
    assert locked_model(MODEL, FIRST, folder).adapter is not None


def test_an_adapter_s_files_beside_a_whole_model_make_no_adapter_of_it(
    lock: Locked, hub: FakeHub, folder: Path
) -> None:
    hub.commits[FIRST] |= _adapter()
    assert lock(MODEL) == 0
    found = locked_model(MODEL, FIRST, folder)
    assert (found.adapter, found.weight_bytes) == (None, 400)
    assert "adapter_model.safetensors" in found.ignored


@pytest.mark.parametrize(
    "case",
    [
        ({"use_dora": True}, "adapter_config.json of team/model: use_dora is set, and vLLM does"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is lm_head"),
        ({"peft_type": "PREFIX_TUNING"}, "peft_type is 'PREFIX_TUNING'"),
    ],
)
def test_an_adapter_that_vllm_does_not_load_is_not_locked(
    lock: Locked,
    hub: FakeHub,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    case: tuple[dict[str, object], str],
) -> None:
    changes, sentence = case
    hub.commits[FIRST] = _adapter(**changes)
    assert lock(MODEL) == 1
    assert sentence in one_sentence(capsys.readouterr().err)
    assert not folder.exists()


def test_an_adapter_in_another_format_is_not_locked(
    lock: Locked, hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _adapter()
    files["adapter_model.bin"] = files.pop("adapter_model.safetensors")
    hub.commits[FIRST] = files
    assert lock(MODEL) == 1
    assert "but no adapter_model.safetensors" in one_sentence(capsys.readouterr().err)
