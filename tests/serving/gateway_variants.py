"""Settings that LiteLLM's overhead may depend on, each tried alone against what is rendered."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.rendering import document
from tests.serving.processes import replace_option
from tests.serving.stacks import Container, gateway, gateway_of

STACK = "production"


@dataclass(frozen=True)
class Variant:
    """One way to run the gateway of production.

    Attributes:
        name: For the table.
        litellm: Keys of `litellm_settings` that differ.
        general: Keys of `general_settings` that differ.
        environment: Variables that differ.
        options: Options of its command line that differ.
        words: Further words of its command line.
        without: Callbacks that are left out.
        observability: `gateway.observability` of the document, where it differs.
    """

    name: str
    litellm: Mapping[str, object] = field(default_factory=dict[str, object])
    general: Mapping[str, object] = field(default_factory=dict[str, object])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    words: Sequence[str] = ()
    without: Sequence[str] = ()
    observability: Mapping[str, object] = field(default_factory=dict[str, object])

    def container(self) -> Container:
        """The rendered container, changed by this alone."""
        rendered = gateway(STACK)
        if self.observability:
            value = document(STACK)
            value["gateway"]["observability"] = dict(self.observability)
            rendered = gateway_of(value)
        config: dict[str, Any] = copy.deepcopy(dict(rendered.config))
        config["litellm_settings"] |= self.litellm
        config["general_settings"] |= self.general
        callbacks: list[str] = config["litellm_settings"]["callbacks"]
        assert set(self.without) <= set(callbacks), f"{self.without} of {callbacks}"
        kept = [name for name in callbacks if name not in self.without]
        config["litellm_settings"]["callbacks"] = kept
        args = (*rendered.args, *self.words)
        for option, value in self.options.items():
            args = replace_option(args, option, value)
        environment = {**rendered.environment, **self.environment}
        return replace(rendered, config=config, args=args, environment=environment)


def traced(url: str) -> dict[str, str]:
    """Variables that send traces to a collector on loopback.

    Args:
        url: The collector, without a path.
    """
    return {"OTEL_ENDPOINT": f"{url}/v1/traces"}


VARIANTS = (
    Variant(
        "Python's garbage collector at 50,000, not 700",
        environment={"PYTHON_GC_THRESHOLD": "50000,20,20"},
    ),
    Variant(
        "2 worker processes",
        options={"--num_workers": "2"},
        # uvicorn ends a worker that has been silent for 5 s, its streams too; a busy CPU is enough.
        words=("--timeout_worker_healthcheck=120",),
    ),
    Variant(
        "without the hooks of this project",
        without=("request_rules.request_rules", "tenant_salt.tenant_salt"),
    ),
    Variant("without metrics", without=("prometheus",)),
    Variant(
        "with traces", observability={"traces": {"namespace": "traces", "service": "collector"}}
    ),
    Variant("without lines of spend", general={"disable_spend_logs": True}),
    Variant("keys cached in Redis", litellm={"enable_redis_auth_cache": True}),
    Variant("httpx to the engine, not aiohttp", environment={"DISABLE_AIOHTTP_TRANSPORT": "True"}),
    Variant("granian, not uvicorn", words=("--run_granian",)),
    Variant(
        "logs as text, errors alone",
        litellm={"json_logs": False},
        environment={"LITELLM_LOG": "ERROR"},
    ),
)
