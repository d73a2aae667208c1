"""The stack document as a whole: what a stack may say, and what its parts must agree on."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from components.cluster import ClusterSettings
from components.core.explain import explain
from components.core.hardware import INSTANCE_TYPES, InstanceType
from components.core.settings import DnsLabel, PositiveInt, Settings
from components.exposure import ExposureSettings
from components.litellm import DevelopmentKey, GatewaySettings
from components.node_pools import GpuNodePoolSettings
from components.ollama import OllamaModelSettings, OllamaServerSettings
from components.vllm import VllmServerSettings

ROOT = "inference:platform"

_ALLOCATABLE = 0.86
"""Share of an instance's memory that pods can have: 14162 of 16384 MiB on a g5.xlarge, the least in
Karpenter's catalogue."""

ModelSettings = Annotated[VllmServerSettings | OllamaModelSettings, Field(discriminator="engine")]


class MonitoringSettings(Settings):
    """Who collects metrics."""

    namespace: DnsLabel = "monitoring"


class StreamSettings(Settings):
    """What a roll-out must not cut."""

    longest_seconds: Annotated[
        PositiveInt, Field(le=3600, description="Longest answer that survives a roll-out.")
    ] = 300


class PlatformSettings(Settings):
    """The whole stack document, `inference:platform`."""

    namespace: DnsLabel
    cluster: ClusterSettings
    node_pools: dict[DnsLabel, GpuNodePoolSettings] = Field(default_factory=dict)
    models: Annotated[dict[DnsLabel, ModelSettings], Field(min_length=1)]
    ollama: OllamaServerSettings | None = None
    gateway: GatewaySettings
    exposure: ExposureSettings | None = None
    streams: StreamSettings = StreamSettings()
    monitoring: MonitoringSettings = MonitoringSettings()

    @property
    def vllm_models(self) -> dict[str, VllmServerSettings]:
        """Models on vLLM by alias."""
        return {a: m for a, m in self.models.items() if isinstance(m, VllmServerSettings)}

    @property
    def ollama_models(self) -> dict[str, OllamaModelSettings]:
        """Models on Ollama by alias."""
        return {a: m for a, m in self.models.items() if isinstance(m, OllamaModelSettings)}

    def spare_gpus(self, pool: str) -> int:
        """GPUs that the pool may still add when every replica runs."""
        taken = sum(model.gpus for model in self.vllm_models.values() if model.pool == pool)
        return self.node_pools[pool].max_gpus - taken

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        checks = (_namespace, _pools, _names, _ollama, _gateway)
        problems = [problem for check in checks for problem in check(self)]
        if problems:
            raise ValueError("\n".join(problems))
        return self


class DocumentError(Exception):
    """The stack document cannot be used; the text is a sentence a problem."""


def read_document(value: Any) -> PlatformSettings:  # noqa: ANN401 - whatever the stack file holds
    """Validate the value of `inference:platform`.

    Raises:
        DocumentError: With one sentence a problem, each naming the key to change.
    """
    try:
        return PlatformSettings.model_validate(value)
    except ValidationError as error:
        raise DocumentError("\n".join(explain(error, PlatformSettings, ROOT))) from None


def _pools(document: PlatformSettings) -> Iterator[str]:
    for alias, model in document.vllm_models.items():
        key = f"{ROOT}.models.{alias}"
        pool = document.node_pools.get(model.pool)
        if pool is None:
            known = ", ".join(document.node_pools) or "none"
            yield f"{key}.pool is {model.pool!r}, which is not among {ROOT}.node_pools: {known}"
            continue
        yield from _fit(key, model, pool)
        if model.replicas > 1 and model.cache.access_mode == "ReadWriteOnce":
            yield (
                f"{key}.replicas is {model.replicas}, but only one node can mount its cache: set "
                f"{key}.cache.access_mode to ReadWriteMany, with a storage class that offers it"
            )
    for name, pool in document.node_pools.items():
        asked = pool.max_gpus - document.spare_gpus(name)
        if asked > pool.max_gpus:
            yield (
                f"{ROOT}.node_pools.{name}.max_gpus is {pool.max_gpus}, but its models ask for "
                f"{asked} GPUs: raise it, or lower their replicas or tensor_parallel"
            )


def _fit(key: str, model: VllmServerSettings, pool: GpuNodePoolSettings) -> Iterator[str]:
    types = [INSTANCE_TYPES[name] for name in pool.instance_types]
    if not any(_holds(kind, model) for kind in types):
        offers = "; ".join(
            f"{t.name} with {t.gpu_count} GPU, {t.vcpu - 1} CPU, "
            f"{int(t.memory_gib * _ALLOCATABLE)} GiB for pods"
            for t in types
        )
        yield (
            f"{key} asks for {model.tensor_parallel} GPU, {model.cpu} CPU and {model.memory_gib} "
            f"GiB a replica, which no node of pool {model.pool} has ({offers}): lower "
            f"tensor_parallel, cpu or memory_gib, or add an instance type to the pool"
        )


def _holds(kind: InstanceType, model: VllmServerSettings) -> bool:
    return (
        kind.gpu_count >= model.tensor_parallel
        and kind.vcpu - 1 >= model.cpu
        and kind.memory_gib * _ALLOCATABLE >= model.memory_gib
    )


def _names(document: PlatformSettings) -> Iterator[str]:
    named: dict[str, str] = {f"{ROOT}.gateway.service_name": document.gateway.service_name}
    for alias, model in document.vllm_models.items():
        named[f"{ROOT}.models.{alias}.service_name"] = model.service_name
    if document.ollama is not None:
        named[f"{ROOT}.ollama.service_name"] = document.ollama.service_name
    for name, count in Counter(named.values()).items():
        keys = " and ".join(key for key, value in named.items() if value == name)
        if count > 1:
            yield f"{keys} are both {name!r}: every server needs a Service of its own, rename one"
        if name == "vllm":
            yield f"{keys} is 'vllm': other pods would get VLLM_PORT from it and fail; add a prefix"
        if name in _taken(document, set(named.values())):
            yield f"{keys} is {name!r}, the name of another object of this stack: choose another"


def _taken(document: PlatformSettings, servers: set[str]) -> set[str]:
    """Names of accounts and network policies that are made anyway, or beside each server."""
    beside = {f"{name}-{role}" for name in servers for role in ("preload", "clients")}
    return {"default", f"{document.namespace}-default-deny", f"{document.namespace}-dns", *beside}


def _namespace(document: PlatformSettings) -> Iterator[str]:
    """The stack owns its namespace: closes it, hardens it, and deletes it with everything in it."""
    others = {"default": "Kubernetes'", document.monitoring.namespace: "monitoring's"}
    if document.exposure is not None:
        others[document.exposure.parent_gateway.namespace] = "the parent Gateway's"
    owner = others.get(document.namespace)
    if document.namespace.startswith("kube-"):
        owner = "Kubernetes'"
    if owner:
        yield (
            f"{ROOT}.namespace is {document.namespace!r}, which is {owner}: the stack closes its "
            "namespace and deletes it in the end, so choose one of its own"
        )


def _ollama(document: PlatformSettings) -> Iterator[str]:
    if document.ollama_models and document.ollama is None:
        aliases = ", ".join(document.ollama_models)
        yield f"{ROOT}.ollama is missing: {aliases} run on Ollama, which needs a server"
    if document.ollama is not None and not document.ollama_models:
        yield f"{ROOT}.ollama has nothing to serve: remove it, or set a model's engine to ollama"


def _gateway(document: PlatformSettings) -> Iterator[str]:
    for name, alias in document.gateway.model_aliases.items():
        key = f"{ROOT}.gateway.model_aliases.{name}"
        if alias not in document.models:
            known = ", ".join(document.models)
            yield f"{key} is {alias!r}, which is not among {ROOT}.models: {known}"
        if name in document.models:
            yield f"{key} hides the model of that name: choose another name"
    if isinstance(document.gateway.master_key, DevelopmentKey):
        beside = [f"vLLM ({', '.join(document.vllm_models)})"] if document.vllm_models else []
        beside += [f"the public host {document.exposure.host}"] if document.exposure else []
        if beside:
            yield (
                f"{ROOT}.gateway.master_key.source is 'development', a key that everybody knows, "
                f"beside {' and '.join(beside)}: use 'existing' or 'config'"
            )
