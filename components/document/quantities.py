"""Numbers and names that several parts of the stack document share."""

import ipaddress
from typing import Annotated

from pydantic import Field

from components.core.settings import DnsLabel, PositiveInt, Settings

_WORDS = r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"
HubId = Annotated[str, Field(pattern=f"^{_WORDS}/{_WORDS}$", description="Hub id, org/name.")]
"""A repository of the hub; it can be neither an option of a command nor a way out of a folder."""

Tokens = Annotated[PositiveInt, Field(le=2**24)]
"""A count of tokens; no published model reaches 16 million, so a larger number is a slip."""

Cpus = Annotated[PositiveInt, Field(le=1024)]
MemoryGib = Annotated[PositiveInt, Field(le=2**16)]
"""Both far above the catalogue's largest machine, so a larger number is a slip."""

Zone = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+[a-z]$",
        description="Availability zone, such as us-east-1a.",
    ),
]


SecretKey = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=253,
        description="Key in it, letters, digits, '.', '_' and '-'.",
    ),
]
"""A key of a Secret, as Kubernetes allows it, but for one that begins with a dot."""

Cidr = Annotated[
    str,
    Field(
        pattern=r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$",
        description="An IPv4 network, such as 10.20.0.0/24.",
    ),
]

_WIDEST = 16
"""Bits of the widest private network: a wider one would be most of the cluster's own."""


def is_private(network: str) -> bool:
    """Whether a text is the address of a private IPv4 network that is narrow enough to be named."""
    try:
        found = ipaddress.IPv4Network(network)
    except ValueError:
        return False
    local = found.is_link_local or found.is_loopback
    return found.is_private and not local and found.prefixlen >= _WIDEST


StorageClass = Annotated[
    DnsLabel,
    Field(description="StorageClass of the volume, lower-case letters, digits and '-'."),
]


class KeySecret(Settings):
    """A Secret of the stack's namespace, put there by the organisation's secret store."""

    name: Annotated[
        DnsLabel, Field(description="Name of the Secret, lower-case letters, digits and '-'.")
    ]
    key: SecretKey
