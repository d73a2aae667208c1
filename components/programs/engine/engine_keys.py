"""Lets in who brings a key; a middleware of vLLM.

vLLM's own `--api-key` guards some of its paths, and learns of another key by a restart alone, which
takes a GPU minutes. Here every path but two asks for a key, and every file of a folder, each an
entry of a Secret that the kubelet keeps up to date, is a key until it is taken out.
"""

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

FOLDER = Path("/etc/engine-keys")
OPEN = frozenset({"/health", "/metrics"})
"""For the kubelet and for monitoring, which bring no key."""
SHORTEST = 16
"""Characters; what is shorter is guessed, or is no key at all, and opens nothing."""
_LOOK_SECONDS = 1.0
_REFUSAL = (
    b'{"error": {"message": "this engine asks for a key: ask the gateway, or bring one of its '
    b'Secret as a Bearer token", "type": "invalid_request_error", "code": 401}}'
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class EngineKeys:
    """An application behind keys.

    Raises:
        RuntimeError: There is no key at all, so nobody could ever ask.
    """

    def __init__(self, app: Application, folder: Path = FOLDER) -> None:
        self._app = app
        self._folder = folder
        self._looked = time.monotonic()
        self._known = read_keys(folder)
        if not self._known:
            raise RuntimeError(
                f"{folder} holds no key of {SHORTEST} or more characters: put one into the Secret "
                "that the model's api_key names"
            )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "lifespan" or scope["path"] in OPEN or self._lets_in(scope["headers"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})

    def _lets_in(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        self._look()
        brought = [value for name, value in headers if name.lower() == b"authorization"]
        if len(brought) != 1 or brought[0][:7].lower() != b"bearer ":
            return False
        mark = hashlib.sha256(brought[0][7:].strip()).digest()
        # All are compared, so that time does not tell which one was nearly right.
        same = [hmac.compare_digest(mark, known) for known in self._known]
        return any(same)

    def _look(self) -> None:
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._known = read_keys(self._folder)


def read_keys(folder: Path) -> tuple[bytes, ...]:
    """SHA-256 of every key in a folder; none where it cannot be read, and then nobody gets in."""
    found: list[bytes] = []
    try:
        for file in sorted(folder.iterdir()):
            # Kubernetes keeps versions of a Secret in folders whose names begin with two points.
            if not file.name.startswith("..") and file.is_file():
                found.append(file.read_bytes().strip())
    except OSError:
        return ()
    return tuple(hashlib.sha256(key).digest() for key in found if len(key) >= SHORTEST)
