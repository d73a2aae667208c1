"""Write a random two-layer Qwen2 that vLLM serves on a CPU: `write_tiny_model.py FOLDER`.

Runs in vLLM's environment, which has torch, transformers and tokenizers; needs no network.
"""

import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: any text is a few hundred known tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate([*alphabet, "he", "ll"])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[("h", "e"), ("l", "l")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    whole = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", bos_token="<|im_start|>", pad_token="<pad>"
    )
    whole.chat_template = CHAT_TEMPLATE
    return whole


def main(folder: str) -> None:
    """Write config, weights and tokenizer.

    Args:
        folder: Where to.
    """
    words = tokenizer()
    config = Qwen2Config(
        vocab_size=len(words),
        hidden_size=256,  # 64 a head: vLLM's CPU attention kernel refuses 16
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32768,
        eos_token_id=words.eos_token_id,
        bos_token_id=words.bos_token_id,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
