"""From the value in a stack file to settings, or to a sentence for each problem."""

from typing import Any

from pydantic import ValidationError

from components.core.explain import explain, plain
from components.document.checks import disagreements
from components.document.plans import plan_models
from components.document.whole import ROOT, PlatformSettings


class DocumentError(Exception):
    """The stack document cannot be used; the text is a sentence a problem."""


def read_document(value: Any) -> PlatformSettings:  # noqa: ANN401 - whatever the stack file holds
    """Validate the value of `inference:platform`: shape, references, and that its plan works out.

    Raises:
        DocumentError: With one sentence a problem, each naming the key to change.
    """
    document = parse_document(value)
    refused = [sentence for found in plan_models(document).values() for sentence in found.problems]
    if refused:
        raise DocumentError("\n".join(refused))
    return document


def parse_document(value: Any) -> PlatformSettings:  # noqa: ANN401 - whatever the stack file holds
    """Validate shape and references alone, for who wants to see a plan that is refused.

    Raises:
        DocumentError: With one sentence a problem, each naming the key to change.
    """
    try:
        document = PlatformSettings.model_validate(value)
    except ValidationError as error:
        raise DocumentError("\n".join(explain(error, PlatformSettings, ROOT))) from None
    problems = disagreements(document)
    if problems:
        raise DocumentError("\n".join(plain(text) for text in problems))
    return document
