"""The gateway's teams and keys as code: what is wanted, and who makes it so inside the cluster.

Owns the wanted state, the Secrets that get keys (made empty; what they hold is the reconciler's and
never Pulumi's), the reconciler's account with its rights, the Job after each change and the CronJob
that sets back what people changed by hand. The program is `programs/gateway_state.py`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    KeyToPathArgsDict,
    PodSpecArgsDict,
    VolumeArgsDict,
)
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict

from components.core.conventions import GATEWAY_PORT, STATE_PROGRAM
from components.core.images import image
from components.document.gateway import GatewaySettings
from components.document.tenant_state import secret_names, wanted_state
from components.gateway_config import MASTER_KEY
from components.jobs import job
from components.network import (
    api_server_egress,
    egress,
    network_policy,
    policy_spec,
    same_namespace,
)
from components.pods import environment, hardened_pod, mounts, resources, scratch
from components.preload_pods import short_hash
from components.workloads import Identity

USER = GROUP = 1000
"""Any user but root; the program only reads."""

_PROGRAMS = Path(__file__).parent / "programs"
_MODULES = (
    "__init__.py",
    "gateway_admin.py",
    "gateway_drift.py",
    "gateway_key_plan.py",
    "gateway_plan.py",
    "gateway_state.py",
    "gateway_wanted.py",
    "kubernetes_secrets.py",
)
_STATE_KEY = "state.json"
_FOLDER, _STATE, _ACCESS = "/programs", "/state", "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 3600
_ATTEMPTS = 4
_DEADLINE_SECONDS = 900
"""The gateway may need 5 minutes to be ready; a thousand keys take less than that again."""


class GatewayState(pulumi.ComponentResource):
    """Teams and keys of the gateway, made and kept as the document says."""

    state_name: str

    def __init__(
        self,
        name: str,
        settings: GatewaySettings,
        *,
        who: Identity,
        gateway_labels: Mapping[str, str],
        api_server_networks: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:gateway:GatewayState", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        files = state_files(settings)
        config_name = f"{who.name}-state-{short_hash(files)}"
        needed = [
            _config_map(config_name, files, who, child),
            *(_empty_secret(each, who, child) for each in secret_names(settings)),
            *_account(f"{who.name}-state", who, state_rules(settings), child),
            network_policy(
                f"{who.name}-state",
                who.namespace,
                policy_spec(
                    who.selector,
                    egress_rules=[
                        egress([same_namespace(gateway_labels)], GATEWAY_PORT),
                        api_server_egress(api_server_networks),
                    ],
                ),
                child,
            ),
        ]
        after = pulumi.ResourceOptions(parent=self, depends_on=needed)
        pod = state_pod(settings, config_name, f"{who.name}-state")
        # Named after its pod, and so after the wanted state.
        job_name = f"{who.name}-state-{short_hash(pod)}"
        job(
            job_name,
            job_name,
            who,
            pod,
            after,
            attempts=_ATTEMPTS,
            deadline_seconds=_DEADLINE_SECONDS,
        )
        _cron_job(who, pod, settings.drift_minutes, after)
        self.state_name = config_name
        self.register_outputs({"state_name": config_name})


def state_files(settings: GatewaySettings) -> dict[str, str]:
    """`data` of the ConfigMap: the program, and what it makes true."""
    programs = {name: (_PROGRAMS / name).read_text(encoding="utf-8") for name in _MODULES}
    return {**programs, _STATE_KEY: json.dumps(wanted_state(settings), indent=1)}


def state_rules(settings: GatewaySettings) -> list[PolicyRuleArgsDict]:
    """What the reconciler may do in Kubernetes; a rule without names would mean every Secret."""
    names = secret_names(settings)
    if not names:
        return []
    return [
        {
            "api_groups": [""],
            "resources": ["secrets"],
            "resource_names": list(names),
            "verbs": ["get", "patch"],
        }
    ]


def state_pod(settings: GatewaySettings, config_name: str, account: str) -> PodSpecArgsDict:
    """The reconciler's pod; the only one of the stack that gets a token of the API server."""
    master_key = settings.master_key
    container: ContainerArgsDict = {
        "name": "state",
        "image": image("python"),
        "command": ["python3", "-m", STATE_PROGRAM, f"{_STATE}/{_STATE_KEY}"],
        "args": [f"--base-url=http://{settings.service_name}:{GATEWAY_PORT}"],
        "working_dir": _FOLDER,
        "env": [
            {
                "name": MASTER_KEY,
                "value_from": {
                    "secret_key_ref": {
                        "name": master_key.secret_name,
                        "key": master_key.secret_key,
                    }
                },
            },
            *environment({"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}),
        ],
        "resources": resources(1, 1),
        "volume_mounts": [
            {"name": "programs", "mount_path": _FOLDER, "read_only": True},
            {"name": "state", "mount_path": _STATE, "read_only": True},
            {"name": "access", "mount_path": _ACCESS, "read_only": True},
            *mounts(tmp="/tmp"),
        ],
    }
    volumes = [*_config_volumes(config_name), _access(), scratch("tmp", "1Gi")]
    pod = hardened_pod([container], volumes, uid=USER, group=GROUP)
    return {**pod, "service_account_name": account, "restart_policy": "Never"}


def _config_volumes(config_name: str) -> list[VolumeArgsDict]:
    items: list[KeyToPathArgsDict] = [
        {"key": name, "path": f"components/programs/{name}"} for name in _MODULES
    ]
    state: list[KeyToPathArgsDict] = [{"key": _STATE_KEY, "path": _STATE_KEY}]
    return [
        {"name": "programs", "config_map": {"name": config_name, "items": items}},
        {"name": "state", "config_map": {"name": config_name, "items": state}},
    ]


def _access() -> VolumeArgsDict:
    """Token, CA and namespace as Kubernetes itself would mount them, for this pod alone."""
    return {
        "name": "access",
        "projected": {
            "sources": [
                {
                    "service_account_token": {
                        "path": "token",
                        "expiration_seconds": _TOKEN_SECONDS,
                    }
                },
                {
                    "config_map": {
                        "name": "kube-root-ca.crt",
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                },
                {
                    "downward_api": {
                        "items": [
                            {"path": "namespace", "field_ref": {"field_path": "metadata.namespace"}}
                        ]
                    }
                },
            ]
        },
    }


def _config_map(
    name: str, files: Mapping[str, str], who: Identity, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    return k8s.core.v1.ConfigMap(
        name, metadata=who.metadata(name), immutable=True, data=dict(files), opts=opts
    )


def _empty_secret(name: str, who: Identity, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """The reconciler fills it; Pulumi never reverts what it holds.

    A refresh reads it like any object, into outputs alone, where it stands encrypted.
    """
    unseen = pulumi.ResourceOptions(
        ignore_changes=["data", "stringData"], additional_secret_outputs=["data", "stringData"]
    )
    return k8s.core.v1.Secret(
        name, metadata=who.metadata(name), opts=pulumi.ResourceOptions.merge(opts, unseen)
    )


def _account(
    name: str, who: Identity, rules: list[PolicyRuleArgsDict], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """The account, and the right to read and change the accounts' Secrets, by their names."""
    account = k8s.core.v1.ServiceAccount(
        name, metadata=who.metadata(name), automount_service_account_token=False, opts=opts
    )
    role = k8s.rbac.v1.Role(name, metadata=who.metadata(name), rules=rules, opts=opts)
    binding = k8s.rbac.v1.RoleBinding(
        name,
        metadata=who.metadata(name),
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": name, "namespace": who.namespace}],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
    )
    return [account, role, binding]


def _cron_job(
    who: Identity, pod: PodSpecArgsDict, minutes: int, opts: pulumi.ResourceOptions
) -> None:
    """Sets back what people changed of what is managed, and reports the rest in its log."""
    name = f"{who.name}-drift"
    k8s.batch.v1.CronJob(
        name,
        metadata=who.metadata(name),
        spec={
            "schedule": f"*/{minutes} * * * *",
            "concurrency_policy": "Forbid",
            "starting_deadline_seconds": 300,
            "successful_jobs_history_limit": 1,
            "failed_jobs_history_limit": 3,
            "job_template": {
                "metadata": {"labels": who.labels},
                "spec": {
                    "backoff_limit": 1,
                    "active_deadline_seconds": _DEADLINE_SECONDS,
                    "template": {
                        "metadata": {"labels": who.labels, "annotations": dict(who.annotations)},
                        "spec": pod,
                    },
                },
            },
        },
        opts=opts,
    )
