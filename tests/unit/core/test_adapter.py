"""What is read of a LoRA adapter, and what is refused before vLLM would."""

import pytest

from components.core.adapter import Adapter, AdapterError, is_adapter, read_adapter

PUBLISHED: dict[str, object] = {
    "peft_type": "LORA",
    "base_model_name_or_path": "Qwen/Qwen3-8B",
    "r": 16,
    "lora_alpha": 32,
    "target_modules": ["q_proj", "v_proj"],
    "bias": "none",
    "modules_to_save": None,
    "use_dora": False,
    "rank_pattern": {},
}


def test_rank_scaling_layers_and_base_are_read() -> None:
    assert read_adapter(PUBLISHED) == Adapter("Qwen/Qwen3-8B", 16, 32.0, ("q_proj", "v_proj"))
    linear = read_adapter(PUBLISHED | {"target_modules": "all-linear"})
    assert linear.target_modules == ("all-linear",)


def test_a_classifier_may_save_its_head() -> None:
    assert read_adapter(PUBLISHED | {"modules_to_save": ["score"]}).rank == 16


def test_an_adapter_is_told_from_a_model() -> None:
    assert is_adapter(PUBLISHED)
    assert not is_adapter({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3', and vLLM loads LORA alone"),
        ({"use_dora": True}, "vLLM does not load DoRA: merge it into its base model"),
        ({"modules_to_save": ["lm_head", "score"]}, "modules_to_save is lm_head, and vLLM"),
        ({"bias": "all"}, "bias is 'all', and vLLM loads none"),
        ({"rank_pattern": {"q_proj": 4}}, "vLLM scales every layer by the one r and lora_alpha"),
        ({"alpha_pattern": {"q_proj": 4}}, "vLLM scales every layer by the one r and lora_alpha"),
        ({"r": 0}, "r is 0, and vLLM takes ranks from 1 to 512"),
        ({"r": 513}, "r is 513, and vLLM takes ranks from 1 to 512"),
        ({"r": True}, "r is True, and vLLM takes ranks"),
        ({"r": "16"}, "r is '16', and vLLM takes ranks"),
        ({"lora_alpha": None}, "lora_alpha is None and no number"),
        ({"target_modules": []}, "target_modules names no layer"),
        ({"target_modules": None}, "target_modules names no layer"),
        ({"target_modules": [1]}, "target_modules names no layer"),
        ({"base_model_name_or_path": None}, "base_model_name_or_path names no model"),
    ],
)
def test_what_the_engine_cannot_load_is_one_sentence(
    change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(AdapterError) as refused:
        read_adapter(PUBLISHED | change)
    assert sentence in str(refused.value)
