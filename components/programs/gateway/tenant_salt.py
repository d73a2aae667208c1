"""Gives each tenant a prefix cache of its own on servers that several share; a hook of LiteLLM.

vLLM hashes a request's `cache_salt` into its blocks, so that prompts with another salt are never
found by how fast they are answered. The gateway knows who asks; clients cannot choose the salt.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Any, cast

from litellm.integrations.custom_logger import CustomLogger

_NOT_THEIRS = ("cache_salt", "priority", "vllm_xargs", "kv_transfer_params")
"""Fields of vLLM's requests that no tenant decides: whose cache, whose place in the queue."""
MARK = "salted_per_tenant"
"""Key of a deployment's `model_info` that asks for it."""


class TenantSalt(CustomLogger):
    """Adds the salt to what goes to a marked deployment, once it has been chosen."""

    async def async_pre_call_deployment_hook(
        self,
        kwargs: dict[str, Any],
        call_type: Any,  # noqa: ANN401, ARG002 - LiteLLM's own signature
    ) -> dict[str, Any]:
        """LiteLLM calls this before each request to a deployment, retries and fallbacks too."""
        body = _mapping(kwargs.get("extra_body"))
        for name in _NOT_THEIRS:
            kwargs.pop(name, None)
            body.pop(name, None)
        if _mapping(kwargs.get("model_info")).get(MARK):
            body["cache_salt"] = salt(_tenant(kwargs), _secret())
        return {**kwargs, "extra_body": body}


def salt(tenant: str, secret: str) -> str:
    """A salt that only who has the secret can tell.

    Args:
        tenant: Team, or key where there is no team.
        secret: A key of the gateway.
    """
    return hmac.new(secret.encode(), tenant.encode(), hashlib.sha256).hexdigest()


def _secret() -> str:
    """The salt key where there is one: the master key may change, and caches would be cold."""
    return os.environ.get("LITELLM_SALT_KEY") or os.environ.get("LITELLM_MASTER_KEY", "")


def _tenant(kwargs: Mapping[str, Any]) -> str:
    """The team that asks; a key without a team is a tenant of its own."""
    known = {**_mapping(kwargs.get("litellm_metadata")), **_mapping(kwargs.get("metadata"))}
    team, key = known.get("user_api_key_team_id"), known.get("user_api_key_hash")
    return f"team {team}" if team else f"key {key}"


def _mapping(value: object) -> dict[str, Any]:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}


tenant_salt = TenantSalt()
