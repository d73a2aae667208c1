"""A gateway with rules, and how its clients ask."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.rendering import document
from tests.serving.admin import Admin
from tests.serving.processes import Server
from tests.serving.stacks import MASTER_KEY
from tests.serving.upstream import Upstream

SHORT, LONG, EITHER, TAG = "akko-coder", "akko-large", "akko-any", "complex_reasoning"
OUTPUT_TOKENS = 512


def ruled_document() -> dict[str, Any]:
    """Two models, a name for both, a tag and fallbacks from one to the other."""
    value = document("production")
    short = value["models"][SHORT]
    long = {**short, "service_name": "akko-akko-vllm-large", "max_model_len": 8192}
    for planned in ("cpu", "memory_gib"):
        long.pop(planned)
    value["models"][LONG] = long
    value["gateway"]["model_aliases"][EITHER] = [SHORT, LONG]
    value["gateway"] |= {
        "fallbacks": {SHORT: [LONG]},
        "context_fallbacks": {SHORT: [LONG]},
        "tag_routes": {SHORT: {TAG: LONG}},
        "limits": {"request_mib": 1, "output_tokens": OUTPUT_TOKENS, "choices": 2},
    }
    return value


def key_of_team(server: Server, team: str, models: list[str], **metadata: object) -> str:
    """A new key of a new team, that may use some models."""
    operator = Admin(server, MASTER_KEY)
    operator.post("/team/new", team_id=team, team_alias=team, models=models, metadata=metadata)
    made: str = operator.post("/key/generate", team_id=team, key_alias=team)["key"]
    return made


def ask(
    server: Server,
    key: str,
    *,
    path: str = "/v1/chat/completions",
    headers: Mapping[str, str] | None = None,
    text: str = "hello",
    in_pieces: bool = False,
    **fields: object,
) -> httpx.Response:
    """A chat that is streamed, but for what `fields` of its body and `path` say."""
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


def models_asked(engine: Upstream) -> list[str]:
    """Models of the requests that arrived, in order."""
    return [each.body["model"] for each in engine.received]
