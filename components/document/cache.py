"""What a stack may say about where a model's weights are kept."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import DnsLabel, PositiveInt, Settings

AccessMode = Literal["ReadWriteOnce", "ReadWriteMany"]


class ModelCacheSettings(Settings):
    """Where weights are kept."""

    storage_class: Annotated[
        DnsLabel,
        Field(description="StorageClass of the volume, lower-case letters, digits and '-'."),
    ]
    kind: Annotated[
        Literal["gp3", "io2", "efs", "fsx-lustre", "nvme"] | None,
        Field(
            description="What the volume is, for the start-up estimate; left out, the class's name "
            "if it is one of these."
        ),
    ] = None
    access_mode: Annotated[
        AccessMode, Field(description="ReadWriteMany lets servers on several nodes share it.")
    ] = "ReadWriteOnce"
    size_gib: Annotated[PositiveInt, Field(description="Size of the volume, GiB.")]
