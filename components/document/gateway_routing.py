"""What a stack may say about how the gateway chooses a model, and what a request may ask for."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import DnsLabel, PositiveInt, ServiceName, Settings
from components.document.quantities import Tokens

RoutingTag = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        max_length=64,
        description="A tag of requests, lower-case letters, digits, '_' and '-'.",
    ),
]
"""LiteLLM reads '!' and '&' before a tag as "not" and "and", so they are no part of one."""


class RoutingSettings(Settings):
    """How LiteLLM chooses among the models behind one name, and how often it tries."""

    strategy: Annotated[
        Literal["simple-shuffle", "least-busy", "latency-based-routing", "cost-based-routing"],
        Field(description="Which of several models behind one name is asked."),
    ] = "simple-shuffle"
    retries: Annotated[
        int,
        Field(ge=0, le=3, strict=True, description="Further attempts; a queue that is full stays."),
    ] = 1
    rest_seconds: Annotated[
        PositiveInt,
        Field(le=600, description="How long one of several models rests after it failed, seconds."),
    ] = 30
    health_check_seconds: Annotated[
        PositiveInt | None,
        Field(
            ge=30,
            le=3600,
            description="How often each model is asked for one token, so that names with several "
            "models leave out what is down; left out, never.",
        ),
    ] = None


class RequestLimits(Settings):
    """What one request may ask for, and how many may be under way."""

    request_mib: Annotated[
        PositiveInt, Field(le=512, description="Largest body of a request, MiB.")
    ] = 8
    output_tokens: Annotated[Tokens, Field(description="Most tokens of one answer.")] = 4096
    choices: Annotated[
        PositiveInt, Field(le=128, description="Most answers of one request (n).")
    ] = 4
    parallel_requests: Annotated[
        PositiveInt, Field(le=10_000, description="Requests under way, a gateway pod.")
    ] = 200
    queued_requests: Annotated[
        int, Field(ge=0, le=10_000, strict=True, description="Requests that wait for a place.")
    ] = 200


class TraceCollector(Settings):
    """Where traces go: a Service of the cluster that takes OTLP over HTTP."""

    namespace: Annotated[
        DnsLabel, Field(description="Its namespace, lower-case letters, digits and '-'.")
    ]
    service: ServiceName
    port: Annotated[PositiveInt, Field(le=65_535, description="TCP port.")] = 4318


class ObservabilitySettings(Settings):
    """What the gateway tells about requests."""

    traces: Annotated[
        TraceCollector | None, Field(description="Collector of traces; left out, none.")
    ] = None
    log_prompts: Annotated[
        bool, Field(strict=True, description="Whether prompts and answers are in logs and traces.")
    ] = False
    spend_log_days: Annotated[
        PositiveInt, Field(le=3650, description="How long a line of spend is kept, days.")
    ] = 30
