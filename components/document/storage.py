"""What caches and the hub must agree on with the rest of a document, a sentence each."""

from collections.abc import Iterator

from components.document.cache import (
    ClaimCache,
    FsxCache,
    NvmeCache,
    S3Cache,
    access_mode,
    is_filled_here,
)
from components.document.hub import ConfigToken, ExternalToken
from components.document.providers import host_of, leads_inside
from components.document.quantities import is_private
from components.document.store_checks import secret_names
from components.document.vllm_model import VllmServerSettings
from components.document.whole import ROOT, PlatformSettings

_HUB = f"{ROOT}.hub"


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """Everything that is wrong with caches and hub, a sentence each."""
    for alias, model in document.vllm_models.items():
        key = f"{ROOT}.models.{alias}"
        yield from _access(key, model)
        yield from _zone(key, model, document)
        if isinstance(model.cache, S3Cache):
            yield from _bucket(f"{key}.cache", model.cache)
    yield from _folders(document)
    yield from _token(document)
    yield from _endpoint(document)


def warnings(document: PlatformSettings) -> tuple[str, ...]:
    """What a reader should know of caches and hub, a sentence each."""
    return tuple(
        f"{ROOT}.models.{alias}.cache.reader is 'streamer': its servers reach HTTPS servers "
        "outside the cluster, which no network policy can narrow to S3; 'mountpoint' keeps them "
        "closed"
        for alias, model in document.vllm_models.items()
        if isinstance(model.cache, S3Cache) and model.cache.reader == "streamer"
    )


def _access(key: str, model: VllmServerSettings) -> Iterator[str]:
    cache = model.cache
    if (
        isinstance(cache, ClaimCache)
        and access_mode(cache) == "ReadWriteOnce"
        and model.replicas > 1
    ):
        yield (
            f"{key}.replicas is {model.replicas}, but only one node can mount its cache: set "
            f"{key}.cache.access_mode to ReadWriteMany, with a storage class that offers it, or "
            f"{key}.cache.kind to ebs, which gives each replica a volume"
        )
    if isinstance(cache, NvmeCache) and access_mode(cache.shared) == "ReadWriteOnce":
        yield (
            f"{key}.cache.shared.access_mode is 'ReadWriteOnce', but every node copies from it: "
            "set it to ReadWriteMany, with a storage class that offers it"
        )


def _zone(key: str, model: VllmServerSettings, document: PlatformSettings) -> Iterator[str]:
    """A file system of one zone needs nodes there; whoever names no zones may have them all."""
    cache, place = model.cache, f"{key}.cache"
    if isinstance(cache, NvmeCache):
        cache, place = cache.shared, f"{place}.shared"
    pool = document.node_pools.get(model.pool)
    if not isinstance(cache, FsxCache) or pool is None or not pool.zones:
        return
    if cache.zone not in pool.zones:
        zones = f"{ROOT}.node_pools.{model.pool}.zones"
        yield (
            f"{place}.zone is {cache.zone!r}, but pool {model.pool} has nodes in "
            f"{' and '.join(pool.zones)} only: add it to {zones}, or take a file system there"
        )


def _bucket(key: str, cache: S3Cache) -> Iterator[str]:
    if cache.role_arn is not None and cache.reader == "mountpoint":
        yield (
            f"{key}.role_arn is there, but with reader 'mountpoint' the CSI driver's own role "
            "reads the bucket: leave role_arn out, or set reader to streamer"
        )
    if "." in cache.bucket and cache.reader == "streamer":
        yield (
            f"{key}.bucket is {cache.bucket!r}, whose dots no certificate of S3 covers: take a "
            "bucket without, or set reader to mountpoint"
        )


def _folders(document: PlatformSettings) -> Iterator[str]:
    """What a model's Job collects is everything in its folder, so none lies in another's."""
    folders = {
        f"{ROOT}.models.{alias}.cache.prefix": f"{c.bucket}/{c.prefix}/{model.service_name}/"
        for alias, model in document.vllm_models.items()
        if isinstance(c := model.cache, S3Cache)
    }
    for key, folder in folders.items():
        for other, around in folders.items():
            if key != other and folder.startswith(around):
                yield (
                    f"{key} leads to {folder}, which lies in {around} of {other}, where that "
                    "model's Job removes what is not its own: choose another prefix"
                )


def _token(document: PlatformSettings) -> Iterator[str]:
    token = document.hub.token
    if token is None:
        return
    key, name = f"{_HUB}.token.secret_name", token.secret_name
    for own, other in secret_names(document).items():
        if name == other:
            yield (
                f"{key} is the Secret of the gateway too ({own}): the two have different readers, "
                "name a Secret for each"
            )
    for alias, model in document.external_models.items():
        if name == model.secret.name:
            yield (
                f"{key} is the Secret of {ROOT}.models.{alias} too, whose key goes to a provider "
                "outside: name a Secret for each"
            )
    filled = any(is_filled_here(model.cache) for model in document.vllm_models.values())
    if not filled and isinstance(token, ConfigToken | ExternalToken):
        yield f"{_HUB}.token is for nobody: no model on vLLM is downloaded here, take it out"


def _endpoint(document: PlatformSettings) -> Iterator[str]:
    hub = document.hub
    if hub.endpoint_networks and hub.endpoint is None:
        yield (
            f"{_HUB}.endpoint_networks is there without {_HUB}.endpoint, and the public hub is in "
            "no private network: name the mirror, or take the networks out"
        )
    if hub.endpoint and leads_inside(host_of(hub.endpoint)) and not hub.endpoint_networks:
        yield (
            f"{_HUB}.endpoint leads to {host_of(hub.endpoint)}, a name of a private network, which "
            f"preload Jobs do not reach: say in {_HUB}.endpoint_networks where it is"
        )
    for number, text in enumerate(hub.endpoint_networks):
        if not is_private(text):
            yield (
                f"{_HUB}.endpoint_networks.{number} is {text!r}: needed is the address of a "
                "private network, such as 10.20.0.0/24, of 16 bits and more"
            )
