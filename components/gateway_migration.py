"""What has to be done to the gateway's database before a pod of a new version serves.

Owns a Job that brings the tables up to date and holds the salt key against the one that the
database was set up with. It ends before the roll-out begins; where it fails, nothing is rolled out.
"""

from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, VolumeMountArgsDict

from components.core.conventions import GATEWAY_PORT
from components.core.images import image
from components.document.gateway import GatewaySettings
from components.gateway_environment import (
    HOME,
    NO_MIGRATION,
    common_environment,
    store_environment,
)
from components.gateway_network import database_egress
from components.jobs import job
from components.network import network_policy, policy_spec
from components.pods import environment, hardened_pod, mounts, resources, scratch
from components.preload_pods import short_hash
from components.workloads import Identity

USER = GROUP = 1000
"""As the gateway's: any user but root."""
SALT_GUARD = "salt_guard.py"
"""The program that tells salt keys apart; it lies beside the gateway's configuration too."""
_GUARD = Path(__file__).parent / "programs" / "gateway" / SALT_GUARD
_PROGRAMS = "/opt/gateway"
_ATTEMPTS = 5
_DEADLINE_SECONDS = 1800
"""Some 200 migrations take two minutes on an empty database; large tables take longer."""


class GatewayMigration(pulumi.ComponentResource):
    """The database as this version of the gateway needs it, or a deployment that stops here."""

    def __init__(
        self,
        name: str,
        settings: GatewaySettings,
        *,
        who: Identity,
        salt: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:gateway:GatewayMigration", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        needed = [*_salt_secret(name, settings, who, salt, child)]
        spec = policy_spec(who.selector, egress_rules=database_egress(settings))
        needed.append(network_policy(f"{who.name}-migration", who.namespace, spec, child))
        guard = _GUARD.read_text(encoding="utf-8")
        config_name = f"{who.name}-migration-{short_hash(guard)}"
        needed.append(
            k8s.core.v1.ConfigMap(
                f"{name}-program",
                metadata=who.metadata(config_name),
                immutable=True,
                data={SALT_GUARD: guard},
                opts=child,
            )
        )
        pod = migration_pod(settings, config_name)
        job(
            name,
            _job_name(f"{who.name}-migration", pod, salt),
            who,
            pod,
            pulumi.ResourceOptions(parent=self, depends_on=needed),
            attempts=_ATTEMPTS,
            deadline_seconds=_DEADLINE_SECONDS,
        )
        self.register_outputs({})


def _job_name(
    begin: str, pod: PodSpecArgsDict, salt: pulumi.Input[str] | None
) -> pulumi.Input[str]:
    """Another pod, or another salt of the stack's, is another Job: it asks the database again.

    Eight digits tell nobody a salt, so the name is shown.
    """
    if salt is None:
        return f"{begin}-{short_hash(pod)}"
    named = pulumi.Output.from_input(salt).apply(
        lambda value: f"{begin}-{short_hash([pod, value])}"
    )
    return pulumi.Output.unsecret(named)


def _salt_secret(
    name: str,
    settings: GatewaySettings,
    who: Identity,
    salt: pulumi.Input[str] | None,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    if settings.salt_key is None or salt is None:
        return []
    return [
        k8s.core.v1.Secret(
            f"{name}-salt",
            metadata=who.metadata(settings.salt_key.secret_name),
            immutable=True,
            string_data={settings.salt_key.secret_key: pulumi.Output.secret(salt)},
            opts=opts,
        )
    ]


def migration_pod(settings: GatewaySettings, config_name: str) -> PodSpecArgsDict:
    """Salt first: a database that is encrypted with another one is left as it is."""
    program: VolumeMountArgsDict = {"name": "program", "mount_path": _PROGRAMS, "read_only": True}
    migrate: ContainerArgsDict = {
        **_container(settings),
        "name": "migrate",
        "args": ["--skip_server_startup", f"--port={GATEWAY_PORT}"],
        "volume_mounts": mounts(home=HOME, tmp="/tmp"),
    }
    return hardened_pod(
        [migrate],
        [
            {"name": "program", "config_map": {"name": config_name}},
            scratch("home", "1Gi"),
            scratch("tmp", "1Gi"),
        ],
        uid=USER,
        group=GROUP,
        init_containers=[salt_guard(settings, _PROGRAMS, [program])],
    )


def salt_guard(
    settings: GatewaySettings, folder: str, programs: Sequence[VolumeMountArgsDict]
) -> ContainerArgsDict:
    """An init container that ends where the salt key is not the database's.

    Args:
        settings: Of the gateway.
        folder: Where the program lies.
        programs: The mount that brings it there.
    """
    return {
        **_container(settings),
        "name": "salt-guard",
        "command": ["python", f"{folder}/{SALT_GUARD}"],
        "volume_mounts": [*programs, *mounts(home=HOME, tmp="/tmp")],
    }


def _container(settings: GatewaySettings) -> ContainerArgsDict:
    served = common_environment()
    # The Job is what updates the schema; LiteLLM copies its migrations to a folder first.
    migrating = {key: value for key, value in served.items() if key != NO_MIGRATION}
    return {
        "name": "",
        "image": settings.image or image("litellm"),
        "env": [
            *store_environment(settings, counters=False),
            *environment({**migrating, "LITELLM_MIGRATION_DIR": "/tmp/migrations"}),
        ],
        "resources": resources(1, settings.memory_gib),
    }
