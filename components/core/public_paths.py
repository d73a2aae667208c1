"""What of the gateway's API the outside may ask for: OpenAI's inference paths, and nothing else.

LiteLLM serves several hundred further paths: the same ones under other spellings
(`/chat/completions`, `/openai/deployments/...`), and keys, teams, models, metrics and health. They
stay inside the cluster.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PublicPath:
    """A path that clients outside may use.

    Attributes:
        method: With this method alone.
        value: The path.
        below: Whether what lies below it is meant too: `/v1/models/akko-coder`.
    """

    method: Literal["GET", "POST"]
    value: str
    below: bool = False

    def covers(self, path: str, *, below: bool) -> bool:
        """Whether a route of this path, or of everything below it, leads nowhere else.

        Args:
            path: Path of the route.
            below: Whether it takes everything below the path too.
        """
        if path == self.value:
            return self.below or not below
        return self.below and path.startswith(f"{self.value}/") and ".." not in path


PUBLIC_PATHS = (
    PublicPath("POST", "/v1/chat/completions"),
    PublicPath("POST", "/v1/completions"),
    PublicPath("POST", "/v1/responses"),
    PublicPath("POST", "/v1/embeddings"),
    PublicPath("POST", "/v1/rerank"),
    PublicPath("GET", "/v1/models", below=True),
)
"""Of `/v1/responses` only the making of one: those that are kept could be another tenant's."""


def is_public(path: str, *, below: bool) -> bool:
    """Whether a route may be public.

    Args:
        path: Path of the route.
        below: Whether it takes everything below the path too.
    """
    return any(public.covers(path, below=below) for public in PUBLIC_PATHS)
