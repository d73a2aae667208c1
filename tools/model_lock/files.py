"""Which files of a model's repository a server needs, and which weights it must not load.

The rule is vLLM's own (vllm/model_executor/model_loader/default_loader.py): the safetensors files
of the top folder, and of those only the ones that model.safetensors.index.json names. One thing is
decided otherwise: where `consolidated*.safetensors` lies beside them, vLLM 0.32 prefers that copy
in Mistral's own format. Here the format of Hugging Face is chosen, because its config.json is what
the planner reads; a folder without the copy is loaded that way.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from components.core.model_lock import WEIGHT_SUFFIX
from tools.model_lock.hub import RemoteFile
from tools.problem import ToolError

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER = "adapter_model.safetensors"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

_COMPANION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]*(\.[A-Za-z0-9_+-]+)*\.(json|txt|model|jinja)")
"""Configuration and tokenizer; README, licence, pictures and code are not asked for."""
_TOKENIZER = re.compile(r"(tokenizer\.model|tekken)[A-Za-z0-9_.]*|[A-Za-z0-9_.-]+\.tiktoken")
_POOLING = re.compile(r"\d+_[A-Za-z]+/config\.json")
"""How sentence-transformers keeps an embedding model's pooling; the engine reads it there."""
_WEIGHTS = (WEIGHT_SUFFIX, ".bin", ".pt", ".pth", ".gguf", ".ckpt", ".h5", ".msgpack", ".onnx")
_SHARD = re.compile(r"(?P<stem>.+)-\d+-of-(?P<count>\d+)\.safetensors")


@dataclass(frozen=True)
class Selection:
    """A repository's files, sorted out.

    Attributes:
        weights: The safetensors files that are loaded.
        companions: Configuration and tokenizer.
        ignored: Other weights: copies, other formats, parts that the index does not name.
    """

    weights: tuple[RemoteFile, ...]
    companions: tuple[RemoteFile, ...]
    ignored: tuple[RemoteFile, ...]


def select(
    source: str, files: Mapping[str, RemoteFile], index: Mapping[str, object] | None
) -> Selection:
    """Sort out a repository's files.

    Args:
        source: The model's id, for sentences.
        files: Every file by its path.
        index: Content of `INDEX`, None where there is none.

    Raises:
        ToolError: It has no weights in safetensors, or the index contradicts the files.
    """
    top = {path: file for path, file in files.items() if "/" not in path}
    names = _indexed(source, top, index) if index is not None else _unindexed(source, files)
    weights = tuple(top[name] for name in sorted(names))
    rest = [file for path, file in sorted(files.items()) if path not in names]
    return Selection(
        weights,
        tuple(file for file in rest if _is_companion(file.path)),
        tuple(file for file in rest if file.path.lower().endswith(_WEIGHTS)),
    )


def holds_adapter(files: Iterable[str]) -> bool:
    """Whether a repository is an adapter's: some of them hold their base's config.json too.

    Args:
        files: The paths of its files.
    """
    paths = frozenset(files)
    return ADAPTER_CONFIG in paths and not paths & {INDEX, SINGLE}


def select_adapter(source: str, files: Mapping[str, RemoteFile]) -> Selection:
    """Sort out the files of an adapter: its matrices and their configuration.

    Args:
        source: The adapter's id, for sentences.
        files: Every file by its path.

    Raises:
        ToolError: It has no weights in safetensors.
    """
    if ADAPTER not in files:
        raise ToolError(
            f"{source} has an {ADAPTER_CONFIG} but no {ADAPTER}, the one format that carries no "
            f"code; choose another revision or adapter."
        )
    others = (file for path, file in sorted(files.items()) if path != ADAPTER)
    ignored = tuple(file for file in others if file.path.lower().endswith(_WEIGHTS))
    return Selection((files[ADAPTER],), (files[ADAPTER_CONFIG],), ignored)


def _is_companion(path: str) -> bool:
    known = (_COMPANION, _TOKENIZER, _POOLING)
    return any(pattern.fullmatch(path) for pattern in known)


def _indexed(
    source: str, top: Mapping[str, RemoteFile], index: Mapping[str, object]
) -> frozenset[str]:
    """The files that the index names, once it is known to fit them."""
    names = _names(source, index)
    absent = sorted(names - top.keys())
    if absent:
        raise ToolError(
            f"{INDEX} of {source} names {_some(absent)}, which the repository does not have; "
            f"choose another revision."
        )
    missed = sorted(_siblings(names, top) - names)
    if missed:
        raise ToolError(
            f"{INDEX} of {source} does not name {_some(missed)}, so it is cut off or of another "
            f"upload; choose another revision."
        )
    metadata = index.get("metadata")
    total = (
        cast("dict[str, object]", metadata).get("total_size") if isinstance(metadata, dict) else 0
    )
    present = sum(top[name].size for name in names)
    if isinstance(total, int | float) and total > present:
        raise ToolError(
            f"{INDEX} of {source} speaks of {total:.0f} bytes of tensors, but its files hold "
            f"{present}; choose another revision."
        )
    return names


def _names(source: str, index: Mapping[str, object]) -> frozenset[str]:
    """The files in the index's map from tensors to files."""
    places = index.get("weight_map")
    values = list(cast("dict[str, object]", places).values()) if isinstance(places, dict) else []
    names = frozenset(name for name in values if isinstance(name, str))
    if not names or not all(isinstance(name, str) for name in values):
        raise ToolError(
            f"{INDEX} of {source} has no weight_map from tensors to files; choose another revision."
        )
    return names


def _siblings(names: Iterable[str], top: Iterable[str]) -> set[str]:
    """Files of the same count, `x-00002-of-00004`, as those that the index names."""
    found = (_SHARD.fullmatch(name) for name in names)
    series = {match.groups() for match in found if match}
    others = ((name, _SHARD.fullmatch(name)) for name in top)
    return {name for name, match in others if match and match.groups() in series}


def _unindexed(source: str, files: Mapping[str, RemoteFile]) -> frozenset[str]:
    """The one file of a small model, `model.safetensors` or the only one there is."""
    if SINGLE in files:
        return frozenset({SINGLE})
    top = sorted(path for path in files if "/" not in path and path.endswith(WEIGHT_SUFFIX))
    if len(top) == 1 and not _SHARD.fullmatch(top[0]):
        return frozenset(top)
    if top:
        raise ToolError(
            f"{source} has {_some(top)} but no {INDEX} that says which belong together; choose "
            f"another revision."
        )
    kinds = sorted({name for name in _WEIGHTS for path in files if path.lower().endswith(name)})
    raise ToolError(
        f"{source} has no weights in safetensors at its top"
        f"{' (only ' + ', '.join(kinds) + ')' if kinds else ''}; such files may carry code or are "
        f"for other engines, so choose a repository with safetensors."
    )


def _some(names: list[str]) -> str:
    """The first name and how many more."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
