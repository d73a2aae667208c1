"""What a stack may say about where a model's weights are kept: one typed choice a kind of storage.

Facts of the volumes: `cluster.md` of the reference, section 3 (the drivers' own documentation).
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from components.core.settings import DnsLabel, PositiveInt, Settings
from components.core.sizing.start_up import STORAGE
from components.document.quantities import StorageClass, Zone

AccessMode = Literal["ReadWriteOnce", "ReadWriteMany"]
_FSX_SMALL = (1200, 2400)
_FSX_STEP = 3600
_Size = Annotated[PositiveInt, Field(description="Size of the volume, GiB.")]


class EbsCache(Settings):
    """A disk a replica, which one node in one zone mounts; for a few replicas at a steady count."""

    kind: Annotated[Literal["ebs"], Field(description="An EBS volume for each replica.")]
    storage_class: StorageClass
    size_gib: Annotated[PositiveInt, Field(le=65_536, description="Size of each volume, GiB.")]
    volume_type: Annotated[
        Literal["gp3", "io2"],
        Field(description="What the class makes, for the start-up estimate."),
    ] = "gp3"
    throughput_mib_per_second: Annotated[
        PositiveInt | None,
        Field(
            le=4000,
            description="What the class asks for, MiB/s, for the start-up estimate; left out, the "
            "type's own.",
        ),
    ] = None


class EfsCache(Settings):
    """A file system that nodes of all zones share; the ordinary choice on AWS."""

    kind: Annotated[Literal["efs"], Field(description="One EFS file system for all replicas.")]
    storage_class: StorageClass
    size_gib: Annotated[
        PositiveInt, Field(description="Size that the claim states, GiB; EFS does not hold to it.")
    ]


class FsxCache(Settings):
    """A Lustre file system in one zone that many nodes share; for large models on many nodes."""

    kind: Annotated[Literal["fsx"], Field(description="One FSx for Lustre file system.")]
    storage_class: StorageClass
    size_gib: Annotated[
        PositiveInt, Field(description="1200, 2400 or a multiple of 3600 GiB, as FSx sells it.")
    ]
    zone: Annotated[
        Zone, Field(description="Zone of the file system; servers and preload Job run there.")
    ]

    @field_validator("size_gib")
    @classmethod
    def _as_sold(cls, size: int) -> int:
        if size in _FSX_SMALL or size % _FSX_STEP == 0:
            return size
        steps = -(-size // _FSX_STEP) * _FSX_STEP
        nearest = next((small for small in _FSX_SMALL if size < small), steps)
        raise ValueError(
            f"FSx for Lustre sells 1200, 2400 and multiples of 3600 GiB, not {size}: set it to "
            f"{nearest}"
        )


class ClaimCache(Settings):
    """Any other storage class: one claim; kind's `standard`, NFS or Ceph of one's own."""

    kind: Annotated[Literal["claim"], Field(description="One claim of any storage class.")]
    storage_class: StorageClass
    access_mode: Annotated[
        AccessMode, Field(description="ReadWriteMany lets servers on several nodes share it.")
    ] = "ReadWriteOnce"
    size_gib: _Size


class S3Cache(Settings):
    """A bucket that exists; for models that change often, and for many clusters at once."""

    kind: Annotated[Literal["s3"], Field(description="A bucket of S3.")]
    bucket: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
            description="Name of a general purpose bucket, which has to exist.",
        ),
    ]
    prefix: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
            max_length=512,
            description="Folder in the bucket, without '/' at its ends; below it each server has "
            "one of its own, called after its Service.",
        ),
    ]
    region: Annotated[
        str,
        Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$", description="Region, such as us-east-1."),
    ]
    reader: Annotated[
        Literal["mountpoint", "streamer"],
        Field(
            description="mountpoint: a read-only volume of the S3 CSI driver; streamer: the engine "
            "itself reads from S3, which needs an IAM identity and a way out by HTTPS."
        ),
    ]
    role_arn: Annotated[
        str | None,
        Field(
            pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$",
            description="IAM role of the streaming server's account; left out, EKS Pod Identity "
            "associates one with the account, which is called as the Service.",
        ),
    ] = None
    preloaded: Annotated[
        bool,
        Field(
            strict=True,
            description="Whether somebody else puts the revisions there, so that no Job writes.",
        ),
    ] = False


class NvmeCache(Settings):
    """Disks of the node itself, filled from a shared volume at every start; the fastest reader."""

    kind: Annotated[
        Literal["nvme"],
        Field(
            description="Local NVMe; the node class needs instanceStorePolicy RAID0, so that pods' "
            "own folders lie on it."
        ),
    ]
    shared: Annotated[
        EfsCache | FsxCache | ClaimCache,
        Field(discriminator="kind", description="The shared volume that each pod copies from."),
    ]


class ImageCache(Settings):
    """An OCI image with the weights, which the node pulls and keeps; needs Kubernetes 1.36."""

    kind: Annotated[Literal["image"], Field(description="An OCI image as a read-only volume.")]
    reference: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+(:[\w.-]+)?@sha256:[0-9a-f]{64}$",
            description="registry/repository@sha256:digest; a tag alone would move",
        ),
    ]


class SnapshotCache(Settings):
    """A disk a pod, made from a snapshot of a filled volume; for replicas that come and go."""

    kind: Annotated[Literal["snapshot"], Field(description="A volume a pod, from a snapshot.")]
    snapshot: Annotated[
        DnsLabel,
        Field(
            description="VolumeSnapshot in the stack's namespace, lower-case letters, digits and "
            "'-'."
        ),
    ]
    storage_class: StorageClass
    size_gib: _Size


class CompileCacheSettings(Settings):
    """A volume for compiled kernels, which a new pod then finds; shared by all replicas."""

    storage_class: StorageClass
    size_gib: Annotated[PositiveInt, Field(le=1024, description="Size of the volume, GiB.")] = 10


ModelCache = Annotated[
    EbsCache | EfsCache | FsxCache | ClaimCache | S3Cache | NvmeCache | ImageCache | SnapshotCache,
    Field(discriminator="kind"),
]
"""Where the weights of a model on vLLM are kept."""

OllamaCache = Annotated[EfsCache | FsxCache | ClaimCache, Field(discriminator="kind")]
"""Where Ollama's models are kept: it pulls, links and prunes by itself, so on one shared claim."""

SharedCache = EfsCache | FsxCache | ClaimCache

_STORAGE = {"efs": "efs", "fsx": "fsx-lustre", "nvme": "nvme"}


def access_mode(cache: SharedCache) -> AccessMode:
    """Whether one node or many may mount a shared claim."""
    return cache.access_mode if isinstance(cache, ClaimCache) else "ReadWriteMany"


def is_shared(cache: ModelCache) -> bool:
    """Whether a further pod can have the weights while all replicas run."""
    if isinstance(cache, NvmeCache):
        return True
    return not isinstance(cache, EbsCache) and (
        not isinstance(cache, ClaimCache) or access_mode(cache) == "ReadWriteMany"
    )


def is_filled_here(cache: ModelCache) -> bool:
    """Whether the stack itself downloads the weights, rather than finding them there."""
    if isinstance(cache, S3Cache):
        return not cache.preloaded
    return not isinstance(cache, ImageCache | SnapshotCache)


def storage(cache: ModelCache) -> str:
    """The key of `start_up.STORAGE` that a replica reads from.

    A snapshot's blocks come from S3 when first read, an image from wherever the node keeps images,
    and nobody has published what Mountpoint gives the default loader: all three are unknown.
    """
    if isinstance(cache, EbsCache):
        return cache.volume_type
    if isinstance(cache, ClaimCache):
        return cache.storage_class if cache.storage_class in STORAGE else "unknown"
    if isinstance(cache, S3Cache):
        return "s3" if cache.reader == "streamer" else "unknown"
    return _STORAGE.get(cache.kind, "unknown")
