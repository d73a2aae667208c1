"""The closed, frozen base of every settings model, and the field types they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Settings(BaseModel):
    """A part of the stack document: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


DnsLabel = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63),
    Field(description="Lower-case letters, digits and '-', such as akko-chat."),
]
"""A name that Kubernetes accepts for a Namespace and most objects (RFC 1123 label)."""

ServiceName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=46),
    Field(description="A letter, then lower-case letters, digits and '-', 46 at most."),
]
"""A name that Kubernetes accepts for a Service (RFC 1035 label, 63 characters), less the 17 that
the name of its preload Job adds: a Job's name is a label of its pods, which has 63 at most too."""

Revision = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{40}$"),
    Field(description="A commit, 40 lower-case hexadecimal digits; a branch would move."),
]
"""A commit of a model repository."""

ImageReference = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$"
    ),
    Field(description="registry/repository:tag@sha256:digest"),
]
"""A container image with its registry, `registry/repository[:tag][@sha256:digest]`."""

PositiveInt = Annotated[int, Field(gt=0, strict=True)]
"""A whole number above zero; a quoted number is a wrong type, not a number."""

HostName = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+$", max_length=253),
    Field(description="A full host name in lower case, without scheme, port or wildcard."),
]
"""A full host name without wildcard (RFC 1123)."""
