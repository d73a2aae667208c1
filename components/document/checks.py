"""What the parts of a document must agree on, a sentence each: ask, limit, key to change."""

from collections import Counter
from collections.abc import Iterator

from components.document import (
    exposure,
    gateway_checks,
    machines,
    ollama_plan,
    outside,
    scaling_checks,
    storage,
    store_checks,
    tenant_checks,
)
from components.document.exposure import CreatedGateway, EnvoyGatewayExposure, ExistingGateway
from components.document.gateway import DevelopmentKey
from components.document.whole import ROOT, PlatformSettings


def disagreements(document: PlatformSettings) -> tuple[str, ...]:
    """Everything that is wrong with a document whose every value is possible by itself."""
    checks = (
        _namespace,
        machines.disagreements,
        _models,
        _exposure,
        _names,
        _ollama,
        ollama_plan.disagreements,
        gateway_checks.disagreements,
        store_checks.disagreements,
        _development_key,
        outside.disagreements,
        storage.disagreements,
        scaling_checks.disagreements,
        tenant_checks.disagreements,
    )
    return tuple(problem for check in checks for problem in check(document))


def _models(document: PlatformSettings) -> Iterator[str]:
    for alias, model in document.vllm_models.items():
        key = f"{ROOT}.models.{alias}"
        if model.pool not in document.node_pools:
            known = ", ".join(document.node_pools) or "none"
            yield f"{key}.pool is {model.pool!r}, which is not among {ROOT}.node_pools: {known}"
        traffic = model.traffic
        length = traffic.prompt_tokens + traffic.output_tokens
        if "traffic" in model.model_fields_set and length > model.max_model_len:
            yield (
                f"{key}.traffic is of {traffic.prompt_tokens} + {traffic.output_tokens} tokens a "
                f"request, but max_model_len is {model.max_model_len}: lower prompt_tokens or "
                f"output_tokens, or raise {key}.max_model_len"
            )


def _exposure(document: PlatformSettings) -> Iterator[str]:
    if document.exposure is not None and document.environment == "development":
        yield (
            f"{ROOT}.exposure is there, but {ROOT}.environment is 'development', which nobody "
            "outside may reach: take exposure out, or set environment to production"
        )
    if document.exposure is not None:
        yield from exposure.disagreements(document.exposure, ROOT)
    parent = getattr(document.exposure, "parent_gateway", None)
    key_secret = document.gateway.master_key.secret_name
    if isinstance(parent, CreatedGateway) and parent.certificate_secret == key_secret:
        yield (
            f"{ROOT}.exposure.parent_gateway.certificate_secret is {key_secret!r}, the Secret of "
            "the gateway's key: name the certificate's own"
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
    beside = {f"{name}-{role}" for name in servers for role in ("preload", "clients", "pods")}
    leaders = {f"{name}-{role}" for name in servers for role in ("leaders", "group")} | {
        f"{model.service_name}-{group}"
        for model in document.vllm_models.values()
        if model.nodes > 1
        for group in range(model.most_replicas + 1)  # one more while groups are replaced by surge
    }
    direct = {
        f"{model.service_name}-direct-{number}"
        for model in document.vllm_models.values()
        for number in range(len(model.direct_clients))
    }
    closed = {f"{document.namespace}-{role}" for role in ("default-deny", "dns")}
    return {"default", *closed, *beside, *leaders, *direct}


def _namespace(document: PlatformSettings) -> Iterator[str]:
    """The stack owns its namespace: closes it, hardens it, and deletes it with everything in it."""
    others = {"default": "Kubernetes'", document.monitoring.namespace: "monitoring's"}
    if isinstance(document.exposure, EnvoyGatewayExposure):
        others[document.exposure.proxy_namespace] = "the proxies'"
        if isinstance(document.exposure.parent_gateway, ExistingGateway):
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
    aliases = ", ".join(document.ollama_models)
    if aliases and document.environment == "production":
        yield (
            f"{ROOT}.environment is 'production', but {aliases} run on Ollama, which is for "
            "development: set their engine to vllm or external, or environment to development"
        )
    elif aliases and document.ollama is None:
        yield f"{ROOT}.ollama is missing: {aliases} run on Ollama, which needs a server"
    if document.ollama is not None and not aliases:
        yield f"{ROOT}.ollama has nothing to serve: remove it, or set a model's engine to ollama"


def _development_key(document: PlatformSettings) -> Iterator[str]:
    if not isinstance(document.gateway.master_key, DevelopmentKey):
        return
    beside = [f"vLLM ({', '.join(document.vllm_models)})"] if document.vllm_models else []
    if document.external_models:
        beside.append(f"a provider's bill ({', '.join(document.external_models)})")
    beside += [f"the public host {document.exposure.host}"] if document.exposure else []
    if beside:
        yield (
            f"{ROOT}.gateway.master_key.source is 'development', a key that everybody knows, "
            f"beside {' and '.join(beside)}: use 'existing' or 'config'"
        )
