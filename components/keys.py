"""Keys that the stack itself brings into the cluster, out of Pulumi's encrypted configuration."""

from dataclasses import dataclass

import pulumi

from components.document import PlatformSettings
from components.document.credentials import ConfigCredential, DevelopmentCredential
from components.document.gateway_stores import InClusterDatabase, InClusterRedis
from components.document.hub import ConfigToken


@dataclass(frozen=True)
class Keys:
    """Values of Secrets that the stack makes; None where a Secret comes from elsewhere.

    Attributes:
        gateway: The gateway's master key.
        previous_gateway: The one before it.
        hub: The token of the model hub.
        salt: What the gateway encrypts with.
        database_password: Of the gateway's own database.
        redis_password: Of the gateway's own counters.
    """

    gateway: pulumi.Input[str] | None = None
    previous_gateway: pulumi.Input[str] | None = None
    hub: pulumi.Input[str] | None = None
    salt: pulumi.Input[str] | None = None
    database_password: pulumi.Input[str] | None = None
    redis_password: pulumi.Input[str] | None = None


def read_keys(settings: PlatformSettings, config: pulumi.Config) -> Keys:
    """The keys that a document says are in the configuration.

    Raises:
        pulumi.ConfigMissingError: One is not there.
    """
    gateway, token = settings.gateway, settings.hub.token
    database, redis = gateway.database, gateway.redis

    def value(credential: object, name: str) -> pulumi.Input[str] | None:
        if isinstance(credential, DevelopmentCredential):
            return credential.value
        return config.require_secret(name) if isinstance(credential, ConfigCredential) else None

    own_database = isinstance(database, InClusterDatabase)
    own_redis = isinstance(redis, InClusterRedis)
    return Keys(
        gateway=value(gateway.master_key, "gatewayKey"),
        previous_gateway=value(gateway.previous_master_key, "previousGatewayKey"),
        hub=config.require_secret("hubToken") if isinstance(token, ConfigToken) else None,
        salt=value(gateway.salt_key, "gatewaySaltKey"),
        database_password=value(database.password, "gatewayDatabasePassword")
        if own_database
        else None,
        redis_password=value(redis.password, "gatewayRedisPassword") if own_redis else None,
    )
