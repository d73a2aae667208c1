"""Every method and path that LiteLLM serves, as one line of JSON; runs in LiteLLM's environment."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from litellm.proxy.proxy_server import app


def routes(found: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Routes, and those of routers that FastAPI resolves with the first request."""
    for route in found:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router.routes)
        else:
            for method in getattr(route, "methods", None) or ["GET"]:
                yield method, route.path


documented = {
    (method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods
}
print()
print(json.dumps(sorted(documented | set(routes(app.routes)))))
