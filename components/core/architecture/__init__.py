"""A model's config.json as values: its layers, experts and storage."""

from components.core.architecture.fields import ArchitectureError
from components.core.architecture.read import read_architecture
from components.core.architecture.shape import Architecture

__all__ = ["Architecture", "ArchitectureError", "read_architecture"]
