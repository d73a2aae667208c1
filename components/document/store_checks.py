"""What the gateway's database, counters and credentials must agree on, a sentence each."""

from collections.abc import Iterator

from components.document.credentials import DevelopmentCredential
from components.document.gateway_stores import (
    ExternalDatabase,
    ExternalRedis,
    InClusterDatabase,
    InClusterRedis,
)
from components.document.quantities import is_private
from components.document.whole import ROOT, PlatformSettings

_GATEWAY = f"{ROOT}.gateway"


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """What is wrong with where the gateway keeps tenants, counters and credentials."""
    for check in (_stores, _networks, _in_cluster, _development, _secrets, _rotation):
        yield from check(document)


def _stores(document: PlatformSettings) -> Iterator[str]:
    gateway = document.gateway
    if gateway.database is not None and gateway.salt_key is None:
        yield (
            f"{_GATEWAY}.salt_key is missing beside {_GATEWAY}.database: without one LiteLLM "
            "encrypts with its master key, which could then never be rotated; add a salt_key"
        )
    for key in ("salt_key", "redis"):
        if gateway.database is None and getattr(gateway, key) is not None:
            yield (
                f"{_GATEWAY}.{key} is there without {_GATEWAY}.database, and without tenants "
                f"there is nothing for it to do: add a database, or take {key} out"
            )
    key, most = "replicas", gateway.replicas
    if gateway.scaling is not None:
        key, most = "scaling.max_replicas", gateway.scaling.max_replicas
    if gateway.database is not None and gateway.redis is None and most > 1:
        yield (
            f"{_GATEWAY}.{key} is {most} without {_GATEWAY}.redis: each pod would count for itself "
            f"and let every limit through {most} times; add redis, or set {key} to 1"
        )


def _networks(document: PlatformSettings) -> Iterator[str]:
    """The gateway's way out leads there, so it must not lead everywhere."""
    gateway = document.gateway
    for key, store in (("database", gateway.database), ("redis", gateway.redis)):
        if not isinstance(store, ExternalDatabase | ExternalRedis):
            continue
        for number, network in enumerate(store.networks):
            if not is_private(network):
                yield (
                    f"{_GATEWAY}.{key}.networks.{number} is {network!r}: needed is the address of "
                    "a private network, such as 10.20.0.0/24, of 16 bits and more"
                )


def _in_cluster(document: PlatformSettings) -> Iterator[str]:
    if document.environment != "production":
        return
    kinds = (InClusterDatabase, InClusterRedis)
    for key in ("database", "redis"):
        if isinstance(getattr(document.gateway, key), kinds):
            yield (
                f"{_GATEWAY}.{key}.kind is 'in-cluster', one pod without backup or failover, and "
                f"{ROOT}.environment is 'production': use kind 'external'"
            )


def _development(document: PlatformSettings) -> Iterator[str]:
    if document.environment != "production":
        return
    for key, credential in credentials(document).items():
        if key != f"{_GATEWAY}.master_key" and isinstance(credential, DevelopmentCredential):
            yield (
                f"{key}.source is 'development', a value that everybody knows, and "
                f"{ROOT}.environment is 'production': use another source"
            )


def _secrets(document: PlatformSettings) -> Iterator[str]:
    """Each credential in a Secret of its own: they have different readers and different lives."""
    first: dict[str, str] = {}
    for key, name in secret_names(document).items():
        other = first.setdefault(name, key)
        if other != key:
            yield f"{key} and {other} are both {name!r}: name a Secret for each"


def _rotation(document: PlatformSettings) -> Iterator[str]:
    master, salt = document.gateway.master_key, document.gateway.salt_key
    if (
        isinstance(master, DevelopmentCredential)
        and isinstance(salt, DevelopmentCredential)
        and master.value == salt.value
    ):
        yield (
            f"{_GATEWAY}.salt_key.value is that of the master key, which is there to be changed, "
            "while a salt can never change: give it a value of its own"
        )


def credentials(document: PlatformSettings) -> dict[str, object]:
    """Credentials of the gateway by their key in the document."""
    gateway = document.gateway
    found: dict[str, object] = {f"{_GATEWAY}.master_key": gateway.master_key}
    if gateway.previous_master_key is not None:
        found[f"{_GATEWAY}.previous_master_key"] = gateway.previous_master_key
    if gateway.salt_key is not None:
        found[f"{_GATEWAY}.salt_key"] = gateway.salt_key
    if isinstance(gateway.database, InClusterDatabase):
        found[f"{_GATEWAY}.database.password"] = gateway.database.password
    if isinstance(gateway.redis, InClusterRedis):
        found[f"{_GATEWAY}.redis.password"] = gateway.redis.password
    return found


def secret_names(document: PlatformSettings) -> dict[str, str]:
    """Names of Secrets with keys, by the key of the document that says them."""
    gateway = document.gateway
    found = {f"{_GATEWAY}.master_key.secret_name": gateway.master_key.secret_name}
    if gateway.previous_master_key is not None:
        name = gateway.previous_master_key.secret_name
        found[f"{_GATEWAY}.previous_master_key.secret_name"] = name
    if gateway.salt_key is not None:
        found[f"{_GATEWAY}.salt_key.secret_name"] = gateway.salt_key.secret_name
    if gateway.database is not None:
        if isinstance(gateway.database, InClusterDatabase):
            name = gateway.database.password.secret_name
            found[f"{_GATEWAY}.database.password.secret_name"] = name
        else:
            found[f"{_GATEWAY}.database.url.name"] = gateway.database.url.name
    if gateway.redis is not None:
        if isinstance(gateway.redis, InClusterRedis):
            name = gateway.redis.password.secret_name
            found[f"{_GATEWAY}.redis.password.secret_name"] = name
        else:
            found[f"{_GATEWAY}.redis.password.name"] = gateway.redis.password.name
    # Every entry of such a Secret opens an engine, so it holds nothing else; engines may share it.
    keyed = {m.api_key.name: alias for alias, m in document.vllm_models.items() if m.api_key}
    return found | {f"{ROOT}.models.{alias}.api_key.name": name for name, alias in keyed.items()}
