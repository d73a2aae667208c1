"""Exact arithmetic of the KV cache: what a block costs, and how many a request takes.

Follows vLLM's `v1/core/kv_cache_utils.py` and `v1/kv_cache_interface.py`: layers of one kind form
groups of equal size, all groups draw blocks from one pool, and a block of any group costs as many
bytes as the widest group's.
"""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, replace

from components.core.architecture import Architecture
from components.core.architecture.shape import Layer
from components.core.sizing.defaults import Resolved
from components.core.sizing.kv_pages import block_tokens, page_bytes
from components.core.sizing.request import Load
from components.core.sizing.stages import stage_sizes

_HYBRID_SINCE, _CHUNKED_SINCE = (0, 9, 0), (0, 14, 0)
_CONCURRENCY_COUNTED = (0, 20, 1)
_NULL_BLOCK_RESERVED = (0, 29, 0)
_FIRST_GROUP_CHECKED, _ALL_GROUPS_CHECKED = (0, 14, 0), (0, 19, 0)
"""In between, the start-up check looked at the first group alone, so mixed models passed it."""
_DRAFTED = {"full", "latent"}
"""Kinds that a layer for multi-token prediction can be."""


@dataclass(frozen=True)
class Group:
    """Layers that share one block table.

    Attributes:
        layer: Kind of its layers.
        stages: Of the pipeline, one for each of its layers.
        block_tokens: Tokens of a block.
        page_bytes: Bytes of one layer's block on one GPU.
    """

    layer: Layer
    stages: tuple[int, ...]
    block_tokens: int
    page_bytes: int

    def blocks(self, tokens: int, settings: Resolved) -> int:
        """Blocks that one request of so many tokens takes at most."""
        if self.layer.kind == "state":
            second = self.layer.state is not None and self.layer.state.groups > 0
            return settings.state_copies + (settings.state_checkpoints if second else 0)
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
        return self.request_bytes(tokens) + self.spare_bytes

    @property
    def spare_bytes(self) -> int:
        """A block that the start-up check sets aside, as the pool never gives it out."""
        return self.block_bytes if self.settings.version >= _NULL_BLOCK_RESERVED else 0

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
    sizes = stage_sizes(len(architecture.layers), load.pipeline_parallel_size)
    places = [stage for stage, size in enumerate(sizes) for _ in range(size)]
    caches = [
        (cache, place)
        for layer, place in zip(architecture.layers, places, strict=True)
        for cache in _caches(layer)
    ]
    if load.speculative_tokens:
        drafted = [layer for layer, _ in caches if layer.kind in _DRAFTED]
        caches += [(layer, places[-1]) for layer in drafted[: architecture.draft_layers]]
    if _windows_are_kept_whole({layer.kind for layer, _ in caches}, settings):
        caches = [(_whole(layer), place) for layer, place in caches]
    counted: dict[Layer, list[int]] = {}
    for layer, place in caches:
        counted.setdefault(layer, []).append(place)
    if not counted:
        return CacheLayout((), 0, settings)
    block = block_tokens(counted, load, settings)
    pages = [
        Group(
            layer,
            tuple(stages),
            _tokens(layer, block, load, settings),
            page_bytes(layer, block, load, settings),
        )
        for layer, stages in counted.items()
    ]
    groups = _split(_unify(pages), settings) if _differ(pages) else [_merged(pages)]
    width = max(max(Counter(group.stages).values()) * group.page_bytes for group in groups)
    return CacheLayout(tuple(groups), width, settings)


def _tokens(layer: Layer, block: int, load: Load, settings: Resolved) -> int:
    """Tokens of a layer's block; without prefix caching a state stands for a whole request."""
    whole = layer.kind == "state" and settings.state_copies == 1 + load.speculative_tokens
    return settings.max_model_len if whole else block


def _caches(layer: Layer) -> list[Layer]:
    if layer.kind == "none":
        return []
    if layer.state is not None and layer.kind != "state":
        return [replace(layer, state=None), Layer("state", state=layer.state)]
    return [layer]


def _windows_are_kept_whole(kinds: Set[str], settings: Resolved) -> bool:
    """Where the engine has no hybrid cache manager, windows are stored like full attention."""
    since = _CHUNKED_SINCE if "chunked" in kinds else _HYBRID_SINCE
    return len(kinds) > 1 and settings.version < since


def _whole(layer: Layer) -> Layer:
    local = layer.kind in {"sliding", "chunked"}
    return replace(layer, kind="full", window=0) if local else layer


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
    stages: Counter[int] = Counter()
    for group in groups:
        for stage in group.stages:
            stages[stage] += group.page_bytes
    return replace(groups[0], stages=(0,), page_bytes=max(stages.values()))


def _split(groups: list[Group], settings: Resolved) -> list[Group]:
    """Split the kinds into groups of as many layers as the rarest kind has."""
    counts = [len(group.stages) for group in groups]
    least, most = min(counts), max(counts)
    size = most if most < least * _slack(settings.version) else least
    return [
        replace(group, stages=group.stages[first::number])
        for group in groups
        for number in [-(-len(group.stages) // size)]
        for first in range(number)
    ]


def _slack(version: tuple[int, int, int]) -> float:
    """How uneven kinds may be and still form one group each, padded to the larger."""
    if version < (0, 12, 0):
        return 1.0
    return 1.25 if version < (0, 18, 0) else 1.5
