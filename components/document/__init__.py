"""The stack document: its shape, what its parts must agree on, and what it comes to.

Pure like `core`, so that a plan needs neither Pulumi nor a network.
"""

from components.document.read import DocumentError, parse_document, read_document
from components.document.whole import ROOT, PlatformSettings

__all__ = ["ROOT", "DocumentError", "PlatformSettings", "parse_document", "read_document"]
