"""How fast a replica can be at best, and so what a token costs at least: the roofline.

A step of the engine gives every running sequence one token. It cannot be shorter than reading the
weights and the KV cache takes, nor than the multiplications take; under tensor parallelism the
all-reduces come on top, because each stands between two multiplications that wait for it. What
takes further time (attention, sampling, kernel launches, gaps) is left out. So every time here is a
lower bound, every speed an upper one, and every price a lower one: a real engine is slower.
Measured decoding of 16-bit Llama-3.1-8B reaches 39 to 82 per cent of the bound at batch 1 to 32.

One assumption can bend the bound for mixtures of experts: that routing is even. Uneven routing
touches fewer experts in a step, so it may be faster.
"""

from dataclasses import dataclass
from typing import Literal

SECONDS_PER_HOUR = 3600
TOKENS_PER_PRICE = 1_000_000
_GIGA = 1e9
_CUSTOM_ALL_REDUCE_GPUS = 2
"""vLLM's own all-reduce serves at most so many GPUs without NVLink; beyond, it is NCCL's
(`vllm/distributed/device_communicators/custom_all_reduce.py`, 0.32)."""

_NVLINK_SECONDS = 2.3e-6
"""Shortest all-reduce among eight H200 over NVLink (NVIDIA/nccl issue 1940)."""
_PCIE_SECONDS = 4.0e-6
"""One-shot all-reduce of 4 KB over PCIe (haohervchb/sglang-V100 pull request 2)."""
_PCIE_NCCL_SECONDS = 19.4e-6
"""NCCL's all-reduce of 4 KB among four GPUs over PCIe (the same pull request)."""

Limit = Literal["memory", "compute", "links"]


@dataclass(frozen=True)
class Speed:
    """What one GPU can do at best.

    Attributes:
        bytes_per_second: Memory bandwidth.
        flops: Dense operations per second in the type that it multiplies in.
    """

    bytes_per_second: float
    flops: float


@dataclass(frozen=True)
class Share:
    """What one GPU of a replica has to do; a replica on one GPU has the whole model as its share.

    Attributes:
        weight_bytes: Weights that every step reads, so all but the routed experts.
        flops_per_token: Operations for one token, twice the parameters that it meets here in the
            layers. Embedding and output head stay out: prompts do not pass the head.
        kv_bytes_per_sequence: KV cache that one sequence reads for its next token, at the length
            it has on average.
        expert_bytes: One routed expert, over all layers; 0 without experts.
        experts: Routed experts of a layer.
        experts_per_token: How many of them a token meets.
    """

    weight_bytes: float
    flops_per_token: float
    kv_bytes_per_sequence: float
    expert_bytes: float = 0.0
    experts: int = 0
    experts_per_token: int = 0


@dataclass(frozen=True)
class Exchange:
    """The all-reduces of tensor parallelism.

    Attributes:
        per_step: All-reduces of one step: two a layer.
        bytes_per_token: What a GPU sends in each for one token.
        bytes_per_second: Bandwidth of one GPU's links in one direction.
        seconds: What one all-reduce takes however small it is.
    """

    per_step: int
    bytes_per_token: float
    bytes_per_second: float
    seconds: float


@dataclass(frozen=True)
class Bounds:
    """What a replica can reach at best.

    Attributes:
        decode_tokens_per_second: All sequences together while none is being prefilled.
        tokens_per_second: Output tokens of all sequences together in steady state, each new
            sequence's prompt included.
        tokens_per_second_per_user: Output tokens of one sequence in steady state.
        prefill_tokens_per_second: Prompt tokens while nothing else runs.
        first_token_seconds: From a prompt's arrival at an idle engine to its first token.
        limited_by: What takes longest in a steady-state step.
    """

    decode_tokens_per_second: float
    tokens_per_second: float
    tokens_per_second_per_user: float
    prefill_tokens_per_second: float
    first_token_seconds: float
    limited_by: Limit


def bounds(
    share: Share,
    speed: Speed,
    *,
    batch: int,
    prompt_tokens: int,
    output_tokens: int,
    exchange: Exchange | None = None,
) -> Bounds:
    """What a replica can reach at best.

    Args:
        share: What each of its GPUs does; the slowest one's where they differ.
        speed: What each of its GPUs can do.
        batch: Sequences that run at once.
        prompt_tokens: Prompt of a request; cached prefixes do not count.
        output_tokens: Answer to a request.
        exchange: All-reduces; None on one GPU.

    Raises:
        ValueError: A count is below 1.
    """
    if min(batch, prompt_tokens, output_tokens) < 1:
        raise ValueError(
            f"batch {batch}, prompt_tokens {prompt_tokens} and output_tokens {output_tokens} "
            f"must each be 1 or more; raise the one that is not"
        )
    decode = step_seconds(share, speed, tokens=batch, sequences=batch, exchange=exchange)
    tokens = batch * (1 + prompt_tokens / output_tokens)
    steady = step_seconds(share, speed, tokens=tokens, sequences=batch, exchange=exchange)
    first = step_seconds(share, speed, tokens=prompt_tokens, sequences=0, exchange=exchange)
    return Bounds(
        decode_tokens_per_second=batch / decode,
        tokens_per_second=batch / steady,
        tokens_per_second_per_user=1 / steady,
        prefill_tokens_per_second=prompt_tokens / first,
        first_token_seconds=first,
        limited_by=_limit(share, speed, tokens, batch, exchange),
    )


def step_seconds(
    share: Share,
    speed: Speed,
    *,
    tokens: float,
    sequences: float,
    exchange: Exchange | None = None,
) -> float:
    """The shortest time in seconds of one step.

    Args:
        share: What one GPU does.
        speed: What it can do.
        tokens: Tokens that the step computes: one a decoding sequence, and prompts.
        sequences: Sequences whose KV cache it reads.
        exchange: All-reduces; None on one GPU.
    """
    memory = _memory_seconds(share, speed, tokens, sequences)
    compute = _compute_seconds(share, speed, tokens)
    return max(memory, compute) + all_reduce_seconds(exchange, tokens)


def touched_experts(experts: int, per_token: int, tokens: float) -> float:
    """How many experts of a layer the tokens of one step meet together, with even routing."""
    if experts == 0:
        return 0.0
    return experts * (1 - (1 - per_token / experts) ** tokens)


def all_reduce_seconds(exchange: Exchange | None, tokens: float) -> float:
    """The shortest time in seconds of all all-reduces of one step; 0 on one GPU."""
    if exchange is None:
        return 0.0
    sending = exchange.bytes_per_token * tokens / exchange.bytes_per_second
    return exchange.per_step * (exchange.seconds + sending)


def tensor_parallel(
    *,
    gpus: int,
    layers: int,
    hidden_bytes: float,
    nvlink_gb_per_s: float | None,
    pcie_gb_per_s: float,
) -> Exchange | None:
    """The all-reduces of a replica; None on one GPU.

    Args:
        gpus: Tensor parallel size.
        layers: Layers of the model.
        hidden_bytes: Hidden size x bytes of an activation.
        nvlink_gb_per_s: NVLink of one GPU, both directions together; None where the machine joins
            its GPUs by PCIe.
        pcie_gb_per_s: PCIe of one GPU, both directions together.
    """
    if gpus == 1:
        return None
    if nvlink_gb_per_s is not None:
        seconds = _NVLINK_SECONDS
    elif gpus <= _CUSTOM_ALL_REDUCE_GPUS:
        seconds = _PCIE_SECONDS
    else:
        seconds = _PCIE_NCCL_SECONDS
    # NVSwitch can add up on the way, so each GPU sends its part once; over PCIe a ring's volume is
    # the least.
    sent = 1.0 if nvlink_gb_per_s is not None else 2 * (gpus - 1) / gpus
    return Exchange(
        per_step=2 * layers,
        bytes_per_token=sent * hidden_bytes,
        bytes_per_second=(nvlink_gb_per_s or pcie_gb_per_s) / 2 * _GIGA,
        seconds=seconds,
    )


def usd_per_million_tokens(
    usd_per_hour: float, tokens_per_second: float, *, utilisation: float = 1.0
) -> float:
    """What a million output tokens cost at least.

    Args:
        usd_per_hour: Price of the replica's hardware.
        tokens_per_second: Upper bound of its output.
        utilisation: Share of that bound that is really asked for, above 0 and at most 1.

    Raises:
        ValueError: The utilisation or the speed is out of range.
    """
    if not 0 < utilisation <= 1:
        raise ValueError(
            f"utilisation {utilisation} must be above 0 and at most 1: it is the share of full load"
        )
    if tokens_per_second <= 0:
        raise ValueError(f"tokens_per_second {tokens_per_second} must be above 0")
    hourly = tokens_per_second * utilisation * SECONDS_PER_HOUR
    return usd_per_hour / hourly * TOKENS_PER_PRICE


def _memory_seconds(share: Share, speed: Speed, tokens: float, sequences: float) -> float:
    # A scheduler may keep prompts and answers apart, so only the decoding sequences are sure to
    # meet experts in every step.
    routed = touched_experts(share.experts, share.experts_per_token, sequences or tokens)
    experts = routed * share.expert_bytes
    cache = sequences * share.kv_bytes_per_sequence
    return (share.weight_bytes + experts + cache) / speed.bytes_per_second


def _compute_seconds(share: Share, speed: Speed, tokens: float) -> float:
    return tokens * share.flops_per_token / speed.flops


def _limit(
    share: Share, speed: Speed, tokens: float, sequences: float, exchange: Exchange | None
) -> Limit:
    seconds: dict[Limit, float] = {
        "memory": _memory_seconds(share, speed, tokens, sequences),
        "compute": _compute_seconds(share, speed, tokens),
        "links": all_reduce_seconds(exchange, tokens),
    }
    return max(seconds, key=lambda limit: seconds[limit])
