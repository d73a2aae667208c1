"""Providers outside that take one API key over HTTPS, and which addresses lead to one."""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType

HOSTS: Mapping[str, str | None] = MappingProxyType(
    {
        "anthropic": "api.anthropic.com",
        "azure": None,
        "azure_ai": None,
        "cerebras": "api.cerebras.ai",
        "cohere": "api.cohere.com",
        "cohere_chat": "api.cohere.com",
        "deepseek": "api.deepseek.com",
        "fireworks_ai": "api.fireworks.ai",
        "gemini": "generativelanguage.googleapis.com",
        "groq": "api.groq.com",
        "mistral": "api.mistral.ai",
        "moonshot": "api.moonshot.ai",
        "openai": "api.openai.com",
        "openrouter": "openrouter.ai",
        "perplexity": "api.perplexity.ai",
        "sambanova": "api.sambanova.ai",
        "together_ai": "api.together.ai",
        "xai": "api.x.ai",
    }
)
"""LiteLLM's names of them, and the host that it calls without `api_base` (litellm 1.106.2, read in
its sources); None where every customer has a host of their own."""

_OWN_SERVER = "is for a server of one's own, and the gateway reaches providers outside alone"
_MORE_KEYS = "takes more than one API key"
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("hosted_vllm", "vllm", "litellm_proxy", "ollama", "ollama_chat", "lm_studio"),
                *("llamafile", "xinference", "openai_like", "custom_openai", "custom", "triton"),
                *("docker_model_runner", "aiohttp_openai", "oobabooga", "infinity", "lemonade"),
            ),
            _OWN_SERVER,
        ),
        **dict.fromkeys(
            (
                *("bedrock", "bedrock_mantle", "sagemaker", "sagemaker_chat", "vertex_ai"),
                *("vertex_ai_beta", "watsonx", "watsonx_text", "oci", "sap", "cloudflare"),
            ),
            _MORE_KEYS,
        ),
    }
)
_INSIDE = (
    *("svc", "local", "internal", "localdomain", "localhost", "lan", "intranet", "home.arpa"),
    *("nip.io", "sslip.io", "xip.io", "traefik.me", "localtest.me", "lvh.me"),
)
"""Ends of names that are for one network, or that anybody may lead to an address inside one."""
_ADDRESS = re.compile(r"(?<!\d)(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})(?!\d)")
_KEY = re.compile(r"(^|[/:])((sk|gsk|xai|pplx|csk|r8)[-_]|hf_|fw_|AIza|AKIA|eyJ)[\w-]{12,}")


def refusal(provider: str) -> str:
    """Why models of a provider are not possible, as a phrase; empty where they are.

    A name that is nobody's is not repeated, it may be a key.
    """
    if provider in HOSTS:
        return ""
    known = f"possible: {', '.join(HOSTS)}"
    if provider in _REASONS:
        return f"is of {provider}, which {_REASONS[provider]}; {known}"
    return f"is of none of the providers that take one API key over HTTPS; {known}"


def looks_like_key(text: str) -> bool:
    """Whether somebody wrote a key where a model's name belongs."""
    return _KEY.search(text) is not None


def host_of(address: str) -> str:
    """The host of an `https://` address."""
    return address.removeprefix("https://").partition("/")[0]


def leads_inside(host: str) -> bool:
    """Whether a name is one of a private network, or carries a private address."""
    if any(host == end or host.endswith(f".{end}") for end in _INSIDE):
        return True
    return any(_is_private(".".join(found)) for found in _ADDRESS.findall(host))


def _is_private(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_global
    except ValueError:
        return False
