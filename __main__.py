"""One stack document in, one platform out."""

import pulumi

from components.cluster import WrongClusterError, check_cluster, kubernetes_provider
from components.document import DocumentError, read_document
from components.litellm import ConfigKey, DevelopmentKey, ExistingKey
from components.platform import Platform

config = pulumi.Config("inference")

try:
    settings = read_document(config.require_object("platform"))
    warning = check_cluster(settings.cluster, preview=pulumi.runtime.is_dry_run())
except (DocumentError, WrongClusterError) as error:
    raise pulumi.RunError(str(error)) from None
if warning:
    pulumi.log.warn(warning)

match settings.gateway.master_key:
    case DevelopmentKey(value=value):
        gateway_key = value
    case ConfigKey():
        gateway_key = config.require_secret("gatewayKey")
    case ExistingKey():
        gateway_key = None

platform = Platform(
    pulumi.get_stack(),
    settings,
    gateway_key=gateway_key,
    provider=kubernetes_provider(settings.cluster),
)
pulumi.export("gateway", platform.gateway_url)
pulumi.export("models", [*settings.models, *settings.gateway.model_aliases])
