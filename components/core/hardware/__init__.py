"""GPUs and the AWS instance types that carry them: memory, speed, host size, price.

The figures are rows of `gpus.csv` and `instance_types.csv` beside this file; the modules only read
them. Whoever has other hardware builds a `Gpu` or an `InstanceType` of their own.
"""

from components.core.hardware.gpus import GPUS, Gpu
from components.core.hardware.instance_types import (
    CATALOGUE_DATE,
    INSTANCE_TYPES,
    PRICE_LIST_DATE,
    PRICE_LIST_REGION,
    InstanceType,
)
from components.core.hardware.names import find_gpu

__all__ = [
    "CATALOGUE_DATE",
    "GPUS",
    "INSTANCE_TYPES",
    "PRICE_LIST_DATE",
    "PRICE_LIST_REGION",
    "Gpu",
    "InstanceType",
    "find_gpu",
]
