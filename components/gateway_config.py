"""LiteLLM's configuration: its models, the ways to them, its stores, and the hooks that it loads.

Which models exist is not said here: backends are handed over, derived from the stack's models.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.core.drain import DrainChain
from components.core.request_fields import REQUEST_FIELDS
from components.document.gateway import GatewaySettings
from components.gateway_models import Backend, asks_for_key, choices, model_list, salts, truncates

MASTER_KEY, PREVIOUS_MASTER_KEY = "LITELLM_MASTER_KEY", "LITELLM_PREVIOUS_MASTER_KEY"
SALT_KEY = "LITELLM_SALT_KEY"
DATABASE_URL = "DATABASE_URL"
REDIS_HOST, REDIS_PORT, REDIS_PASSWORD = "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"
"""Environment variables of the pods that hold keys and addresses."""
RULES = "request_rules"
_SALT = "tenant_salt"
_PREVIOUS_KEY = "previous_key"
"""Modules of the hooks in `programs`, and their objects; LiteLLM looks beside its configuration."""

_BELIEF_SECONDS = 10
"""LiteLLM's default is 60 s; blocks reach all pods at once, all else that is taken away within
this."""
_WITHOUT_POINT = re.compile(r"^(\s*\".*\": \d+)e(?=-\d+,?$)", flags=re.MULTILINE)
"""A number that JSON writes as 2e-06, which YAML 1.1, as which LiteLLM reads it, takes for text."""

_PROGRAMS = Path(__file__).parent / "programs" / "gateway"


def gateway_config(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> dict[str, Any]:
    """LiteLLM's configuration (written as JSON, which is YAML); keys come by environment."""
    return {
        "model_list": model_list(settings, backends),
        "router_settings": _router(settings, backends, drain),
        "litellm_settings": _litellm(settings, backends, drain),
        "general_settings": _general(settings),
    }


def gateway_files(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> dict[str, str]:
    """What lies beside the gateway: its configuration, hooks that it names, guards."""
    text = json.dumps(gateway_config(settings, backends, drain), indent=2)
    config = _WITHOUT_POINT.sub(r"\1.0e", text)
    guards = ["salt_guard"] if settings.database else []
    guards += ["engine_key_guard"] if any(asks_for_key(each) for each in backends) else []
    programs = [_PROGRAMS / f"{name}.py" for name in (*_hooks(settings, backends), *guards)]
    return {
        "config.yaml": config,
        f"{RULES}.json": json.dumps(request_rules(settings, backends), indent=2),
        **{program.name: program.read_text(encoding="utf-8") for program in programs},
    }


def request_rules(settings: GatewaySettings, backends: Sequence[Backend]) -> dict[str, Any]:
    """What the hook on requests goes by: limits, fields, tags with routes, what cuts prompts."""
    tags = {tag for routes in settings.tag_routes.values() for tag in routes}
    return {
        "request_bytes": settings.limits.request_mib * 2**20,
        "output_tokens": settings.limits.output_tokens,
        "choices": settings.limits.choices,
        "fields": sorted(REQUEST_FIELDS),
        "routing_tags": sorted(tags),
        "tasks": _tasks(settings, backends),
        "truncating_models": sorted(each.litellm_model for each in backends if each.truncates),
    }


def _tasks(settings: GatewaySettings, backends: Sequence[Backend]) -> dict[str, str]:
    """What each name is for, where vLLM serves it: its servers have no other routes."""
    served = {
        backend.alias: backend.mode or "chat"
        for backend in backends
        if backend.litellm_model.startswith("hosted_vllm/")
    }
    names = {name: settings.meant(name) for name in (*served, *settings.model_aliases)}
    return {name: served[meant[0]] for name, meant in names.items() if {*meant} <= {*served}}


def _hooks(settings: GatewaySettings, backends: Sequence[Backend]) -> list[str]:
    salt = [_SALT] if salts(backends) else []
    return [RULES, *salt, *([_PREVIOUS_KEY] if settings.previous_master_key else [])]


def _router(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> dict[str, Any]:
    routing = settings.routing
    single = {n: a for n, a in settings.model_aliases.items() if isinstance(a, str)}
    several, checked = choices(settings), routing.health_check_seconds is not None
    return {
        "routing_strategy": routing.strategy,
        "num_retries": routing.retries,
        "timeout": drain.request_timeout_seconds,
        "stream_timeout": drain.request_timeout_seconds,
        "model_group_alias": single,
        **(_rest(routing.rest_seconds, several) if several else {"disable_cooldowns": True}),
        **({"enable_pre_call_checks": True} if several or truncates(backends) else {}),
        **({"enable_tag_filtering": True} if settings.tag_routes else {}),
        **({"enable_health_check_routing": True} if several or checked else {}),
        **_ways("fallbacks", settings.fallbacks, single),
        **_ways("context_window_fallbacks", settings.context_fallbacks, single),
    }


def _rest(seconds: int, several: Sequence[str]) -> dict[str, Any]:
    """How one of several models rests, once it has failed as often as its entry allows.

    Each model's entry says what counts. A policy here, even one that says nothing, and routing by
    health together are LiteLLM's way to ask models nevertheless where all of a name rest.
    """
    return {
        "cooldown_time": seconds,
        # Further attempts may hit the one that has failed again; then the others are asked.
        "enable_weighted_failover": True,
        "allowed_fails_policy": {},
        "background_health_check_model_groups": list(several),
    }


def _ways(
    key: str, ways: dict[str, tuple[str, ...]], aliases: dict[str, str]
) -> dict[str, list[dict[str, list[str]]]]:
    """Who answers instead; LiteLLM looks under the name that was asked for, so aliases count too.

    Where none is named the key is left out, and the configuration stays as it was.
    """
    named = {**ways, **{name: ways[alias] for name, alias in aliases.items() if alias in ways}}
    listed = [{name: list(others)} for name, others in named.items()]
    return {key: listed} if listed else {}


def _litellm(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> dict[str, Any]:
    hooks = [f"{name}.{name}" for name in _hooks(settings, backends)]
    traces = ["otel"] if settings.observability.traces else []
    return {
        "request_timeout": drain.request_timeout_seconds,
        # Else a request may ask not to be counted.
        "global_disable_no_log_param": True,
        "turn_off_message_logging": not settings.observability.log_prompts,
        "callbacks": [*hooks, "prometheus", *traces],
        "json_logs": True,
    }


def _general(settings: GatewaySettings) -> dict[str, Any]:
    limits = settings.limits
    general: dict[str, Any] = {
        "master_key": f"os.environ/{MASTER_KEY}",
        "max_in_flight_requests_per_worker": limits.parallel_requests,
        "max_queued_requests_per_worker": limits.queued_requests,
        # A client that hangs up frees its place in the engine.
        "cancel_on_disconnect": True,
    }
    if settings.routing.health_check_seconds:
        general["background_health_checks"] = True
        general["health_check_interval"] = settings.routing.health_check_seconds
    return {**general, **_stores(settings)}


def _stores(settings: GatewaySettings) -> dict[str, Any]:
    """What a database asks for: what cannot be checked is refused, budgets and limits included."""
    if settings.database is None:
        return {}
    stores: dict[str, Any] = {
        "database_url": f"os.environ/{DATABASE_URL}",
        "allow_requests_on_db_unavailable": False,
        # What one pod still believes of a key or a team after another one has changed it.
        "user_api_key_cache_ttl": _BELIEF_SECONDS,
        "store_model_in_db": False,
        "store_prompts_in_spend_logs": settings.observability.log_prompts,
        "maximum_spend_logs_retention_period": f"{settings.observability.spend_log_days}d",
        "fail_closed_budget_enforcement": True,
        # A fallback is no way around what a team may use.
        "enforce_fallback_model_access": True,
        "disable_auto_add_proxy_admin_to_teams": True,
    }
    if settings.redis is None:
        return stores
    return {
        **stores,
        "fail_closed_rate_limit_enforcement": True,
        "coordination_redis": {
            "host": f"os.environ/{REDIS_HOST}",
            "port": f"os.environ/{REDIS_PORT}",
            "password": f"os.environ/{REDIS_PASSWORD}",
            "ssl": settings.redis.kind == "external" and settings.redis.tls,
        },
    }
