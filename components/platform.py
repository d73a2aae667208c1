"""The wiring: a stack document in, the platform's components out, each told what it needs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict

from components import ollama, vllm, vllm_pods
from components.core.conventions import (
    ARCHITECTURE_OVERRIDE,
    GATEWAY_PORT,
    OLLAMA_PORT,
    VLLM_PORT,
    Role,
    document_key,
)
from components.core.drain import DrainChain
from components.core.images import image
from components.document import DocumentError, PlatformSettings, outside, storage
from components.document.figures import figures
from components.document.hub import ConfigToken, ExternalToken
from components.document.ollama_models import OllamaServerSettings
from components.document.plans import ModelPlan, plan_models
from components.document.replacement import replacement
from components.document.replacement import sentence as replacement_sentence
from components.exposure import GatewayRoute
from components.hub_token import HubTokenSecret, hub_environment
from components.litellm import Backend, LiteLlmGateway
from components.model_cache import ModelCache, OldRevisions
from components.model_volume import Place, model_volumes
from components.namespace import PlatformNamespace
from components.network import other_namespace, same_namespace
from components.node_pools import GpuNodePool
from components.preload_pods import VolumeJob, placed
from components.priorities import ServingPriorities, priority_class
from components.stored_models import stored_models
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
        gateway_key: pulumi.Input[str] | None,
        hub_token: pulumi.Input[str] | None = None,
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
        namespace = PlatformNamespace(settings.namespace, opts=child)
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        plans = plan_models(settings)
        if plans:
            ServingPriorities("priorities", settings.namespace, opts=child)
        _hub_token(settings, hub_token, inside)
        for found in plans.values():
            _vllm_server(found, settings, drain, inside)
        if settings.ollama is not None:
            _ollama_server(settings.ollama, settings, drain, inside)
        who = gateway_identity(settings)
        gateway = LiteLlmGateway(
            "gateway",
            settings.gateway,
            who=who,
            backends=backends(settings),
            callers=gateway_callers(settings),
            key=gateway_key,
            drain=drain,
            opts=inside,
        )
        if settings.exposure is not None:
            GatewayRoute("gateway-route", settings.exposure, who=who, drain=drain, opts=inside)
        self.gateway_url = gateway.service_name.apply(
            lambda host: f"http://{host}:{GATEWAY_PORT}/v1"
        )
        self.plan = figures(settings, plans)
        planned = (text for found in plans.values() for text in found.warnings)
        self.warnings = (*planned, *outside.warnings(settings), *storage.warnings(settings))
        self.register_outputs({"gateway_url": self.gateway_url})


def _hub_token(
    settings: PlatformSettings, value: pulumi.Input[str] | None, opts: pulumi.ResourceOptions
) -> None:
    token = settings.hub.token
    if isinstance(token, ConfigToken | ExternalToken):
        HubTokenSecret("hub-token", token, namespace=settings.namespace, value=value, opts=opts)


def _vllm_server(
    found: ModelPlan, settings: PlatformSettings, drain: DrainChain, opts: pulumi.ResourceOptions
) -> None:
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
        image=model.image or image("vllm"),
        hub=hub_environment(settings.hub),
    )
    cache = ModelCache(
        f"{alias}-cache",
        who=_identity("vllm", model.service_name, settings, "preload", "models", alias),
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
        who=vllm_identity(alias, settings),
        mount=stored.mount,
        callers=[*_engine_callers(settings), *direct],
        drain=drain,
        placement=vllm.Placement(
            surge=replacement(settings, found).surge,
            priority_class=priority_class(settings.namespace, model.traffic_class),
        ),
        opts=_after(opts, cache),
    )
    pulumi.log.info(replacement_sentence(settings, found), server)
    if stored.collecting:
        OldRevisions(
            f"{alias}-old-revisions",
            who=_identity("vllm", model.service_name, settings, "collect", "models", alias),
            jobs=stored.collecting,
            opts=_after(opts, server),
        )


def _ollama_server(
    server: OllamaServerSettings,
    settings: PlatformSettings,
    drain: DrainChain,
    opts: pulumi.ResourceOptions,
) -> None:
    models, name = settings.ollama_models, server.service_name
    place = Place("ollama", name, settings.namespace, 1, (), ollama.USER, ollama.GROUP)
    volumes = model_volumes(server.cache, place, 0)
    (writable,) = volumes.writable
    pod = placed(ollama.preload_pod(server, models, writable.claim), writable)
    cache = ModelCache(
        "ollama-cache",
        who=_identity("ollama", name, settings, "preload", "ollama"),
        claims=volumes.claims,
        jobs=[VolumeJob(pod, writable.labels)],
        opts=opts,
    )
    ollama.OllamaServer(
        "ollama",
        server,
        who=ollama_identity(server, settings),
        models=models,
        claim_name=writable.claim,
        callers=_engine_callers(settings),
        drain=drain,
        opts=_after(opts, cache),
    )


def _after(opts: pulumi.ResourceOptions, needed: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[needed]))


def backends(settings: PlatformSettings) -> tuple[Backend, ...]:
    """The gateway's models, derived from the document's (row A5): an alias stands in it once."""
    on_vllm = [
        Backend(
            alias=alias,
            litellm_model=f"hosted_vllm/{alias}",
            api_base=f"http://{model.service_name}:{VLLM_PORT}/v1",
            parameters={},
            pod_labels=vllm_identity(alias, settings).selector,
            port=VLLM_PORT,
        )
        for alias, model in settings.vllm_models.items()
    ]
    return (*on_vllm, *_ollama_backends(settings), *_external_backends(settings))


def _ollama_backends(settings: PlatformSettings) -> tuple[Backend, ...]:
    server = settings.ollama
    if server is None:
        return ()
    return tuple(
        Backend(
            alias=alias,
            litellm_model=f"ollama_chat/{model.source}",
            api_base=f"http://{server.service_name}:{OLLAMA_PORT}",
            parameters={"num_ctx": model.max_model_len},
            pod_labels=ollama_identity(server, settings).selector,
            port=OLLAMA_PORT,
        )
        for alias, model in settings.ollama_models.items()
    )


def _external_backends(settings: PlatformSettings) -> tuple[Backend, ...]:
    return tuple(
        Backend(
            alias=alias,
            litellm_model=model.provider_model,
            api_base=model.api_base,
            parameters={},
            pod_labels={},
            port=443,
            key=model.secret,
            host=outside.host(model),
        )
        for alias, model in settings.external_models.items()
    )


def gateway_identity(settings: PlatformSettings) -> Identity:
    """Names and labels of the gateway."""
    return _identity("litellm", settings.gateway.service_name, settings, "gateway", "gateway")


def vllm_identity(alias: str, settings: PlatformSettings) -> Identity:
    """Names and labels of one model's server."""
    model = settings.vllm_models[alias]
    who = _identity("vllm", model.service_name, settings, "engine", "models", alias)
    who = replace(who, traffic=model.traffic_class)
    if model.architecture is None:
        return who
    note = {ARCHITECTURE_OVERRIDE: f"{model.source} served as {model.architecture}"}
    return replace(who, annotations={**who.annotations, **note})


def ollama_identity(server: OllamaServerSettings, settings: PlatformSettings) -> Identity:
    """Names and labels of the Ollama server."""
    return _identity("ollama", server.service_name, settings, "engine", "ollama")


def gateway_callers(settings: PlatformSettings) -> list[NetworkPolicyPeerArgsDict]:
    """Who may reach the gateway: its own namespace, named ones, the way in, monitoring."""
    namespaces = list(settings.gateway.client_namespaces)
    if settings.exposure is not None:
        namespaces.append(settings.exposure.parent_gateway.namespace)
    others = [other_namespace(namespace) for namespace in dict.fromkeys(namespaces)]
    return [same_namespace({}), *others, _monitoring(settings)]


def _engine_callers(settings: PlatformSettings) -> list[NetworkPolicyPeerArgsDict]:
    return [same_namespace(gateway_identity(settings).selector), _monitoring(settings)]


def _monitoring(settings: PlatformSettings) -> NetworkPolicyPeerArgsDict:
    return other_namespace(settings.monitoring.namespace, {"app.kubernetes.io/name": "prometheus"})


def _identity(app: str, name: str, settings: PlatformSettings, role: Role, *key: str) -> Identity:
    return Identity(app, name, settings.namespace, role, document_key(*key))
