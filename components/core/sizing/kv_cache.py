"""Exact arithmetic of the KV cache: what a block costs, and how many a request takes.

Follows vLLM's `v1/core/kv_cache_utils.py` and `v1/kv_cache_interface.py`: layers of one kind form
groups of equal size, all groups draw blocks from one pool, and a block of any group costs as many
bytes as the widest group's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.core.architecture import Architecture
from components.core.architecture.shape import Layer
from components.core.sizing.defaults import Resolved
from components.core.sizing.request import Load

_BLOCK_TOKENS = 16
_LATENT_BLOCK_TOKENS = 64
_HYBRID_SINCE = (0, 9, 0)
_CONCURRENCY_COUNTED = (0, 20, 1)
_NULL_BLOCK_RESERVED = (0, 29, 0)
_FIRST_GROUP_CHECKED, _ALL_GROUPS_CHECKED = (0, 14, 0), (0, 19, 0)
"""In between, the start-up check looked at the first group alone, so mixed models passed it."""
_ELEMENT_BYTES = {
    "auto": 0.0, "float16": 2.0, "half": 2.0, "bfloat16": 2.0, "float": 4.0, "float32": 4.0,
    "fp8": 1.0, "fp8_e4m3": 1.0, "fp8_e5m2": 1.0, "fp8_inc": 1.0, "fp8_ds_mla": 1.0,
    "nvfp4": 0.5625, "int8_per_token_head": 1.0, "fp8_per_token_head": 1.0,
    "int4_per_token_head": 0.5,
}  # fmt: skip
"""Bytes of a stored element; 0 stands for the model's own dtype. NVFP4 has a scale in 16."""
_TOKEN_HEAD_SCALE_BYTES = {
    "int8_per_token_head": 8, "fp8_per_token_head": 8, "int4_per_token_head": 8,
}  # fmt: skip
_DRAFTED = {"full", "latent"}
"""Kinds that a layer for multi-token prediction can be."""
_PADDED_LATENT = 640
"""Elements that the first engine stored for a latent of 576, aligned to 256 bytes."""
_PACKED_LATENT_BYTES = 656
"""A token of FP8 sparse MLA: 512 FP8, 4 float32 scales, 64 bfloat16."""


@dataclass(frozen=True)
class Group:
    """Layers that share one block table.

    Attributes:
        layer: Kind of its layers.
        layers: How many.
        block_tokens: Tokens of a block.
        page_bytes: Bytes of one layer's block on one GPU.
    """

    layer: Layer
    layers: int
    block_tokens: int
    page_bytes: int

    def blocks(self, tokens: int, settings: Resolved) -> int:
        """Blocks that one request of so many tokens takes at most."""
        if self.layer.kind == "state":
            return settings.state_copies
        if self.layer.kind == "sliding":
            held = min(self.layer.window - 1 + settings.in_flight_tokens, tokens)
            return -(-held // self.block_tokens) + 1
        if self.layer.kind == "chunked":
            tokens = min(self.layer.window + settings.in_flight_tokens, tokens)
        return -(-tokens // self.block_tokens)


@dataclass(frozen=True)
class CacheLayout:
    """The KV cache of one GPU.

    Attributes:
        groups: Its groups; empty for a model without a cache.
        block_bytes: Bytes of one block of the shared pool.
        settings: With which blocks are counted.
    """

    groups: tuple[Group, ...]
    block_bytes: int
    settings: Resolved

    def request_blocks(self, tokens: int) -> int:
        """Blocks of one request of so many tokens."""
        return sum(group.blocks(tokens, self.settings) for group in self.groups)

    def request_bytes(self, tokens: int) -> int:
        """Bytes of one request of so many tokens, on one GPU."""
        return self.request_blocks(tokens) * self.block_bytes

    def needed_bytes(self, tokens: int) -> int:
        """What the engine's start-up check asks for one request of so many tokens."""
        version = self.settings.version
        if _FIRST_GROUP_CHECKED <= version < _ALL_GROUPS_CHECKED and self.groups:
            return self.groups[0].blocks(tokens, self.settings) * self.block_bytes
        spare = self.block_bytes if version >= _NULL_BLOCK_RESERVED else 0
        return self.request_bytes(tokens) + spare

    def blocks(self, available: float) -> int:
        """Blocks of the pool in `available` bytes, 0 without a cache or without room."""
        return max(0, int(available // self.block_bytes)) if self.block_bytes else 0

    def concurrency(self, available: float, tokens: int) -> float:
        """Requests of so many tokens that fit into `available` bytes."""
        if not self.groups:
            return float(self.settings.max_num_seqs)
        return (available // self.block_bytes) / self.request_blocks(tokens)

    def capacity(self, available: float) -> int:
        """Tokens as the engine's log counts them: "GPU KV cache size: N tokens"."""
        if not self.groups:
            return 0
        length = self.settings.max_model_len
        if self.settings.version >= _CONCURRENCY_COUNTED:
            return int(self.concurrency(available, length) * length)
        blocks = int(available // self.block_bytes) // len(self.groups)
        return blocks * min(group.block_tokens for group in self.groups)

    def bytes_per_token(self) -> float:
        """Bytes on one GPU for each token that the log counts."""
        if not self.groups:
            return 0.0
        if self.settings.version >= _CONCURRENCY_COUNTED:
            length = self.settings.max_model_len
            return self.request_bytes(length) / length
        tokens = min(group.block_tokens for group in self.groups)
        return self.block_bytes * len(self.groups) / tokens

    def longest(self, available: float, limit: int) -> int:
        """Most tokens of one request that pass the start-up check, 0 for none."""
        if not self.groups:
            return limit
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            if self.needed_bytes(middle) <= available:
                low = middle
            else:
                high = middle - 1
        return low


def cache_layout(architecture: Architecture, load: Load, settings: Resolved) -> CacheLayout:
    """Lay the KV cache of one GPU out, as that engine version does.

    Args:
        architecture: Its layers are the model's.
        load: Parallelism and block size.
        settings: The load with its defaults.
    """
    layers = _stage(architecture.layers, load.pipeline_parallel_size)
    caches = [cache for layer in layers for cache in _caches(layer)]
    if load.speculative_tokens:
        caches += [layer for layer in caches if layer.kind in _DRAFTED][: architecture.draft_layers]
    caches = _without_windows(caches, settings)
    counted = Counter(caches)
    if not counted:
        return CacheLayout((), 0, settings)
    block = _block_tokens(counted, load, settings)
    pages = [
        Group(
            layer, count, _tokens(layer, block, settings), _page_bytes(layer, block, load, settings)
        )
        for layer, count in counted.items()
    ]
    groups = _split(_unify(pages), settings) if _differ(pages) else [_merged(pages)]
    width = max(group.layers * group.page_bytes for group in groups)
    return CacheLayout(tuple(groups), width, settings)


def _tokens(layer: Layer, block: int, settings: Resolved) -> int:
    """Tokens of a layer's block; without prefix caching a state stands for a whole request."""
    whole = layer.kind == "state" and settings.state_copies == 1
    return settings.max_model_len if whole else block


def _stage(layers: Sequence[Layer], stages: int) -> Sequence[Layer]:
    """Layers of the fullest stage (`get_pp_indices`: what is over goes before the last)."""
    share, over = divmod(len(layers), stages)
    sizes = [share] * stages
    for back in range(2, over + 2):
        sizes[-back] += 1
    widest = max(range(stages), key=lambda stage: sizes[stage])
    start = sum(sizes[:widest])
    return layers[start : start + sizes[widest]]


def _caches(layer: Layer) -> list[Layer]:
    if layer.kind == "none":
        return []
    if layer.state is not None and layer.kind != "state":
        return [replace(layer, state=None), Layer("state", state=layer.state)]
    return [layer]


def _without_windows(caches: list[Layer], settings: Resolved) -> list[Layer]:
    """Where the engine has no hybrid cache manager, windows are stored like full attention."""
    mixed = len({layer.kind for layer in caches}) > 1
    local = any(layer.kind == "chunked" for layer in caches)
    old = settings.version < _HYBRID_SINCE
    if not mixed or not (old or local):
        return caches
    return [
        replace(layer, kind="full", window=0) if layer.kind in {"sliding", "chunked"} else layer
        for layer in caches
    ]


def _block_tokens(counted: Counter[Layer], load: Load, settings: Resolved) -> int:
    """The block that attention uses; beside recurrent layers it grows to their state's size."""
    latent = any(layer.kind == "latent" for layer in counted)
    block = load.block_size or (_LATENT_BLOCK_TOKENS if latent else _BLOCK_TOKENS)
    states = [layer for layer in counted if layer.kind == "state"]
    attention = [layer for layer in counted if layer.kind != "state"]
    if not states or not attention:
        return block
    page = max(_page_bytes(layer, block, load, settings) for layer in states)
    token = max(_page_bytes(layer, 1, load, settings) for layer in attention)
    step = max(block, 128) if latent else block
    return max(block, step * -(-page // (step * token)))


def _page_bytes(layer: Layer, block: int, load: Load, settings: Resolved) -> int:
    tensor = load.tensor_parallel_size
    if layer.state is not None:
        return layer.state.stored_bytes(tensor, settings.dtype_bytes, load.speculative_tokens)
    element = _ELEMENT_BYTES.get(settings.kv_dtype, 1.0) or settings.dtype_bytes
    if layer.kind == "latent":
        if layer.extra_bytes and element == 1 and settings.packed_latent:
            return block * (_PACKED_LATENT_BYTES + layer.extra_bytes)
        width = _PADDED_LATENT if settings.first_engine else layer.key_dim
        return block * (round(width * element) + layer.extra_bytes)
    heads = max(1, layer.kv_heads // tensor)
    scales = _TOKEN_HEAD_SCALE_BYTES.get(settings.kv_dtype, 0)
    return block * heads * (round((layer.key_dim + layer.value_dim) * element) + scales)


def _unify(groups: list[Group]) -> list[Group]:
    """Bring all pages to one size: a smaller one gets more tokens, a state is padded."""
    largest = max(group.page_bytes for group in groups)
    unified: list[Group] = []
    for group in groups:
        times, over = divmod(largest, group.page_bytes)
        if group.layer.kind == "state" or over:
            unified.append(replace(group, page_bytes=largest))
        else:
            unified.append(
                replace(group, page_bytes=largest, block_tokens=group.block_tokens * times)
            )
    return unified


def _differ(groups: list[Group]) -> bool:
    """Whether layers take different numbers of tokens: else one group holds them all."""
    return len({(group.layer.kind, group.layer.window) for group in groups}) > 1


def _merged(groups: list[Group]) -> Group:
    """One group of layers that may be of different widths."""
    return replace(groups[0], layers=1, page_bytes=sum(g.layers * g.page_bytes for g in groups))


def _split(groups: list[Group], settings: Resolved) -> list[Group]:
    """Split the kinds into groups of as many layers as the rarest kind has."""
    least = min(group.layers for group in groups)
    most = max(group.layers for group in groups)
    slack = _slack(settings.version)
    size = most if most < least * slack else least
    return [
        replace(group, layers=size) for group in groups for _ in range(-(-group.layers // size))
    ]


def _slack(version: tuple[int, int, int]) -> float:
    """How uneven kinds may be and still form one group each, padded to the larger."""
    if version < (0, 12, 0):
        return 1.0
    return 1.25 if version < (0, 18, 0) else 1.5
