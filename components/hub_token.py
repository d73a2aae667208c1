"""The token of the model hub, as a Secret of the namespace; only preload Jobs refer to it.

Owns the Secret, or the ExternalSecret that the External Secrets Operator makes one from.
"""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import EnvVarArgsDict

from components.core.conventions import PART_OF
from components.document.hub import ConfigToken, ExternalToken, HubSettings

_VARIABLE = "HF_TOKEN"
_REFRESH = "1h"


class HubTokenSecret(pulumi.ComponentResource):
    """A Secret with the hub's token, made by the stack itself or by External Secrets."""

    secret_name: str

    def __init__(
        self,
        name: str,
        settings: ConfigToken | ExternalToken,
        *,
        namespace: str,
        value: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:storage:HubTokenSecret", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        metadata = {
            "name": settings.secret_name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": PART_OF},
        }
        if isinstance(settings, ExternalToken):
            CustomResource(
                name,
                api_version="external-secrets.io/v1",
                kind="ExternalSecret",
                metadata=metadata,
                spec=external_secret_spec(settings),
                opts=child,
            )
        elif value is not None:
            k8s.core.v1.Secret(
                name,
                metadata=metadata,  # pyright: ignore[reportArgumentType] - the same shape
                string_data={settings.secret_key: pulumi.Output.secret(value)},
                opts=child,
            )
        self.secret_name = settings.secret_name
        self.register_outputs({"secret_name": self.secret_name})


def external_secret_spec(settings: ExternalToken) -> dict[str, Any]:
    """`spec` of an external-secrets.io/v1 ExternalSecret that owns its Secret."""
    part = {} if settings.property is None else {"property": settings.property}
    return {
        "refreshPolicy": "Periodic",
        "refreshInterval": _REFRESH,
        "secretStoreRef": {"name": settings.store.name, "kind": settings.store.kind},
        "target": {"name": settings.secret_name, "creationPolicy": "Owner"},
        "data": [
            {
                "secretKey": settings.secret_key,
                "remoteRef": {"key": settings.remote_key, **part},
            }
        ],
    }


def hub_environment(settings: HubSettings) -> tuple[EnvVarArgsDict, ...]:
    """Variables of the hub's client in a Job: a mirror's address, and the token by reference."""
    found: list[EnvVarArgsDict] = []
    if settings.endpoint is not None:
        found.append({"name": "HF_ENDPOINT", "value": settings.endpoint})
    if settings.token is not None:
        found.append(
            {
                "name": _VARIABLE,
                "value_from": {
                    "secret_key_ref": {
                        "name": settings.token.secret_name,
                        "key": settings.token.secret_key,
                    }
                },
            }
        )
    return tuple(found)
