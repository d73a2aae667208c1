"""Everything that the weights of one server need, worked out before any resource exists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi_kubernetes.core.v1 import EnvVarArgsDict

from components.core.model_lock import LockedModel
from components.document.cache import ModelCache, NvmeCache, S3Cache
from components.model_mount import ModelMount, server_mount
from components.model_volume import model_volumes
from components.preload_pods import Preload, VolumeJob, collect_pod, fetch_pod
from components.volumes import Claim, Place


@dataclass(frozen=True)
class StoredModels:
    """The weights of one server.

    Attributes:
        claims: To make first.
        config_name: Of the ConfigMap with the program and its plans.
        config: Its data; empty where nothing runs the program.
        fetching: Jobs that run before the server.
        collecting: Jobs that run once its roll-out holds.
        mount: What the server's pods take.
        weights: Digits that stand for the models' revisions.
    """

    claims: tuple[Claim, ...]
    config_name: str
    config: Mapping[str, str]
    fetching: tuple[VolumeJob, ...]
    collecting: tuple[VolumeJob, ...]
    mount: ModelMount
    weights: str


def stored_models(
    cache: ModelCache,
    place: Place,
    models: Sequence[LockedModel],
    *,
    image: str,
    hub: Sequence[EnvVarArgsDict],
) -> StoredModels:
    """What a choice of storage comes to.

    Args:
        cache: The document's choice.
        place: Whose it is.
        models: The model, and what is loaded with it, such as adapters and a draft.
        image: Of the engine.
        hub: Variables of the hub's client.
    """
    preload = Preload(
        service=place.service,
        models=tuple(models),
        image=image,
        uid=place.uid,
        gid=place.gid,
        hub=tuple(hub),
        staged=isinstance(cache, S3Cache),
        copied=isinstance(cache, NvmeCache),
    )
    volumes = model_volumes(cache, place, preload.files_gib)
    mount = server_mount(cache, preload, volumes)
    return StoredModels(
        claims=volumes.claims,
        config_name=preload.config_name,
        config=preload.config if mount.init_containers or volumes.writable else {},
        fetching=tuple(VolumeJob(fetch_pod(preload, v), v.labels) for v in volumes.writable),
        # A bucket may be another cluster's too: what lies there is for its own lifecycle rules.
        collecting=()
        if isinstance(cache, S3Cache)
        else tuple(VolumeJob(collect_pod(preload, v), v.labels) for v in volumes.writable),
        mount=mount,
        weights=preload.weights,
    )
