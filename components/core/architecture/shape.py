"""What a model's config.json says about memory, as values: layers, experts, storage of weights."""

from dataclasses import dataclass
from typing import Literal

LayerKind = Literal["full", "latent", "sliding", "chunked", "state", "none"]


@dataclass(frozen=True)
class State:
    """Memory of a recurrent layer: one fixed state a request, whatever its length.

    Attributes:
        conv_channels: Channels of the convolution's state, divided by tensor parallelism.
        conv_length: Steps it keeps, one less than its kernel.
        heads: Heads of the recurrent state, divided by tensor parallelism.
        head_elements: Elements of one head's state.
        wide: Whether the recurrent state is float32 whatever the model's dtype.
        groups: Groups among the channels, replicated where tensor parallelism exceeds them.
        group_channels: Channels of one group.
    """

    conv_channels: int
    conv_length: int
    heads: int
    head_elements: int
    wide: bool = False
    groups: int = 0
    group_channels: int = 0

    def stored_bytes(self, tensor_parallel: int, dtype_bytes: int, speculative: int = 0) -> int:
        """Bytes of one layer's state on one GPU, by vLLM's `mamba_utils.py`.

        Args:
            tensor_parallel: GPUs that share a layer.
            dtype_bytes: Bytes of an element in the model's dtype.
            speculative: Draft tokens a step, each of which the convolution keeps.
        """
        channels = self.conv_channels
        if self.groups % tensor_parallel if self.groups else False:
            channels += (tensor_parallel - self.groups) * self.group_channels
        conv = channels // tensor_parallel * (self.conv_length + speculative) * dtype_bytes
        recurrent = self.heads // tensor_parallel * self.head_elements
        return conv + recurrent * (4 if self.wide else dtype_bytes)


@dataclass(frozen=True)
class Layer:
    """What one decoder layer keeps for a request.

    Attributes:
        kind: `full` attention; `latent` is MLA; `sliding` and `chunked` see `window` tokens;
            `state` is recurrent; `none` keeps nothing.
        kv_heads: Heads of keys and values before tensor parallelism; 1 for `latent`.
        key_dim: Elements of a key; for `latent` of the whole latent.
        value_dim: Elements of a value; 0 for `latent`.
        window: Tokens, for `sliding` and `chunked`.
        extra_bytes: Further bytes a token, such as a sparse attention's index.
        sparse: Whether `latent` attention reads tokens that an index chooses.
        state: For `state`.
    """

    kind: LayerKind
    kv_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    window: int = 0
    extra_bytes: int = 0
    sparse: bool = False
    state: State | None = None


@dataclass(frozen=True)
class Experts:
    """A mixture of experts.

    Attributes:
        count: Routed experts in a layer.
        per_token: Routed experts that a token visits.
        intermediate_size: Width of one routed expert.
        hidden_size: Width of what it reads and writes.
        shared_intermediate_size: Width of what every token visits besides.
        layers: Indices of the layers that have experts.
    """

    count: int
    per_token: int
    intermediate_size: int
    hidden_size: int
    shared_intermediate_size: int
    layers: frozenset[int]


@dataclass(frozen=True)
class Quantization:
    """How weights are stored.

    Attributes:
        method: Name of vLLM's `--quantization`, for instance `awq` or `compressed-tensors`.
        bits: Of a stored weight, without scales.
        group_size: Weights that share a scale along the input; 0 for a whole channel or block.
        floating: Whether a weight is a small float (FP8, FP4), not an integer.
        activations: Whether activations are quantised too, which needs the GPU's own units.
        experts_only: Whether all but the routed experts stay as they were.
        fp8_kv_cache: Whether the checkpoint asks for an FP8 KV cache.
        block: Rows of a quantised block that tensor parallelism must not cut; 0 for none.
    """

    method: str
    bits: int
    group_size: int = 0
    floating: bool = False
    activations: bool = False
    experts_only: bool = False
    fp8_kv_cache: bool = False
    block: int = 0

    @property
    def bytes_per_weight(self) -> float:
        """Bytes that one weight takes with its share of scales and zero points."""
        if self.group_size <= 0:
            return self.bits / 8
        scale = 1.0 if self.floating else 2.0 + self.bits / 8
        return self.bits / 8 + scale / self.group_size


@dataclass(frozen=True)
class Vision:
    """A tower that reads images: its width, depth and inner width."""

    hidden_size: int
    layers: int
    intermediate_size: int


@dataclass(frozen=True)
class Architecture:
    """A model's shape, as far as memory and speed depend on it.

    Attributes:
        name: First entry of `architectures`, a class of the engine.
        model_type: Of the language model.
        hidden_size: Width of the residual stream.
        intermediate_size: Width of a dense feed-forward layer.
        heads: Attention heads.
        kv_heads: Heads of keys and values.
        head_dim: Elements of a head.
        vocab_size: Tokens of the vocabulary.
        max_position: Longest context in tokens, rope scaling included.
        dtype_bytes: Bytes of an unquantised weight as the engine loads it.
        stored_dtype_bytes: Bytes of an unquantised weight in the checkpoint.
        tied_embeddings: Whether input and output embeddings are one matrix.
        layers: Decoder layers in order.
        experts: None for a dense model.
        quantization: None for 16 or 32-bit weights.
        vision: None for a text model.
        draft_layers: Layers for multi-token prediction, in the checkpoint yet not loaded without
            speculative decoding.
        latent_ranks: (query rank, latent with its rope part) of MLA, whose down projections every
            GPU holds whole; None otherwise.
        per_layer_embedding: Width of a second embedding of every layer (Gemma 3n, 4), else 0.
        gated: Whether feed-forward layers have a gate (three matrices, else two).
    """

    name: str
    model_type: str
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    max_position: int
    dtype_bytes: int
    stored_dtype_bytes: int
    tied_embeddings: bool
    layers: tuple[Layer, ...]
    experts: Experts | None = None
    quantization: Quantization | None = None
    vision: Vision | None = None
    draft_layers: int = 0
    latent_ranks: tuple[int, int] | None = None
    per_layer_embedding: int = 0
    gated: bool = True

    def count(self, kind: LayerKind) -> int:
        """Layers of a kind."""
        return sum(layer.kind == kind for layer in self.layers)
