"""Write random models of two layers that vLLM serves on a CPU: `write_tiny_models.py FOLDER`.

Into its folders `chat`, `embed` and `rerank`, and `adapter` for a LoRA adapter of the chat model.
Runs in vLLM's environment, which has torch, transformers and tokenizers; needs no network.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForSequenceClassification,
    Qwen3Model,
)

CHAT_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>"
    "\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
"""In the manner of Qwen: tools as JSON in a system message, for the parser `hermes`."""
_RANK = 8
_HIDDEN = 256  # 64 a head: vLLM's CPU attention kernel refuses 16
_SHAPE = {
    "hidden_size": _HIDDEN,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: any text is a few hundred known tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate([*alphabet, "he", "ll"])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[("h", "e"), ("l", "l")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    whole = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        bos_token="<|im_start|>",
        pad_token="<pad>",
    )
    # Text that is a token each, as in Qwen's models; not special, or it would not be answered.
    whole.add_tokens(["<tool_call>", "</tool_call>", "<think>", "</think>"])
    whole.chat_template = CHAT_TEMPLATE
    return whole


def write_model(kind: str, folder: Path) -> None:
    """Write config, weights and tokenizer.

    Args:
        kind: `chat`, `embed` or `rerank`.
        folder: Where to.
    """
    words = tokenizer()
    shape = _SHAPE | {
        "vocab_size": len(words),
        "eos_token_id": words.eos_token_id,
        "bos_token_id": words.bos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    torch.manual_seed(0)
    if kind == "chat":
        model = Qwen2ForCausalLM(Qwen2Config(**shape))
    elif kind == "embed":
        model = Qwen3Model(Qwen3Config(**shape, head_dim=64))
    else:
        model = Qwen3ForSequenceClassification(Qwen3Config(**shape, head_dim=64, num_labels=1))
    # Not bfloat16: the kernels for it use AMX where a CPU says that it has that, and a process of
    # a virtual machine was seen to end by SIGILL in them, at its first request.
    model.to(torch.float16).save_pretrained(folder)
    words.save_pretrained(folder)


def write_adapter(folder: Path) -> None:
    """Write a LoRA adapter so strong that no greedy answer stays what it was.

    Args:
        folder: Where to.
    """
    modules = {"q_proj": (_HIDDEN, _HIDDEN), "o_proj": (_HIDDEN, _HIDDEN)}
    torch.manual_seed(1)
    tensors = {}
    for layer in range(_SHAPE["num_hidden_layers"]):
        for name, (outputs, inputs) in modules.items():
            key = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{key}.lora_A.weight"] = torch.randn(_RANK, inputs, dtype=torch.float16)
            tensors[f"{key}.lora_B.weight"] = torch.randn(outputs, _RANK, dtype=torch.float16)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": _RANK,
        "lora_alpha": 2 * _RANK,
        "target_modules": sorted(modules),
        "base_model_name_or_path": "tiny",
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


def main(folder: Path) -> None:
    """Write all of them: importing takes longer than writing.

    Args:
        folder: Where to.
    """
    for kind in ("chat", "embed", "rerank"):
        write_model(kind, folder / kind)
    write_adapter(folder / "adapter")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
