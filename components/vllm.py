"""One model on vLLM: its server, alone or as a group of nodes, and the Job that brings its weights.

Owns the Deployment or LeaderWorkerSet, its Service, its network policies and its chat template. The
pods are `vllm_pods`'s, the weights' volume is `model_cache`'s, the nodes are `node_pools`'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components.core.conventions import VLLM_PORT
from components.core.drain import DrainChain
from components.core.hardware import InstanceType
from components.document import chat_template
from components.document.plans import ModelPlan
from components.document.vllm_model import VllmServerSettings
from components.engine_keys import keys_program
from components.model_mount import ModelMount
from components.network import group_rules, ingress, neighbour_egress, network_policy, policy_spec
from components.preflight import preflight_config_name, preflight_files, preflight_plan
from components.vllm_group import group_server
from components.vllm_pods import PodParts, server_pod
from components.workloads import Identity, Replicas, server

_NODE_SECONDS = 900
"""Until a new GPU node has joined and pulled the 9 GB image: 511 s were measured for a cold node
(284 s provisioning, 126 s initialisation, 101 s image), with room for a second try."""


@dataclass(frozen=True)
class Placement:
    """Where replicas go, and who gives way to whom.

    Attributes:
        surge: Whether a new replica may start before an old one ends.
        priority_class: Name of the PriorityClass of the pods.
        machines: Those that may hold a pod.
    """

    surge: bool
    priority_class: str
    machines: Sequence[InstanceType]


class VllmServer(pulumi.ComponentResource):
    """A vLLM server that only the gateway, monitoring and named clients may reach."""

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        found: ModelPlan,
        *,
        who: Identity,
        mount: ModelMount,
        callers: Sequence[NetworkPolicyPeerArgsDict],
        drain: DrainChain,
        placement: Placement,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:serving:VllmServer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = found.settings
        inside = group_rules(who.selector) if settings.nodes > 1 else ((), ())
        network_policy(
            who.name,
            who.namespace,
            policy_spec(
                who.selector,
                ingress_rules=[ingress(callers, VLLM_PORT), *inside[0]],
                egress_rules=[*mount.egress, *inside[1]],
            ),
            child,
        )
        for number, labels in enumerate(_neighbours(settings, who)):
            policy = neighbour_egress(labels, who.selector, VLLM_PORT)
            network_policy(f"{who.name}-direct-{number}", who.namespace, policy, child)
        assert found.host is not None, "the wiring refuses a model without a plan"
        replicas = Replicas(
            count=settings.least_replicas,
            surge=placement.surge,
            grace_seconds=drain.pod_grace_seconds,
            start_seconds=_NODE_SECONDS + found.host.startup_seconds,
            most=settings.scaling.max_replicas if settings.scaling else None,
        )
        parts = PodParts(
            found,
            drain,
            mount,
            placement.priority_class,
            preflight=_preflight(name, found, placement.machines, who, child),
            template=_template(name, found, who, child),
            compiled=_compiled(name, settings, who, child),
            keys=keys_program(name, who, child) if settings.api_key else None,
        )
        if settings.nodes > 1:
            service = group_server(who, replicas, parts, child)
        else:
            service = server(
                who,
                replicas,
                server_pod(parts),
                VLLM_PORT,
                child,
                claim_templates=mount.claim_templates,
                account_annotations=mount.account_annotations,
            )
        self.service_name = service.metadata.name
        self.register_outputs({"service_name": self.service_name})


def _neighbours(settings: VllmServerSettings, who: Identity) -> list[Mapping[str, str]]:
    """Labels of direct clients in the stack's own namespace, which is closed in both directions."""
    return [c.pod_labels for c in settings.direct_clients if c.namespace == who.namespace]


def _preflight(
    name: str,
    found: ModelPlan,
    machines: Sequence[InstanceType],
    who: Identity,
    opts: pulumi.ResourceOptions,
) -> str:
    """The ConfigMap of the GPU preflight, told what was planned."""
    settings, host = found.settings, found.host
    assert host is not None, "the wiring refuses a model without a plan"
    plan = preflight_plan(
        machines,
        gpus=settings.gpus_per_node,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        shm_gib=host.shm_gib,
        compute_capability=found.compute_capability,
    )
    files = preflight_files(plan)
    config_map = preflight_config_name(who.name, files)
    k8s.core.v1.ConfigMap(
        f"{name}-preflight",
        metadata=who.metadata(config_map),
        immutable=True,
        data=dict(files),
        opts=opts,
    )
    return config_map


def _compiled(
    name: str, settings: VllmServerSettings, who: Identity, opts: pulumi.ResourceOptions
) -> str | None:
    """The claim for compiled kernels; its class is asked to let many nodes write."""
    cache = settings.compile_cache
    if cache is None:
        return None
    claim = f"{who.name}-compiled"
    k8s.core.v1.PersistentVolumeClaim(
        f"{name}-compiled",
        metadata={
            **who.metadata(claim),
            # Where a class waits for the first consumer, that is the server, which comes later.
            "annotations": {**who.annotations, "pulumi.com/skipAwait": "true"},
        },
        spec={
            "storage_class_name": cache.storage_class,
            "access_modes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": f"{cache.size_gib}Gi"}},
        },
        opts=opts,
    )
    return claim


def _template(
    name: str, found: ModelPlan, who: Identity, opts: pulumi.ResourceOptions
) -> str | None:
    """The ConfigMap of a chat template of one's own; named after its content, so a change rolls."""
    path = found.settings.chat_template
    if path is None:
        return None
    config_map = f"{who.name}-template-{chat_template.content_hash(path)}"
    k8s.core.v1.ConfigMap(
        f"{name}-template",
        metadata=who.metadata(config_map),
        immutable=True,
        data={path.rpartition("/")[2]: chat_template.text(path)},
        opts=opts,
    )
    return config_map
