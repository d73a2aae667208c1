"""Keys that the stack itself brings into the cluster, out of Pulumi's encrypted configuration."""

from dataclasses import dataclass

import pulumi

from components.document import PlatformSettings
from components.document.gateway import ConfigKey, DevelopmentKey
from components.document.hub import ConfigToken


@dataclass(frozen=True)
class Keys:
    """Values of Secrets that the stack makes; None where a Secret comes from elsewhere.

    Attributes:
        gateway: The key that every client of the gateway shows.
        hub: The token of the model hub.
    """

    gateway: pulumi.Input[str] | None
    hub: pulumi.Input[str] | None


def read_keys(settings: PlatformSettings, config: pulumi.Config) -> Keys:
    """The keys that a document says are in the configuration.

    Raises:
        pulumi.ConfigMissingError: One is not there.
    """
    key, token = settings.gateway.master_key, settings.hub.token
    gateway = key.value if isinstance(key, DevelopmentKey) else None
    return Keys(
        gateway=config.require_secret("gatewayKey") if isinstance(key, ConfigKey) else gateway,
        hub=config.require_secret("hubToken") if isinstance(token, ConfigToken) else None,
    )
