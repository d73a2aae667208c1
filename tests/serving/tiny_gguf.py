"""A random two-layer Llama as a GGUF file, of the standard library alone, for the real Ollama.

Its tokens are bytes and letters with the usual special ones; only letters have an output, so that
an answer is text and goes on until it is told to stop.
"""

import random
import string
import struct
from collections.abc import Sequence
from pathlib import Path

LAYERS, HEADS, KV_HEADS, HEAD_DIM = 2, 4, 2, 32
HIDDEN, FEED_FORWARD, CONTEXT = HEADS * HEAD_DIM, 256, 16_384
_SPECIAL = ("<unk>", "<s>", "</s>")
_BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
_LETTERS = ("\u2581", *string.ascii_letters, *string.digits)
VOCABULARY = (*_SPECIAL, *_BYTES, *_LETTERS)
_KINDS = (2, 3, 3, *(6 for _ in _BYTES), *(1 for _ in _LETTERS))
"""Types of tokens: 1 normal, 2 unknown, 3 control, 6 a byte."""

_UINT32, _FLOAT32, _STRING, _ARRAY, _INT32 = 4, 6, 8, 9, 5
_ALIGNMENT = 32


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: str | int | float) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    return struct.pack("<If", _FLOAT32, value)


def _array(kind: int, items: Sequence[bytes]) -> bytes:
    return struct.pack("<IIQ", _ARRAY, kind, len(items)) + b"".join(items)


def _metadata() -> dict[str, bytes]:
    plain: dict[str, str | int | float] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "general.file_type": 0,  # every tensor is of 32-bit floats
        "llama.block_count": LAYERS,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": HIDDEN,
        "llama.feed_forward_length": FEED_FORWARD,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": HEAD_DIM,
        "llama.vocab_size": len(VOCABULARY),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    scores = [struct.pack("<f", -float(place)) for place in range(len(VOCABULARY))]
    return {key: _value(value) for key, value in plain.items()} | {
        "tokenizer.ggml.tokens": _array(_STRING, [_text(token) for token in VOCABULARY]),
        "tokenizer.ggml.scores": _array(_FLOAT32, scores),
        "tokenizer.ggml.token_type": _array(_INT32, [struct.pack("<i", k) for k in _KINDS]),
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    """Tensors and their dimensions, the fastest first."""
    layer = {
        "attn_norm": (HIDDEN,),
        "attn_q": (HIDDEN, HEADS * HEAD_DIM),
        "attn_k": (HIDDEN, KV_HEADS * HEAD_DIM),
        "attn_v": (HIDDEN, KV_HEADS * HEAD_DIM),
        "attn_output": (HEADS * HEAD_DIM, HIDDEN),
        "ffn_norm": (HIDDEN,),
        "ffn_gate": (HIDDEN, FEED_FORWARD),
        "ffn_up": (HIDDEN, FEED_FORWARD),
        "ffn_down": (FEED_FORWARD, HIDDEN),
    }
    whole = {
        "token_embd": (HIDDEN, len(VOCABULARY)),
        "output_norm": (HIDDEN,),
        "output": (HIDDEN, len(VOCABULARY)),
    }
    layers = {f"blk.{at}.{name}": shape for at in range(LAYERS) for name, shape in layer.items()}
    return {f"{name}.weight": shape for name, shape in (whole | layers).items()}


def _numbers(name: str, shape: tuple[int, ...], dice: random.Random) -> bytes:
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    if len(shape) == 1:
        values = [1.0] * count  # a norm
    elif name == "output.weight":
        silent = (len(_SPECIAL) + len(_BYTES)) * HIDDEN
        values = [0.0] * silent + [dice.gauss(0, 0.5) for _ in range(count - silent)]
    else:
        values = [dice.gauss(0, 0.1) for _ in range(count)]
    return struct.pack(f"<{count}f", *values)


def write_tiny_gguf(path: Path, *, seed: int) -> None:
    """Write the model.

    Args:
        path: The file.
        seed: Another one gives another model of the same shape.
    """
    dice = random.Random(seed)
    metadata, shapes = _metadata(), _shapes()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(metadata))
    head += b"".join(_text(key) + value for key, value in metadata.items())
    data = b""
    for name, shape in shapes.items():
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += _text(name) + dimensions + struct.pack("<IQ", 0, len(data))
        data += _numbers(name, shape, dice)
        data += b"\0" * (-len(data) % _ALIGNMENT)
    path.write_bytes(head + b"\0" * (-len(head) % _ALIGNMENT) + data)
