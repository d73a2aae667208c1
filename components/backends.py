"""What the gateway stands before: every model of the document, each alias once (row A5)."""

from components.core.conventions import OLLAMA_PORT, VLLM_PORT
from components.document import PlatformSettings, outside
from components.gateway_models import Backend
from components.identities import ollama_identity, vllm_identity

_MODES = {"generate": "", "embed": "embedding", "rerank": "rerank", "classify": ""}
"""LiteLLM's names of tasks; it has none for classification, which is for direct clients."""


def backends(settings: PlatformSettings) -> tuple[Backend, ...]:
    """The gateway's models, derived from the document's (row A5); an adapter is one of its own."""
    on_vllm = [
        Backend(
            alias=name,
            litellm_model=f"hosted_vllm/{name}",
            api_base=f"http://{model.service_name}:{VLLM_PORT}/v1",
            parameters={},
            pod_labels=vllm_identity(alias, settings).selector,
            port=VLLM_PORT,
            key=model.api_key,
            mode=_MODES[model.task],
            salted=model.task == "generate" and model.prefix_caching == "per-tenant",
            price=model.price,
            max_model_len=model.max_model_len,
        )
        for alias, model in settings.vllm_models.items()
        for name in (alias, *model.adapters)
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
            # Left to itself it goes on until its context is full, and then on.
            parameters={
                "num_ctx": model.max_model_len,
                "max_tokens": min(model.max_model_len, settings.gateway.limits.output_tokens),
            },
            truncates=True,
            pod_labels=ollama_identity(server, settings).selector,
            port=OLLAMA_PORT,
            price=model.price,
            max_model_len=model.max_model_len,
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
            price=model.price,
            max_model_len=model.max_model_len,
        )
        for alias, model in settings.external_models.items()
    )
