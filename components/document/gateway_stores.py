"""What a stack may say about the gateway's memory: the database of its tenants, and its counters.

LiteLLM keeps teams, keys and spend in PostgreSQL, and counts requests and tokens of all replicas
together in Redis.
"""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import HostName, ImageReference, PositiveInt, Settings
from components.document.credentials import MadeCredential
from components.document.quantities import Cidr, KeySecret, MemoryGib, StorageClass

_Port = Annotated[PositiveInt, Field(le=65_535, description="TCP port.")]
_Networks = Annotated[
    tuple[Cidr, ...], Field(min_length=1, description="Private networks that it answers from.")
]


class InClusterDatabase(Settings):
    """A PostgreSQL of the stack's own: one pod without backup, for development."""

    kind: Annotated[Literal["in-cluster"], Field(description="One pod of the stack's own.")]
    password: Annotated[
        MadeCredential,
        Field(description="Its password; source config is inference:gatewayDatabasePassword."),
    ]
    storage_class: StorageClass
    size_gib: Annotated[PositiveInt, Field(le=1024, description="Size of its volume, GiB.")] = 5
    memory_gib: Annotated[MemoryGib, Field(description="Memory of its pod, GiB.")] = 1
    image: Annotated[
        ImageReference | None, Field(description="Image of PostgreSQL; left out, the locked one.")
    ] = None


class ExternalDatabase(Settings):
    """A PostgreSQL of the organisation's, with its backups and its failover."""

    kind: Annotated[Literal["external"], Field(description="One that is there already.")]
    url: Annotated[
        KeySecret, Field(description="Secret of its address, postgresql://user:password@host/name.")
    ]
    port: _Port = 5432
    networks: _Networks


Database = Annotated[InClusterDatabase | ExternalDatabase, Field(discriminator="kind")]


class InClusterRedis(Settings):
    """A Valkey of the stack's own: one pod that forgets its counters when it ends."""

    kind: Annotated[Literal["in-cluster"], Field(description="One pod of the stack's own.")]
    password: Annotated[
        MadeCredential,
        Field(description="Its password; source config is inference:gatewayRedisPassword."),
    ]
    memory_gib: Annotated[MemoryGib, Field(description="Memory of its pod, GiB.")] = 1
    image: Annotated[
        ImageReference | None, Field(description="Image of Valkey; left out, the locked one.")
    ] = None


class ExternalRedis(Settings):
    """A Redis or Valkey of the organisation's."""

    kind: Annotated[Literal["external"], Field(description="One that is there already.")]
    host: HostName
    port: _Port = 6379
    tls: Annotated[bool, Field(strict=True, description="Whether it speaks TLS.")] = True
    password: Annotated[KeySecret, Field(description="Secret of its password.")]
    networks: _Networks


Redis = Annotated[InClusterRedis | ExternalRedis, Field(discriminator="kind")]
