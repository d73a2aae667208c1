"""The document of a stack, by the stack's name or by the path of its file."""

from pathlib import Path

from components.document import ROOT, PlatformSettings, parse_document
from tools.embedded_stack import read_stack_file, stack_document


def read_stack(project: Path, stack: str, file: str) -> PlatformSettings:
    """Read and check a document.

    Args:
        project: The folder of `Pulumi.<stack>.yaml`.
        stack: The stack's name, where no file is named.
        file: Path of a stack file; empty for the stack's own.

    Raises:
        ToolError: There is no such stack or file, or it is not YAML.
        DocumentError: The document has a mistake.
    """
    content = read_stack_file(Path(file)) if file else stack_document(project, stack)
    return parse_document(content["config"].get(ROOT))
