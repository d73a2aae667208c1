"""Faults of the gateway's part of a document, and the sentence that answers each."""

from collections.abc import Mapping
from typing import Any

from components.document import ROOT
from tests.unit.components.faults import GONE, KEY_VALUE, MODEL

GATEWAY = f"{ROOT}.gateway"
ADDRESS = f"postgresql://u:{KEY_VALUE}@db/litellm"
"""Stands for a whole address, password included, where the name of its Secret belongs."""

_PRICE = f"{MODEL}.price.input_usd_per_million_tokens"
_TRACES = {"namespace": "observability", "service": "collector"}
_EMPTY = "is empty; write at least one entry below it"
_OF_PROMPTS = "(Price of prompts, USD per 1,000,000 tokens)"
_SECRET_NAME = "is refused: needed: Name of its Secret, lower-case letters, digits and '-'"
_NAME = "is refused: needed: Name of the Secret, lower-case letters, digits and '-'"
_KEYS = "holds no keys; write its keys below it, as Pulumi.dev.yaml does"

VALUES: Mapping[str, tuple[str, Any, str]] = {
    "no body at all": (
        "gateway.limits",
        {"request_mib": 0},
        "limits.request_mib is 0: input should be greater than 0 (Largest body of a request, MiB)",
    ),
    "no answer at all": (
        "gateway.limits",
        {"output_tokens": 0},
        "limits.output_tokens is 0: input should be greater than 0 (Most tokens of one answer)",
    ),
    "no choice": (
        "gateway.limits",
        {"choices": 0},
        "limits.choices is 0: input should be greater than 0 (Most answers of one request (n))",
    ),
    "no request under way": (
        "gateway.limits",
        {"parallel_requests": 0},
        "limits.parallel_requests is 0: input should be greater than 0 (Requests under way, a "
        "gateway pod)",
    ),
    "less than no queue": (
        "gateway.limits",
        {"queued_requests": -1},
        "limits.queued_requests is -1: input should be greater than or equal to 0 (Requests that "
        "wait for a place)",
    ),
    "retries that multiply the load": (
        "gateway.routing",
        {"retries": 4},
        "routing.retries is 4: input should be less than or equal to 3 (Further attempts; a queue "
        "that is full stays)",
    ),
    "less than no retry": (
        "gateway.routing",
        {"retries": -1},
        "routing.retries is -1: input should be greater than or equal to 0 (Further attempts; a "
        "queue that is full stays)",
    ),
    "a strategy that nobody has": (
        "gateway.routing",
        {"strategy": "random"},
        "routing.strategy is 'random': input should be 'simple-shuffle', 'least-busy', "
        "'latency-based-routing' or 'cost-based-routing' (Which of several models behind one name "
        "is asked)",
    ),
    "no rest": (
        "gateway.routing",
        {"rest_seconds": 0},
        "routing.rest_seconds is 0: input should be greater than 0 (How long one of several models "
        "rests after it failed, seconds)",
    ),
    "checks that are a load": (
        "gateway.routing",
        {"health_check_seconds": 29},
        "routing.health_check_seconds is 29: input should be greater than or equal to 30 (How "
        "often each model is asked for one token, so that names with several models leave out what "
        "is down; left out, never)",
    ),
    "a Service name that leaves no room for the name of its migration": (
        "gateway.service_name",
        "a" * 45,
        f"service_name is '{'a' * 45}': string should have at most 44 characters (A letter, then "
        "lower-case letters, digits and '-', 44 at most)",
    ),
    "a port beyond the last": (
        "gateway.database.port",
        65_536,
        "database.port is 65536: input should be less than or equal to 65535 (TCP port)",
    ),
    "port zero": (
        "gateway.redis.port",
        0,
        "redis.port is 0: input should be greater than 0 (TCP port)",
    ),
    "no network": ("gateway.database.networks", [], f"database.networks {_EMPTY}"),
    "a network in place of a list of them": (
        "gateway.redis.networks",
        "10.0.64.0/18",
        "redis.networks is '10.0.64.0/18': input should be a list (Private networks that it "
        "answers from)",
    ),
    "an address without the bits of its network": (
        "gateway.redis.networks",
        ["10.0.64.0"],
        "redis.networks.0 is '10.0.64.0': needed: An IPv4 network, such as 10.20.0.0/24",
    ),
    "a host that is an address": (
        "gateway.redis.host",
        "redis://cache.example.com",
        "redis.host is 'redis://cache.example.com': needed: A full host name in lower case, "
        "without scheme, port or wildcard",
    ),
    "a database of another kind": (
        "gateway.database.kind",
        "sqlite",
        "database has kind 'sqlite'; possible: 'in-cluster', 'external'",
    ),
    "counters of no kind": ("gateway.redis.kind", GONE, "redis is missing its key kind"),
    "a tag that LiteLLM reads as an operator": (
        "gateway.tag_routes",
        {"akko-coder": {"!hard": "akko-coder"}},
        "tag_routes.akko-coder.!hard is '!hard': needed: A tag of requests, lower-case letters, "
        "digits, '_' and '-'",
    ),
    "an alias without tags": (
        "gateway.tag_routes",
        {"akko-coder": {}},
        f"tag_routes.akko-coder {_EMPTY}",
    ),
    "a fallback to nobody": (
        "gateway.context_fallbacks",
        {"akko-coder": []},
        f"context_fallbacks.akko-coder {_EMPTY}",
    ),
    "several models that are one": (
        "gateway.model_aliases.both",
        ["akko-coder"],
        "model_aliases.both has 1 of at least 2 entries",
    ),
    "a number for a name": (
        "gateway.model_aliases.both",
        5,
        "model_aliases.both is 5: input should be a valid string",
    ),
    "a number among several names": (
        "gateway.model_aliases.both",
        ["akko-coder", 5],
        "model_aliases.both.1 is 5: input should be a valid string",
    ),
    "prompts in logs, perhaps": (
        "gateway.observability",
        {"log_prompts": "yes"},
        "observability.log_prompts is 'yes': input should be a valid boolean (Whether prompts and "
        "answers are in logs and traces)",
    ),
    "spend that nobody remembers": (
        "gateway.observability",
        {"spend_log_days": 0},
        "observability.spend_log_days is 0: input should be greater than 0 (How long a line of "
        "spend is kept, days)",
    ),
    "a collector without a port": (
        "gateway.observability",
        {"traces": {**_TRACES, "port": 0}},
        "observability.traces.port is 0: input should be greater than 0 (TCP port)",
    ),
    "an address for a collector": (
        "gateway.observability",
        {"traces": "http://collector.observability:4318"},
        f"observability.traces {_KEYS}",
    ),
}
"""Key in the production document, what stands there, and the answer, below the gateway's key."""

PRICES: Mapping[str, tuple[str, Any, str]] = {
    "a model for free": (_PRICE, 0, f"is 0: input should be greater than 0 {_OF_PROMPTS}"),
    "a model that pays": (_PRICE, -0.2, f"is -0.2: input should be greater than 0 {_OF_PROMPTS}"),
    "a price in quotes": (_PRICE, "0.2", f"is '0.2': input should be a valid number {_OF_PROMPTS}"),
    "a price of answers alone": (_PRICE, GONE, f"is missing {_OF_PROMPTS}"),
    "answers for free": (
        f"{MODEL}.price.output_usd_per_million_tokens",
        0,
        "is 0: input should be greater than 0 (Price of answers, USD per 1,000,000 tokens; left "
        "out, that of prompts)",
    ),
}
"""Likewise; the answer is below the key itself."""

TYPED: Mapping[str, tuple[str, str, str]] = {
    "a database in place of its section": ("database", ADDRESS, _KEYS),
    "an address in place of its Secret": ("database.url", ADDRESS, _KEYS),
    "an address in place of its Secret's name": ("database.url.name", ADDRESS, _NAME),
    "an address in place of its Secret's key": (
        "database.url.key",
        ADDRESS,
        "is refused: needed: Key in it, letters, digits, '.', '_' and '-'",
    ),
    "an address with a password in place of a host": (
        "redis.host",
        f"redis://:{KEY_VALUE}@cache.example.com",
        "is refused: needed: A full host name in lower case, without scheme, port or wildcard",
    ),
    "a password in place of its Secret": ("redis.password", KEY_VALUE, _KEYS),
    "a password in place of its Secret's name": ("redis.password.name", f"{KEY_VALUE}_", _NAME),
    "a password where none belongs": (
        "redis.password.value",
        KEY_VALUE,
        "is not a key of this document; Possible here: name, key",
    ),
    "a salt in place of its section": ("salt_key", KEY_VALUE, _KEYS),
    "a salt in place of its Secret": ("salt_key.secret_name", f"{KEY_VALUE}_", _SECRET_NAME),
}
"""A credential that somebody typed where it does not belong: key, value, and how it is answered."""
