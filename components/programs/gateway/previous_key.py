"""Takes the gateway's previous master key for the one that came after it; a hook of LiteLLM.

LiteLLM knows one master key. Pods of both keys serve while one is changed, and clients learn of the
new one later: so a pod of the new key answers who still brings the previous one.
"""

import hmac
import os
from collections.abc import Sequence

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.proxy_server import app
from starlette.types import ASGIApp, Receive, Scope, Send

_HEADERS = frozenset(
    {
        b"authorization",
        b"x-litellm-api-key",
        b"api-key",
        b"x-api-key",
        b"x-goog-api-key",
        b"ocp-apim-subscription-key",
    }
)
"""Where LiteLLM looks for a key (`user_api_key_auth` of LiteLLM 1.106)."""
_SCHEME = b"bearer "


class PreviousKey:
    """Replaces one key by another in each request, before anything else sees it."""

    def __init__(self, wrapped: ASGIApp, previous: str, master: str) -> None:
        self._wrapped = wrapped
        self._previous = previous.encode()
        self._master = master.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] in {"http", "websocket"}:
            scope = {**scope, "headers": self._headers(scope["headers"])}
        await self._wrapped(scope, receive, send)

    def _headers(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        return [(n, self._value(v) if n.lower() in _HEADERS else v) for n, v in headers]

    def _value(self, value: bytes) -> bytes:
        length = len(_SCHEME) if value[: len(_SCHEME)].lower() == _SCHEME else 0
        same = hmac.compare_digest(value[length:].strip(), self._previous)
        return value[:length] + self._master if same else value


previous_key = CustomLogger()
"""What LiteLLM asks for in a hook; this one has nothing to add to a request that is let in."""
# LiteLLM loads hooks while it starts, when its own middleware is already in place.
assert app.middleware_stack is not None, "this LiteLLM loads hooks before its application starts"
app.middleware_stack = PreviousKey(
    app.middleware_stack,
    os.environ["LITELLM_PREVIOUS_MASTER_KEY"],
    os.environ["LITELLM_MASTER_KEY"],
)
