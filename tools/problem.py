"""The one exception that a command of `tools` turns into a sentence and a non-zero exit."""

from __future__ import annotations


class ToolError(Exception):
    """Something the reader can put right; the text says what was asked, why not, and what to do."""
