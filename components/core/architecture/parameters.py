"""Counts of a model's weights, by what tensor parallelism does with them."""

from dataclasses import dataclass

from components.core.architecture.shape import Architecture, Layer


@dataclass(frozen=True)
class Parameters:
    """Weights of a model by their place; every figure is a count, not bytes.

    Attributes:
        embedding: Input embedding.
        head: Output projection, 0 where it is the embedding.
        linear: Attention and dense feed-forward matrices, which tensor parallelism cuts.
        experts: Routed experts.
        replicated: Matrices that every GPU of a layer holds whole.
        vision: The vision tower.
        draft: Layers for multi-token prediction, which stay unloaded without speculation.
        key_value: Key and value projections, among `linear`; copied where GPUs exceed heads.
    """

    embedding: int
    head: int
    linear: int
    experts: int
    replicated: int
    vision: int
    draft: int
    key_value: int

    @property
    def total(self) -> int:
        """All weights that are loaded without speculation."""
        return (
            self.embedding + self.head + self.linear + self.experts + self.replicated + self.vision
        )


def count_parameters(model: Architecture) -> Parameters:
    """Count a model's weights from its shape.

    Norms, biases and small vectors are left out: together less than a thousandth.
    """
    hidden = model.hidden_size
    matrix = model.vocab_size * hidden
    attention = sum(_attention(model, layer) for layer in model.layers)
    dense, experts, shared, routers = _feed_forward(model)
    replicated = routers + sum(_replicated(model, layer) for layer in model.layers)
    per_layer = (attention + dense + shared + experts) // max(1, len(model.layers))
    draft = model.draft_layers * (per_layer + 2 * hidden * hidden)
    if model.latent_ranks and model.draft_layers:  # DeepSeek repeats both embeddings beside them
        draft += 2 * matrix
    return Parameters(
        embedding=matrix + model.vocab_size * model.per_layer_embedding * len(model.layers),
        head=0 if model.tied_embeddings else matrix,
        linear=attention + dense + shared,
        experts=experts,
        replicated=replicated,
        vision=_vision(model),
        draft=draft,
        key_value=sum(
            hidden * layer.kv_heads * (layer.key_dim + layer.value_dim)
            for layer in model.layers
            if layer.kind in {"full", "sliding", "chunked"}
        ),
    )


def _attention(model: Architecture, layer: Layer) -> int:
    hidden = model.hidden_size
    total = 0
    if layer.state is not None:
        state = layer.state
        inner = max(state.conv_channels, state.heads)
        values = _state_values(model, layer)
        total += hidden * (inner + values) + values * hidden
    if layer.kind == "latent" and model.latent_ranks:
        query, latent = model.latent_ranks
        rope = 64
        heads = model.heads
        nope, value = model.head_dim or 128, 128
        width = heads * (nope + rope)
        total += (query or hidden) * width + (latent - rope) * heads * (nope + value)
        total += heads * value * hidden
    elif layer.kind in {"full", "sliding", "chunked"}:
        queries = model.heads * layer.key_dim
        gate = queries if model.model_type.startswith(("qwen3_next", "qwen3_5", "qwen3_6")) else 0
        keys = layer.kv_heads * (layer.key_dim + layer.value_dim)
        total += hidden * (queries + gate + keys) + model.heads * layer.value_dim * hidden
    return total


def _state_values(model: Architecture, layer: Layer) -> int:
    """Width of a recurrent layer's output before its projection."""
    state = layer.state
    if state is None:
        return 0
    if not state.heads:
        return state.conv_channels
    if not state.conv_channels:
        return model.heads * model.head_dim
    if state.groups:
        return state.conv_channels - state.groups * state.group_channels
    if state.heads == state.conv_channels:  # Mamba 1
        return state.heads
    return min(state.conv_channels, state.heads * max(1, round(state.head_elements**0.5)))


def _replicated(model: Architecture, layer: Layer) -> int:
    if layer.kind != "latent" or not model.latent_ranks:
        return 0
    query, latent = model.latent_ranks
    return model.hidden_size * (query + latent)


def _feed_forward(model: Architecture) -> tuple[int, int, int, int]:
    """Dense layers, routed experts, shared experts, routers."""
    hidden, matrices = model.hidden_size, 3 if model.gated else 2
    moe = model.experts
    if moe is None:
        return _dense_layers(model) * matrices * hidden * model.intermediate_size, 0, 0, 0
    sparse = len(moe.layers)
    dense = (_dense_layers(model) - sparse) if model.model_type != "nemotron_h" else 0
    return (
        max(0, dense) * matrices * hidden * model.intermediate_size,
        sparse * moe.count * matrices * moe.hidden_size * moe.intermediate_size,
        sparse * matrices * hidden * moe.shared_intermediate_size,
        sparse * moe.count * hidden,
    )


def _dense_layers(model: Architecture) -> int:
    """Layers that have a feed-forward part: in Nemotron-H they stand alone."""
    if model.model_type == "nemotron_h":
        return model.count("none")
    return len(model.layers)


def _vision(model: Architecture) -> int:
    tower = model.vision
    if tower is None:
        return 0
    attention = 4 * tower.hidden_size**2
    return tower.layers * (attention + 2 * tower.hidden_size * tower.intermediate_size)
