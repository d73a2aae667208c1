"""Lets a team send only the tags that the document gives it; a hook of LiteLLM.

A tag may lead to another model, a dearer one outside too, and LiteLLM asks whether a key may use
the model that was named, not the one that a tag leads to. It takes tags from everybody: out of a
header, the body and its metadata. The reconciler notes a team's own beside the team.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException

ALLOWED = "allowed_tags"
"""Key of a team's metadata."""


class TenantTags(CustomLogger):
    """Refuses a request with another team's tag before anything is chosen."""

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,  # noqa: ANN401 - LiteLLM's own signature
        cache: Any,  # noqa: ANN401, ARG002
        data: dict[str, Any],
        call_type: Any,  # noqa: ANN401, ARG002
    ) -> None:
        """LiteLLM calls this once for each request, after it knows who asks."""
        if str(getattr(user_api_key_dict, "user_role", "")).endswith("proxy_admin"):
            return
        allowed = tags(_mapping(user_api_key_dict.team_metadata).get(ALLOWED))
        others = asked(data) - allowed
        if others:
            known = ", ".join(sorted(allowed)) or "none"
            raise ProxyException(
                message=f"the tag {min(others)[:63]!r} is not this team's; possible: {known}; "
                "change gateway.teams.<team>.tags of the stack document",
                type="tag_access_denied",
                param="tags",
                code=403,
            )


def asked(data: Mapping[str, Any]) -> frozenset[str]:
    """Every tag of a request, wherever LiteLLM has put it."""
    places = (data, _mapping(data.get("metadata")), _mapping(data.get("litellm_metadata")))
    return frozenset(tag for place in places for tag in tags(place.get("tags")))


def tags(value: object) -> frozenset[str]:
    """Words of a list; nothing of any other value."""
    if isinstance(value, str):
        return frozenset({value})
    if not isinstance(value, Iterable):
        return frozenset()
    return frozenset(str(each) for each in cast("Iterable[object]", value))


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


tenant_tags = TenantTags()
