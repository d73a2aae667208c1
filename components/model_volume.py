"""The volumes of a model cache, each kind of storage as claims, as Jobs and as servers mount it.

Pure: a choice of the document in, Kubernetes' own words out.
"""

import hashlib

from pulumi_kubernetes.core.v1 import (
    PersistentVolumeClaimArgsDict,
    PersistentVolumeClaimSpecArgsDict,
    TypedLocalObjectReferenceArgsDict,
    VolumeArgsDict,
)

from components.core.conventions import selector
from components.document.cache import (
    AccessMode,
    EbsCache,
    FsxCache,
    ImageCache,
    ModelCache,
    NvmeCache,
    S3Cache,
    SharedCache,
    SnapshotCache,
    access_mode,
)
from components.volumes import SHARED, VOLUME, Claim, ModelVolumes, Place, Writable, claimed

_ZONE = "topology.kubernetes.io/zone"
_S3_DRIVER = "s3.csi.aws.com"
_IGNORED_SIZE = "1Gi"
"""A bucket has no size; the API server asks for one all the same."""


def model_volumes(cache: ModelCache, place: Place, size_gib: int) -> ModelVolumes:
    """The volumes of a cache.

    Args:
        cache: The document's choice.
        place: Whose it is.
        size_gib: Size of the files, GiB, for what is made as large as they are.
    """
    match cache:
        case EbsCache():
            return _own_disks(cache, place)
        case S3Cache():
            return _bucket(cache, place)
        case NvmeCache():
            return _local_disks(cache, place, size_gib)
        case ImageCache():
            image: VolumeArgsDict = {
                "name": VOLUME,
                "image": {"reference": cache.reference, "pull_policy": "IfNotPresent"},
            }
            return ModelVolumes(served=(image,))
        case SnapshotCache():
            return ModelVolumes(served=(_from_snapshot(cache),))
        case _:
            return _shared(cache, place)


def _shared(cache: SharedCache, place: Place) -> ModelVolumes:
    name, mode = f"{place.service}-models", access_mode(cache)
    one_node = mode == "ReadWriteOnce"
    nodes = {_ZONE: cache.zone} if isinstance(cache, FsxCache) else dict[str, str]()
    return ModelVolumes(
        claims=(Claim(name, _claim_spec(cache.storage_class, mode, cache.size_gib)),),
        writable=(
            Writable(
                name,
                holders=_holders(place) if one_node else {},
                tainted=place.tainted,
                node_labels=nodes,
                zones=place.zones if one_node else (),
            ),
        ),
        served=(claimed(VOLUME, name),),
        node_labels=nodes,
    )


def _own_disks(cache: EbsCache, place: Place) -> ModelVolumes:
    """Claims under the names that the StatefulSet gives them, so that it finds them filled."""
    spec = _claim_spec(cache.storage_class, "ReadWriteOnce", cache.size_gib)
    names = [f"{VOLUME}-{place.service}-{ordinal}" for ordinal in range(place.replicas)]
    template: PersistentVolumeClaimArgsDict = {"metadata": {"name": VOLUME}, "spec": spec}
    return ModelVolumes(
        claims=tuple(Claim(name, spec, several=True) for name in names),
        writable=tuple(
            Writable(name, _holders(place), ordinal, tainted=place.tainted, zones=place.zones)
            for ordinal, name in enumerate(names)
        ),
        claim_templates=(template,),
    )


def _local_disks(cache: NvmeCache, place: Place, size_gib: int) -> ModelVolumes:
    """The limit is the files' size and a tenth: the program needs no more, a slip is stopped."""
    shared = _shared(cache.shared, place)
    (writable,) = shared.writable
    limit = f"{size_gib + max(1, size_gib // 10)}Gi"
    local: VolumeArgsDict = {"name": VOLUME, "empty_dir": {"size_limit": limit}}
    return ModelVolumes(
        claims=shared.claims,
        writable=shared.writable,
        served=(local, claimed(SHARED, writable.claim)),
        node_labels=shared.node_labels,
    )


def _bucket(cache: S3Cache, place: Place) -> ModelVolumes:
    """A read-only volume for servers and a writable one for the Job, of one folder of the bucket.

    Both are named after what they show: a volume's bucket can never be changed.
    """
    folder = f"{cache.bucket}/{cache.prefix}/{place.service}/ {cache.region}"
    short = hashlib.sha256(folder.encode()).hexdigest()[:8]
    reader = _bucket_claim(cache, place, f"{place.service}-models-{short}", writable=False)
    writer = _bucket_claim(cache, place, f"{place.service}-writer-{short}", writable=True)
    mounted = cache.reader == "mountpoint"
    return ModelVolumes(
        claims=(*((reader,) if mounted else ()), *(() if cache.preloaded else (writer,))),
        writable=() if cache.preloaded else (Writable(writer.name, staged=True),),
        served=(claimed(VOLUME, reader.name),) if mounted else (),
    )


def _bucket_claim(cache: S3Cache, place: Place, name: str, *, writable: bool) -> Claim:
    mode = "ReadWriteMany" if writable else "ReadOnlyMany"
    volume_name = f"{place.namespace}-{name}"
    return Claim(
        name,
        several=True,
        spec={
            "storage_class_name": "",  # no class: bound by hand, the driver provisions nothing
            "access_modes": [mode],
            "volume_name": volume_name,
            "resources": {"requests": {"storage": _IGNORED_SIZE}},
        },
        volume_name=volume_name,
        volume={
            "access_modes": [mode],
            "capacity": {"storage": _IGNORED_SIZE},
            "storage_class_name": "",
            "persistent_volume_reclaim_policy": "Retain",
            "claim_ref": {"namespace": place.namespace, "name": name},
            "mount_options": [
                *(("allow-delete", "allow-overwrite") if writable else ("read-only",)),
                "allow-other",
                f"uid={place.uid}",
                f"gid={place.gid}",
                f"region {cache.region}",
                f"prefix {cache.prefix}/{place.service}/",
            ],
            "csi": {
                "driver": _S3_DRIVER,
                "volume_handle": volume_name,
                "volume_attributes": {"bucketName": cache.bucket, "authenticationSource": "driver"},
            },
        },
    )


def _from_snapshot(cache: SnapshotCache) -> VolumeArgsDict:
    """A disk that is made with the pod, full, and removed with it."""
    spec = _claim_spec(cache.storage_class, "ReadWriteOnce", cache.size_gib)
    source: TypedLocalObjectReferenceArgsDict = {
        "api_group": "snapshot.storage.k8s.io",
        "kind": "VolumeSnapshot",
        "name": cache.snapshot,
    }
    return {
        "name": VOLUME,
        "ephemeral": {"volume_claim_template": {"spec": {**spec, "data_source": source}}},
    }


def _claim_spec(
    storage_class: str, mode: AccessMode, size_gib: int
) -> PersistentVolumeClaimSpecArgsDict:
    return {
        "storage_class_name": storage_class,
        "access_modes": [mode],
        "resources": {"requests": {"storage": f"{size_gib}Gi"}},
    }


def _holders(place: Place) -> dict[str, str]:
    """Labels that the server's pods and its Jobs' have in common."""
    labels = selector(place.app, place.service, "engine")
    return {key: value for key, value in labels.items() if not key.endswith("/component")}
