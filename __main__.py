"""One stack document in, one platform out."""

import sys

import pulumi

from components.cluster import WrongClusterError, check_cluster, kubernetes_provider
from components.document import DocumentError, read_document
from components.field_manager import one_field_manager
from components.keys import read_keys
from components.platform import Platform

config = pulumi.Config("inference")

try:
    try:
        document = config.get_object("platform")
    except pulumi.ConfigTypeError:
        document = config.get("platform")  # a text; what it should be, the document's model says
    settings = read_document(document)
    warning = check_cluster(settings.cluster, preview=pulumi.runtime.is_dry_run())
    keys = read_keys(settings, config)
except (DocumentError, WrongClusterError, pulumi.ConfigMissingError) as error:
    pulumi.log.error(str(error))
    sys.exit(32)  # Pulumi's code for "the user has been told": nothing vague is added

pulumi.runtime.register_resource_transform(one_field_manager)
provider = kubernetes_provider(settings.cluster)
platform = Platform(pulumi.get_stack(), settings, keys=keys, provider=provider)
for text in filter(None, (warning, *platform.warnings)):
    pulumi.log.warn(text)
pulumi.export("gateway", platform.gateway_url)
pulumi.export("models", [*settings.aliases, *settings.gateway.model_aliases])
pulumi.export("plan", platform.plan)
