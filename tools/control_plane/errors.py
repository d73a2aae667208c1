"""The one error of this package; its text is the sentence that the user reads."""

from tools.problem import ToolError


class ControlPlaneError(ToolError):
    """The control plane could not do what was asked; the text says what, why and what to change."""
