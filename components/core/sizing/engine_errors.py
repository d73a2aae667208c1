"""The words with which each engine version refuses a KV cache that is too small."""

_GIB = 2**30
_SEE = " See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."

Version = tuple[int, int, int]


def no_memory(version: Version) -> str:
    """What the engine says where nothing is left for the KV cache.

    Args:
        version: Of the engine.
    """
    host = " (this flag also controls CPU memory reservation on the CPU backend, despite its name)"
    return (
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        f"initializing the engine{host if _speaks_of_hosts(version) else ''}.{_see(version)}"
    )


def too_small(version: Version, length: int, needed: float, available: float, longest: int) -> str:
    """What the engine says where one request of `max_model_len` does not fit.

    Args:
        version: Of the engine.
        length: `max_model_len`, tokens.
        needed: Bytes of such a request.
        available: Bytes of the KV cache.
        longest: Tokens of the longest request that fits, 0 for none.
    """
    host = _speaks_of_hosts(version)
    unit = "GB" if version < (0, 8, 5) else "GiB"
    estimate = (
        f"Based on the available memory, the estimated maximum model length is {longest}. "
        if longest and version >= (0, 9, 0)
        else ""
    )
    which = " (which also controls CPU memory on the CPU backend)" if host else ""
    return (
        f"To serve at least one request with the {'model' if host else 'models'}'s max seq len "
        f"({length}), ({_amount(version, needed)} {unit} KV cache is needed, which is larger than "
        f"the available KV cache memory ({_amount(version, available)} {unit}). {estimate}Try "
        f"increasing `gpu_memory_utilization`{which} or decreasing `max_model_len` when "
        f"initializing the engine.{_see(version)}"
    )


def more_than_stored(length: int, tokens: int) -> str:
    """What the first engine (V0) says where one request of `max_model_len` does not fit.

    Args:
        length: `max_model_len`, tokens.
        tokens: That the KV cache holds.
    """
    return (
        f"The model's max seq len ({length}) is larger than the maximum number of tokens that can "
        f"be stored in KV cache ({tokens}). Try increasing `gpu_memory_utilization` or decreasing "
        "`max_model_len` when initializing the engine."
    )


def _amount(version: Version, size: float) -> str:
    """From 0.14 on a trailing zero is not printed."""
    return f"{size / _GIB:.2f}" if version < (0, 14, 0) else str(round(size / _GIB, 2))


def _see(version: Version) -> str:
    return _SEE if version >= (0, 13, 0) else ""


def _speaks_of_hosts(version: Version) -> bool:
    return version >= (0, 22, 0)
