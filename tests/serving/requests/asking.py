"""A stack with everything at once, and a client that asks its gateway whatever it likes.

Two models of different lengths, a name that means both, a tag that leads from one to the other, and
fallbacks.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.rendering import document
from tests.serving.admin import Admin
from tests.serving.processes import Server
from tests.serving.stacks import MASTER_KEY

SHORT, LONG, EITHER, TAG = "akko-coder", "akko-large", "akko-any", "complex_reasoning"
OUTPUT_TOKENS, LONGEST_SECONDS = 512, 8


def ruled() -> dict[str, Any]:
    """The document."""
    value = document("production")
    short = value["models"][SHORT]
    long = {**short, "service_name": "akko-akko-vllm-large", "max_model_len": 8192}
    for planned in ("cpu", "memory_gib"):
        long.pop(planned)
    value["models"][LONG] = long
    value["gateway"]["model_aliases"][EITHER] = [SHORT, LONG]
    value["streams"] = {"longest_seconds": LONGEST_SECONDS}
    value["gateway"] |= {
        "fallbacks": {SHORT: [LONG]},
        "context_fallbacks": {SHORT: [LONG]},
        "tag_routes": {SHORT: {TAG: LONG}},
        "limits": {"request_mib": 1, "output_tokens": OUTPUT_TOKENS, "choices": 2},
    }
    return value


def key_of(server: Server, team: str, models: list[str], **metadata: object) -> str:
    """The key of a new team.

    Args:
        server: The gateway.
        team: Its name.
        models: What it may use.
        metadata: Of the team.
    """
    operator = Admin(server, MASTER_KEY)
    operator.post("/team/new", team_id=team, team_alias=team, models=models, metadata=metadata)
    made: str = operator.post("/key/generate", team_id=team, key_alias=team)["key"]
    return made


def ask(
    server: Server,
    key: str,
    *,
    headers: Mapping[str, str] | None = None,
    text: str = "hello",
    in_pieces: bool = False,
    path: str = "/v1/chat/completions",
    **fields: object,
) -> httpx.Response:
    """An answer, whatever it is.

    Args:
        server: The gateway.
        key: Of the client.
        headers: Further headers.
        text: What is asked, where no `prompt` is among the fields.
        in_pieces: Whether the body has no length beforehand.
        path: Where to.
        fields: Further fields of the request.
    """
    body = {"model": SHORT, "stream": True, **fields}
    if "prompt" not in fields:
        body["messages"] = [{"role": "user", "content": text}]
    content = json.dumps(body).encode()
    with httpx.Client(timeout=60, trust_env=False, verify=False) as client:
        return client.post(
            f"{server.url}{path}",
            content=_pieces(content) if in_pieces else content,
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
        )


def _pieces(text: bytes) -> Iterator[bytes]:
    """Sent so, a body has no length beforehand."""
    for start in range(0, len(text), 65_536):
        yield text[start : start + 65_536]
