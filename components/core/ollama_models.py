"""Models of Ollama's library that are known by heart: digest, size and shape, from a lock.

The lock `ollama_models.json` stands beside this file. A tag of the library can move, the digest of
its manifest cannot.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, StringConstraints

from components.core.settings import PositiveInt, Settings

LOCK_FILE = Path(__file__).with_suffix(".json")
"""The committed lock."""

ManifestDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a model's manifest as `/api/tags` lists it, without a prefix."""


class OllamaShape(Settings):
    """What decides how much memory a model takes beside its files.

    Attributes:
        layers: Layers with attention.
        heads: Attention heads of a layer.
        kv_heads: Heads of keys and values of a layer.
        head_dim: Numbers of a head.
        hidden: Numbers of the hidden state.
        vocabulary: Tokens that it knows.
        context: Tokens that it was made for.
    """

    layers: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt
    head_dim: PositiveInt
    hidden: PositiveInt
    vocabulary: PositiveInt
    context: PositiveInt


class LockedOllamaModel(Settings):
    """One model of the library, resolved.

    Attributes:
        digest: Of its manifest.
        size_bytes: Of its manifest and files together, as `/api/tags` lists it.
        shape: Of the model in it.
        evidence: Where all this comes from.
    """

    digest: ManifestDigest
    size_bytes: PositiveInt
    shape: OllamaShape
    evidence: Annotated[str, Field(min_length=1)]


@cache
def locked_ollama_models() -> Mapping[str, LockedOllamaModel]:
    """All models of the committed lock by `name:tag`."""
    fields = json.loads(LOCK_FILE.read_text(encoding="utf-8"))
    return MappingProxyType(
        {source: LockedOllamaModel.model_validate(entry) for source, entry in fields.items()}
    )
