"""The closed, frozen base of every settings model, and the field types they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Settings(BaseModel):
    """A part of the stack document: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)
]
"""A name that Kubernetes accepts for a Service or a Namespace (RFC 1123 label)."""

Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
"""A commit of a model repository, 40 lower-case hexadecimal digits; a branch would move."""

ImageReference = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$"
    ),
]
"""A container image with its registry, `registry/repository[:tag][@sha256:digest]`."""

PositiveInt = Annotated[int, Field(gt=0, strict=True)]
"""A whole number above zero; a quoted number is a wrong type, not a number."""

HostName = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+$", max_length=253),
]
"""A full host name without wildcard (RFC 1123)."""
