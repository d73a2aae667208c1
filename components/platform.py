"""The wiring: a stack document in, the platform's components out, each told what it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components import exposure, ollama, vllm, vllm_pods
from components.autoscaling import Autoscaler, Recommender
from components.core.conventions import GATEWAY_PORT, Role
from components.core.drain import DrainChain
from components.document import ROOT, DocumentError, PlatformSettings, outside, storage
from components.document import exposure as exposure_document
from components.document.figures import figures
from components.document.hub import ConfigToken, ExternalToken
from components.document.ollama_models import OllamaServerSettings
from components.document.ollama_plan import ollama_plan
from components.document.plans import ModelPlan, plan_models
from components.document.replacement import replacement
from components.document.replacement import sentence as replacement_sentence
from components.gateway import gateway, monitoring
from components.hub_token import HubTokenSecret, hub_environment
from components.identities import (
    gateway_identity,
    identity,
    ollama_identity,
    vllm_identity,
)
from components.job_placement import placed
from components.keys import Keys
from components.model_cache import ModelCache, OldRevisions
from components.model_volume import model_volumes
from components.namespace import PlatformNamespace
from components.network import other_namespace, same_namespace
from components.node_pools import GpuNodePool
from components.preload_pods import VolumeJob
from components.priorities import ServingPriorities, priority_class
from components.scaling_signals import (
    gateway_scaled,
    gateway_signals,
    model_scaled,
    model_signals,
)
from components.stored_models import stored_models
from components.volumes import Place
from components.workloads import Identity


class Platform(pulumi.ComponentResource):
    """Everything that one stack document asks for."""

    gateway_url: pulumi.Output[str]
    plan: Mapping[str, Mapping[str, Any]]
    warnings: tuple[str, ...]

    def __init__(
        self,
        name: str,
        settings: PlatformSettings,
        *,
        keys: Keys,
        provider: Provider,
    ) -> None:
        opts = pulumi.ResourceOptions(providers=[provider])
        super().__init__("inference:platform:Platform", name, None, opts)
        drain = DrainChain(settings.streams.longest_seconds)
        child = pulumi.ResourceOptions(parent=self)
        for pool, pool_settings in settings.node_pools.items():
            GpuNodePool(
                pool,
                pool_settings,
                node_class=settings.cluster.node_class,
                drain=drain,
                opts=child,
            )
        namespace = PlatformNamespace(
            settings.namespace,
            environment=settings.environment,
            labels=exposure.namespace_labels(settings.exposure),
            opts=child,
        )
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        plans = plan_models(settings)
        if plans:
            ServingPriorities("priorities", settings.namespace, opts=child)
        _hub_token(settings, keys.hub, inside)
        servers = [_vllm_server(found, settings, drain, inside) for found in plans.values()]
        if settings.ollama is not None:
            _ollama_server(settings.ollama, settings, drain, inside)
        front = gateway(settings, keys, drain, inside)
        if settings.exposure is not None:
            exposure.GatewayRoute(
                "gateway-route",
                settings.exposure,
                who=gateway_identity(settings),
                drain=drain,
                opts=inside,
            )
        _elasticity(settings, plans, [server for server, _ in servers], front, inside)
        # Last of all: as long as anything else of a deployment may fail, the way back needs them.
        everything = [front, *(server for server, _ in servers)]
        for found, (_, jobs) in zip(plans.values(), servers, strict=True):
            if jobs:
                OldRevisions(
                    f"{found.alias}-old-revisions",
                    who=_job_identity(found, settings, "collect"),
                    jobs=jobs,
                    opts=_after(inside, *everything),
                )
        self.gateway_url = front.service_name.apply(lambda host: f"http://{host}:{GATEWAY_PORT}/v1")
        self.plan = figures(settings, plans)
        planned = (text for found in plans.values() for text in found.warnings)
        self.warnings = (
            *planned,
            *outside.warnings(settings),
            *storage.warnings(settings),
            *exposure_document.warnings(settings.exposure, ROOT),
        )
        self.register_outputs({"gateway_url": self.gateway_url})


def _hub_token(
    settings: PlatformSettings, value: pulumi.Input[str] | None, opts: pulumi.ResourceOptions
) -> None:
    token = settings.hub.token
    if isinstance(token, ConfigToken | ExternalToken):
        HubTokenSecret("hub-token", token, namespace=settings.namespace, value=value, opts=opts)


def _vllm_server(
    found: ModelPlan, settings: PlatformSettings, drain: DrainChain, opts: pulumi.ResourceOptions
) -> tuple[vllm.VllmServer, Sequence[VolumeJob]]:
    """The server of a model, and the Jobs that clear what it no longer needs."""
    if found.problems or found.host is None or found.lock is None:
        raise DocumentError("\n".join(found.problems))
    alias, model = found.alias, found.settings
    stored = stored_models(
        model.cache,
        Place(
            app="vllm",
            service=model.service_name,
            namespace=settings.namespace,
            replicas=model.replicas,
            zones=settings.node_pools[model.pool].zones,
            uid=vllm_pods.USER,
            gid=vllm_pods.GROUP,
        ),
        [found.lock, *found.parts.locks],
        image=vllm_pods.image_of(model),
        hub=hub_environment(settings.hub),
    )
    cache = ModelCache(
        f"{alias}-cache",
        who=_job_identity(found, settings, "preload"),
        claims=stored.claims,
        jobs=stored.fetching,
        config_name=stored.config_name,
        config=stored.config,
        private_networks=settings.hub.endpoint_networks,
        opts=opts,
    )
    direct = [other_namespace(c.namespace, c.pod_labels) for c in model.direct_clients]
    server = vllm.VllmServer(
        alias,
        found,
        who=replace(vllm_identity(alias, settings), weights=stored.weights),
        mount=stored.mount,
        callers=[*_engine_callers(settings), *direct],
        drain=drain,
        placement=vllm.Placement(
            surge=replacement(settings, found).surge,
            priority_class=priority_class(settings.namespace, model.traffic_class),
            machines=[settings.hardware.machines()[plan.machine] for plan in found.plans],
        ),
        opts=_after(opts, cache),
    )
    pulumi.log.info(replacement_sentence(settings, found), server)
    return server, stored.collecting


def _elasticity(
    settings: PlatformSettings,
    plans: Mapping[str, ModelPlan],
    servers: Sequence[vllm.VllmServer],
    gateway: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> None:
    """Autoscalers come when what they scale has served once, with whoever answers instead."""
    for found, server in zip(plans.values(), servers, strict=True):
        alias, model = found.alias, found.settings
        who, scaled = vllm_identity(alias, settings), model_scaled(settings, found)
        after = _after(opts, server, gateway)
        if model.scaling is not None:
            signals = model_signals(settings, alias)
            Autoscaler(
                f"{alias}-scaler",
                model.scaling,
                who=who,
                scaled=scaled,
                signals=signals,
                opts=after,
            )
        if model.vpa:
            Recommender(f"{alias}-recommender", who=who, scaled=scaled, opts=after)
    who, scaled, after = gateway_identity(settings), gateway_scaled(), _after(opts, gateway)
    scaling = settings.gateway.scaling
    if scaling is not None:
        signals = gateway_signals(settings)
        Autoscaler("gateway-scaler", scaling, who=who, scaled=scaled, signals=signals, opts=after)
    if settings.gateway.vpa:
        Recommender("gateway-recommender", who=who, scaled=scaled, opts=after)


def _ollama_server(
    server: OllamaServerSettings,
    settings: PlatformSettings,
    drain: DrainChain,
    opts: pulumi.ResourceOptions,
) -> None:
    planned, name = ollama_plan(settings, server), server.service_name
    place = Place("ollama", name, settings.namespace, 1, (), ollama.USER, ollama.GROUP)
    volumes = model_volumes(server.cache, place, 0)
    (writable,) = volumes.writable
    who = identity("ollama", name, settings, "preload", "ollama")
    program = ollama.VerifyProgram("ollama-verify", who=who, opts=opts)
    pod = ollama.preload_pod(server, planned, writable.claim, program.config_map_name)
    cache = ModelCache(
        "ollama-cache",
        who=who,
        claims=volumes.claims,
        jobs=[VolumeJob(placed(pod, writable), writable.labels)],
        opts=_after(opts, program),
    )
    serving = ollama.server_pod(server, planned, drain, writable.claim, program.config_map_name)
    if volumes.node_labels:
        serving["node_selector"] = dict(volumes.node_labels)
    ollama.OllamaServer(
        "ollama",
        server,
        who=ollama_identity(server, settings),
        pod=serving,
        start_seconds=ollama.start_seconds(planned),
        callers=_engine_callers(settings),
        drain=drain,
        opts=_after(opts, cache),
    )


def _job_identity(found: ModelPlan, settings: PlatformSettings, role: Role) -> Identity:
    return identity("vllm", found.settings.service_name, settings, role, "models", found.alias)


def _after(opts: pulumi.ResourceOptions, *needed: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(needed)))


def _engine_callers(settings: PlatformSettings) -> list[NetworkPolicyPeerArgsDict]:
    return [same_namespace(gateway_identity(settings).selector), monitoring(settings)]
