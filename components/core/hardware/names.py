"""From a GPU's name as people and drivers write it to its row of the catalogue."""

import re

from components.core.hardware.gpus import GPUS, SPELLINGS, Gpu, Spelling

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_MAKER = re.compile(
    r"nvidia|geforce|tesla|\b(?:gpu|graphics|card|tensor|core|generation|edition)\b"
)
_GRAPHICS_MEMORY = re.compile(r"gddr\dx?")
_TRAIT = re.compile(r"(?P<word>sxm|pcie|nvl|hbm\de?)(?:\d\b)?")
_SIZE = re.compile(r"(?<![a-z0-9])(\d{1,4}) ?g(?:i?b)?\b")


def find_gpu(name: str) -> Gpu | None:
    """The GPU of this name, or None where the name is unknown or that of several cards.

    Case, spaces, dashes and the maker's words do not matter: `NVIDIA H100 80GB HBM3`, `h100_sxm`,
    `GeForce RTX 4090`, `nvidia-l4`, `A100-SXM4-80GB` and `DGX Spark` are all found. Form and size
    must fit the card where they are given: a card of another size is another card, so
    `RTX 3080 12GB` is none of this catalogue's. Without them the commonest one is meant: the SXM
    form, and of `A100` the one with 80 GB, although AWS labels the 40 GB of a p4d `a100` too. A
    part of a GPU (MIG, vGPU) is no GPU.

    Args:
        name: As a person, `nvidia-smi`, torch or a node label writes it.
    """
    spelled = _SEPARATORS.sub(" ", name.lower())
    spelled = _GRAPHICS_MEMORY.sub(" ", _MAKER.sub(" ", spelled))
    sizes = {int(size) for size in _SIZE.findall(spelled)}
    spelled = _SIZE.sub(" ", spelled)
    traits = {match["word"] for match in _TRAIT.finditer(spelled)}
    family = _TRAIT.sub(" ", spelled).replace(" ", "")
    for known, spelling in SPELLINGS.items():
        if _fits(spelling, family, traits, sizes):
            return GPUS[known]
    return None


def _fits(spelling: Spelling, family: str, traits: set[str], sizes: set[int]) -> bool:
    return (
        family in spelling.families
        and traits <= spelling.traits
        and sizes <= spelling.sizes_gb
        and (bool(sizes) or not spelling.size_needed)
    )
