"""What the gateway's ways and stores may contradict, and the sentence that answers each."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.document import ROOT
from tests.rendering import document
from tests.unit.components.faults import GONE
from tests.unit.components.ways import EMBEDDER

GATEWAY = f"{ROOT}.gateway"
KNOWN = f"{ROOT}.models: akko-coder, frontier, wide, narrow, embedder, bulk"
_EXTERNAL = {
    "engine": "external",
    "provider_model": "openai/gpt-4.1",
    "secret": {"name": "openai", "key": "api-key"},
}
_VALUE = "akko-dev-shared-value"
_STORE_OF_ONE_POD = (
    "kind is 'in-cluster', one pod without backup or failover, and "
    f"{ROOT}.environment is 'production': use kind 'external'"
)
_KNOWN_VALUE = (
    "source is 'development', a value that everybody knows, and "
    f"{ROOT}.environment is 'production': use another source"
)
_ROUND = "take one of them out"


def six_models() -> dict[str, Any]:
    """The production document with models of each length, task and class.

    `frontier` is of a provider that says no length, `wide` and `narrow` say 128,000 and 2,048
    tokens; `akko-coder` and `bulk`, which is for batch work, take 4,096, and `embedder` embeds.
    """
    value = document("production")
    del value["gateway"]["teams"]  # whose budgets ask for prices
    coder = value["models"]["akko-coder"]
    value["models"] |= {
        "frontier": _EXTERNAL,
        "wide": {**_EXTERNAL, "max_model_len": 128_000},
        "narrow": {**_EXTERNAL, "max_model_len": 2048},
        "embedder": {**coder, **EMBEDDER, "task": "embed", "service_name": "embedder"},
        "bulk": {**coder, "traffic_class": "batch", "service_name": "bulk"},
    }
    return value


WAYS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "one of several names leads nowhere": (
        {"model_aliases": {"both": ["akko-coder", "akko-codr"]}},
        f"model_aliases.both is 'akko-codr', which is not among {KNOWN}",
    ),
    "several models hide one": (
        {"model_aliases": {"wide": ["akko-coder", "wide"]}},
        "model_aliases.wide hides the model of that name: choose another name",
    ),
    "a model twice": (
        {"model_aliases": {"both": ["wide", "wide"]}},
        "model_aliases.both names a model twice: name each once",
    ),
    "several models of different tasks": (
        {"model_aliases": {"both": ["akko-coder", "embedder"]}},
        "model_aliases.both names models of different tasks (embed, generate): a client would not "
        "know what to ask; name models of one task",
    ),
    "a context fallback of nobody": (
        {"context_fallbacks": {"akko-codr": ["wide"]}},
        f"context_fallbacks.akko-codr is of 'akko-codr', which is not among {KNOWN}",
    ),
    "a context fallback to nobody": (
        {"context_fallbacks": {"akko-coder": ["wid"]}},
        f"context_fallbacks.akko-coder names 'wid', which is not among {KNOWN}",
    ),
    "a fallback of a further name": (
        {"fallbacks": {"akko-chat": ["wide"]}},
        f"fallbacks.akko-chat is of 'akko-chat', which is not among {KNOWN}",
    ),
    "a fallback to another task": (
        {"fallbacks": {"akko-coder": ["embedder"]}},
        "fallbacks.akko-coder names 'embedder', a model to embed, where 'akko-coder' is one to "
        "generate: name a model of the same task",
    ),
    "a context fallback to another task": (
        {"context_fallbacks": {"embedder": ["wide"]}},
        "context_fallbacks.embedder names 'wide', a model to generate, where 'embedder' is one to "
        "embed: name a model of the same task",
    ),
    "bulk work among those who wait": (
        {"fallbacks": {"bulk": ["akko-coder"]}},
        "fallbacks.bulk names 'akko-coder', whose traffic_class is 'interactive', while 'bulk' is "
        "'batch': bulk work would take the places of those who wait for an answer; name a model of "
        "class batch or one outside",
    ),
    "a fallback to a shorter model": (
        {"fallbacks": {"akko-coder": ["narrow"]}},
        "fallbacks.akko-coder names 'narrow', whose max_model_len is 2048 where 'akko-coder' has "
        "4096: it would refuse longer prompts; name a model of at least 4096, or lower "
        f"{ROOT}.models.akko-coder.max_model_len",
    ),
    "a context fallback to a shorter model": (
        {"context_fallbacks": {"akko-coder": ["narrow"]}},
        "context_fallbacks.akko-coder names 'narrow', whose max_model_len is 2048, and "
        "'akko-coder' itself has 4096: what is too long for one is too long for the other; name a "
        f"longer model, or raise {ROOT}.models.narrow.max_model_len",
    ),
    "a context fallback to a model of the same length": (
        {"context_fallbacks": {"akko-coder": ["bulk"]}},
        "context_fallbacks.akko-coder names 'bulk', whose max_model_len is 4096, and 'akko-coder' "
        "itself has 4096: what is too long for one is too long for the other; name a longer model, "
        f"or raise {ROOT}.models.bulk.max_model_len",
    ),
    "a context fallback of unknown length": (
        {"context_fallbacks": {"akko-coder": ["frontier"]}},
        "context_fallbacks.akko-coder names 'frontier', of which nobody says how long a prompt may "
        f"be: set {ROOT}.models.frontier.max_model_len to what the provider says",
    ),
    "a circle through both kinds of fallback": (
        {
            "context_fallbacks": {"akko-coder": ["wide"]},
            "fallbacks": {"wide": ["frontier"], "frontier": ["akko-coder"]},
        },
        "context_fallbacks.akko-coder goes round: akko-coder to wide to frontier to akko-coder; "
        + _ROUND,
    ),
    "a circle that begins behind another alias": (
        {"fallbacks": {"akko-coder": ["wide"], "wide": ["frontier"], "frontier": ["wide"]}},
        f"fallbacks.frontier goes round: frontier to wide to frontier; {_ROUND}",
    ),
    "a tag of nobody": (
        {"tag_routes": {"akko-codr": {"hard": "wide"}}},
        "tag_routes.akko-codr is of 'akko-codr', which is not among the aliases: "
        "akko-coder, frontier, wide, narrow, embedder, bulk",
    ),
    "a tag of a further name": (
        {
            "model_aliases": {"akko-chat": "akko-coder", "both": ["wide", "narrow"]},
            "tag_routes": {"akko-chat": {"hard": "wide"}},
        },
        "tag_routes.akko-chat is of 'akko-chat', which is not among the aliases: "
        "akko-coder, frontier, wide, narrow, embedder, bulk, both",
    ),
    "a tag that leads nowhere": (
        {"tag_routes": {"akko-coder": {"hard": "wid"}}},
        f"tag_routes.akko-coder.hard is 'wid', which is not among {KNOWN}",
    ),
    "a tag that leads back": (
        {"tag_routes": {"akko-coder": {"hard": "akko-coder"}}},
        "tag_routes.akko-coder.hard leads back to 'akko-coder' itself: name another model",
    ),
    "a tag of several models that leads back": (
        {
            "model_aliases": {"both": ["akko-coder", "wide"]},
            "tag_routes": {"both": {"hard": "wide"}},
        },
        "tag_routes.both.hard leads back to 'wide' itself: name another model",
    ),
    "a tag that leads to another task": (
        {"tag_routes": {"akko-coder": {"hard": "embedder"}}},
        "tag_routes.akko-coder.hard is 'embedder', a model to embed: name another",
    ),
    "a tag of several models that leads to another task": (
        {
            "model_aliases": {"both": ["akko-coder", "wide"]},
            "tag_routes": {"both": {"hard": "embedder"}},
        },
        "tag_routes.both.hard is 'embedder', a model to embed: name another",
    ),
    "the gateway's own tag": (
        {"tag_routes": {"akko-coder": {"default": "wide"}}},
        "tag_routes.akko-coder.default is the gateway's own tag of what answers untagged: rename "
        "it",
    ),
}
"""Changed keys of the gateway beside six models, and the answer below the gateway's key."""

STORES: Mapping[str, tuple[str, Mapping[str, Any], Sequence[str]]] = {
    "a database without a salt": (
        "production",
        {"salt_key": GONE},
        [
            f"salt_key is missing beside {GATEWAY}.database: without one LiteLLM encrypts with its "
            "master key, which could then never be rotated; add a salt_key"
        ],
    ),
    "a salt and counters without a database": (
        "production",
        {"database": GONE, "teams": GONE},
        [
            f"{key} is there without {GATEWAY}.database, and without tenants there is nothing for "
            f"it to do: add a database, or take {key} out"
            for key in ("salt_key", "redis")
        ],
    ),
    "pods that each count for themselves": (
        "production",
        {"redis": GONE, "replicas": 3},
        [
            f"replicas is 3 without {GATEWAY}.redis: each pod would count for itself and let every "
            "limit through 3 times; add redis, or set replicas to 1"
        ],
    ),
    "a database of one pod in production": (
        "production",
        {
            "database": {
                "kind": "in-cluster",
                "storage_class": "gp3",
                "password": {"source": "config", "secret_name": "akko-litellm-database"},
            }
        },
        [f"database.{_STORE_OF_ONE_POD}"],
    ),
    "counters of one pod in production": (
        "production",
        {
            "redis": {
                "kind": "in-cluster",
                "password": {"source": "config", "secret_name": "akko-litellm-redis"},
            }
        },
        [f"redis.{_STORE_OF_ONE_POD}"],
    ),
    "a salt that everybody knows in production": (
        "production",
        {"salt_key": {"source": "development", "secret_name": "salt", "value": _VALUE}},
        [f"salt_key.{_KNOWN_VALUE}"],
    ),
    "a password that everybody knows in production": (
        "production",
        {
            "redis": {
                "kind": "in-cluster",
                "password": {"source": "development", "secret_name": "redis", "value": _VALUE},
            }
        },
        [f"redis.{_STORE_OF_ONE_POD}", f"redis.password.{_KNOWN_VALUE}"],
    ),
    "one Secret for key and salt": (
        "production",
        {"salt_key": {"source": "existing", "secret_name": "akko-litellm-key"}},
        [
            f"salt_key.secret_name and {GATEWAY}.master_key.secret_name are both "
            "'akko-litellm-key': name a Secret for each"
        ],
    ),
    "one Secret for both stores": (
        "dev",
        {
            "redis": {
                "kind": "in-cluster",
                "password": {
                    "source": "development",
                    "secret_name": "akko-litellm-database",
                    "value": _VALUE,
                },
            }
        },
        [
            f"redis.password.secret_name and {GATEWAY}.database.password.secret_name are both "
            "'akko-litellm-database': name a Secret for each"
        ],
    ),
    "one Secret for both stores outside": (
        "production",
        {
            "redis": {
                "kind": "external",
                "host": "cache.example.com",
                "password": {"name": "akko-litellm-database", "key": "password"},
                "networks": ["10.0.64.0/18"],
            }
        },
        [
            f"redis.password.name and {GATEWAY}.database.url.name are both "
            "'akko-litellm-database': name a Secret for each"
        ],
    ),
    "a salt that is the master key": (
        "dev",
        {
            "salt_key": {
                "source": "development",
                "secret_name": "akko-litellm-salt",
                "value": "akko-dev-litellm-key",
            }
        },
        [
            "salt_key.value is that of the master key, which is there to be changed, while a salt "
            "can never change: give it a value of its own"
        ],
    ),
}
"""Stack, changed keys of its gateway, and the answers below the gateway's key."""
