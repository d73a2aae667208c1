"""What LiteLLM's pods get by environment: keys, where their stores are, where traces go."""

from collections.abc import Sequence

from pulumi_kubernetes.core.v1 import EnvVarArgsDict

from components.core.conventions import REDIS_PORT
from components.core.drain import DrainChain
from components.document.gateway import GatewaySettings
from components.document.gateway_stores import ExternalRedis, InClusterDatabase
from components.gateway_config import (
    DATABASE_URL,
    MASTER_KEY,
    PREVIOUS_MASTER_KEY,
    REDIS_HOST,
    REDIS_PASSWORD,
    SALT_KEY,
)
from components.gateway_config import REDIS_PORT as REDIS_PORT_VARIABLE
from components.gateway_models import Backend
from components.gateway_stores import URL
from components.pods import environment

HOME = "/home/litellm"
_REDIS_REST_SECONDS = 5
NO_MIGRATION = "DISABLE_SCHEMA_UPDATE"
"""Variable that keeps a pod that serves from changing the database's tables."""


def gateway_environment(
    settings: GatewaySettings, backends: Sequence[Backend], drain: DrainChain
) -> list[EnvVarArgsDict]:
    """Variables of a pod that serves."""
    keys = {MASTER_KEY: settings.master_key, PREVIOUS_MASTER_KEY: settings.previous_master_key}
    return [
        *(_from_secret(v, key.secret_name, key.secret_key) for v, key in keys.items() if key),
        *(_from_secret(b.key_variable, b.key.name, b.key.key) for b in backends if b.key),
        *store_environment(settings),
        *environment(
            {
                **common_environment(),
                "GRACEFUL_SHUTDOWN_TIMEOUT": str(drain.shutdown_timeout_seconds),
                **_traces(settings),
            }
        ),
    ]


def common_environment() -> dict[str, str]:
    """What serving and migrating share: no way out, nothing written beside the code."""
    return {
        "HOME": HOME,
        # Without it the proxy asks the internet for prices while it starts.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DISABLE_ADMIN_UI": "True",
        # Anybody without a key could ask for it, and all streams stand still while it is written.
        "NO_OPENAPI": "True",
        "NO_DOCS": "True",
        "NO_REDOC": "True",
        # Even switched off, the proxy unpacks its pages at start-up, by default beside its code.
        "LITELLM_NON_ROOT": "true",
        "LITELLM_UI_PATH": "/tmp/ui",
        "LITELLM_ASSETS_PATH": "/tmp/assets",
        # Migrations are a Job of their own, before any pod that needs them.
        NO_MIGRATION: "true",
    }


def store_environment(settings: GatewaySettings, *, counters: bool = True) -> list[EnvVarArgsDict]:
    """Where database and counters are, and the key that encrypts what the database keeps."""
    found: list[EnvVarArgsDict] = []
    salt, database, redis = settings.salt_key, settings.database, settings.redis
    if salt is not None:
        found.append(_from_secret(SALT_KEY, salt.secret_name, salt.secret_key))
    if isinstance(database, InClusterDatabase):
        found.append(_from_secret(DATABASE_URL, database.password.secret_name, URL))
    elif database is not None:
        found.append(_from_secret(DATABASE_URL, database.url.name, database.url.key))
    if not counters or redis is None:
        return found
    if isinstance(redis, ExternalRedis):
        found.append(_from_secret(REDIS_PASSWORD, redis.password.name, redis.password.key))
        where = {REDIS_HOST: redis.host, REDIS_PORT_VARIABLE: str(redis.port)}
        found += environment({**where, "REDIS_SSL": str(redis.tls)})
    else:
        password = redis.password
        found.append(_from_secret(REDIS_PASSWORD, password.secret_name, password.secret_key))
        where = {REDIS_HOST: counters_name(settings), REDIS_PORT_VARIABLE: str(REDIS_PORT)}
        found += environment(where)
    # How long nobody asks Redis after it has failed, and limits refuse: LiteLLM's default is 60 s.
    found += environment({"REDIS_CIRCUIT_BREAKER_RECOVERY_TIMEOUT": str(_REDIS_REST_SECONDS)})
    return found


def database_name(settings: GatewaySettings) -> str:
    """Service of the stack's own database."""
    return f"{settings.service_name}-database"


def counters_name(settings: GatewaySettings) -> str:
    """Service of the stack's own counters."""
    return f"{settings.service_name}-redis"


def _traces(settings: GatewaySettings) -> dict[str, str]:
    there = settings.observability.traces
    if there is None:
        return {}
    return {
        "OTEL_EXPORTER": "otlp_http",
        "OTEL_ENDPOINT": f"http://{there.service}.{there.namespace}:{there.port}/v1/traces",
        "OTEL_SERVICE_NAME": settings.service_name,
    }


def _from_secret(variable: str, secret: str, key: str) -> EnvVarArgsDict:
    return {"name": variable, "value_from": {"secret_key_ref": {"name": secret, "key": key}}}
