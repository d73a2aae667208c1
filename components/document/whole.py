"""The stack document as a whole: what a stack may say."""

from collections import Counter
from typing import Annotated

from pydantic import Field

from components.core.conventions import Environment
from components.core.settings import DnsLabel, PositiveInt, Settings
from components.document.capacity import (
    ClusterSettings,
    GpuNodePoolSettings,
    HardwareSettings,
    whole_machine_gpus,
)
from components.document.exposure import ExposureSettings
from components.document.external_model import ExternalModelSettings
from components.document.gateway import GatewaySettings
from components.document.hub import HubSettings
from components.document.ollama_models import OllamaModelSettings, OllamaServerSettings
from components.document.vllm_model import VllmServerSettings

ModelSettings = Annotated[
    VllmServerSettings | OllamaModelSettings | ExternalModelSettings, Field(discriminator="engine")
]

ROOT = "inference:platform"
"""Key of the document in a stack file."""


class MonitoringSettings(Settings):
    """Who collects metrics."""

    namespace: Annotated[
        DnsLabel, Field(description="Namespace of Prometheus, lower-case letters, digits and '-'.")
    ] = "monitoring"
    prometheus_url: Annotated[
        str,
        Field(
            pattern=r"^https?://[a-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._/-]*)?$",
            description="Address at which autoscalers ask Prometheus.",
        ),
    ] = "http://prometheus-operated.monitoring.svc:9090"


class StreamSettings(Settings):
    """What a roll-out must not cut."""

    longest_seconds: Annotated[
        PositiveInt, Field(le=3600, description="Longest answer that survives a roll-out.")
    ] = 300


class PlatformSettings(Settings):
    """The whole stack document, `inference:platform`."""

    namespace: Annotated[
        DnsLabel,
        Field(
            description="Namespace that the stack makes, closes and deletes, lower-case letters, "
            "digits and '-'."
        ),
    ]
    environment: Annotated[
        Environment,
        Field(description="Production refuses what is for development only, such as Ollama."),
    ] = "production"
    cluster: ClusterSettings
    hardware: HardwareSettings = HardwareSettings()
    node_pools: Annotated[
        dict[DnsLabel, GpuNodePoolSettings],
        Field(description="Pools of GPU nodes by name."),
    ] = Field(default_factory=dict)
    models: Annotated[
        dict[DnsLabel, ModelSettings],
        Field(min_length=1, description="Models by the alias that clients ask for."),
    ]
    ollama: Annotated[
        OllamaServerSettings | None, Field(description="The server of all models on Ollama.")
    ] = None
    gateway: GatewaySettings
    exposure: Annotated[
        ExposureSettings | None, Field(description="The way in from outside the cluster.")
    ] = None
    streams: StreamSettings = StreamSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    hub: HubSettings = HubSettings()

    @property
    def vllm_models(self) -> dict[str, VllmServerSettings]:
        """Models on vLLM by alias."""
        return {a: m for a, m in self.models.items() if isinstance(m, VllmServerSettings)}

    @property
    def ollama_models(self) -> dict[str, OllamaModelSettings]:
        """Models on Ollama by alias."""
        return {a: m for a, m in self.models.items() if isinstance(m, OllamaModelSettings)}

    @property
    def aliases(self) -> tuple[str, ...]:
        """What clients may ask for: models, and adapters of them."""
        adapters = (name for model in self.vllm_models.values() for name in model.adapters)
        return (*self.models, *adapters)

    @property
    def external_models(self) -> dict[str, ExternalModelSettings]:
        """Models of providers outside by alias."""
        return {a: m for a, m in self.models.items() if isinstance(m, ExternalModelSettings)}

    def spare_gpus(self, pool: str) -> int:
        """GPUs that the pool may still buy when all replicas run that may, in whole machines."""
        settings, machines = self.node_pools[pool], self.hardware.machines()
        replicas: Counter[int] = Counter()
        for model in self.vllm_models.values():
            if model.pool == pool:
                replicas[model.gpus_per_node] += model.most_replicas * model.nodes
        sizes = {machines[name].gpu_count for name in settings.instance_types if name in machines}
        return settings.max_gpus - whole_machine_gpus(replicas, sizes)
