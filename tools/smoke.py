"""A whole and a streamed answer of each model of a deployment: `make smoke BASE_URL=...`.

The key comes from OPENAI_API_KEY or the file KEY_FILE. Exit code: 0 where all answer, 1 where one
does not, 2 where nothing could be asked.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.endpoint import Endpoint, endpoint
from tools.problem import ToolError

_WIDTH = 100
_TIMEOUT = httpx.Timeout(300, connect=10)
"""Seconds; a first request may load a model."""
_TOKENS = 16
_FINISHED = frozenset({"stop", "length"})
_DONE = "data: [DONE]"
_NO_CHAT = ("400", "404")
_OTHERS: Mapping[str, Mapping[str, object]] = {
    "embeddings": {"input": "hello"},
    "rerank": {"query": "hello", "documents": ["hello", "goodbye"]},
}
"""What a model may be there for instead; the list of models does not say it."""


@dataclass(frozen=True)
class Answered:
    """What came of one request.

    Attributes:
        model: The alias that was asked.
        kind: What it was asked for: a `whole` or a `streamed` chat, or another route.
        problem: What is wrong; empty where it is well.
        next_step: What to do about that.
        seconds: Until the answer was whole.
    """

    model: str
    kind: str
    problem: str
    next_step: str
    seconds: float


def next_step(there: Endpoint, problem: httpx.Response | Exception) -> str:
    """What to do about a failure, in one sentence.

    Args:
        there: The deployment.
        problem: What came.
    """
    if isinstance(problem, httpx.ConnectError) and "WRONG_VERSION_NUMBER" in str(problem):
        return f"{there.root} speaks no TLS: write http:// where the port is the gateway's own"
    if isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout):
        return (
            f"nothing answers at {there.root}: from your desk, first run kubectl -n <namespace> "
            "port-forward service/<gateway> 4000; in the cluster, your pod's namespace has to be "
            "in gateway.client_namespaces"
        )
    if not isinstance(problem, httpx.Response):
        return "the answer broke off: look at the engine's and the gateway's pods and their logs"
    if problem.status_code == 400 and "No connected db" in problem.text:  # noqa: PLR2004
        return "this key is unknown (a gateway without a database says it so): give the master key"
    return {
        401: "this key is not known, or was revoked: look at OPENAI_API_KEY or KEY_FILE",
        403: "this key may not use that: name another model, or widen the key's models",
        404: f"there is no such alias: {there.root}/v1/models lists them; does BASE_URL fit?",
        400: f"the request was refused: is the alias among those of {there.root}/v1/models?",
        429: "too many requests, or a budget is spent: wait, or raise the limit of this key",
        503: "the engine is full or not ready: look at its pods (kubectl get pods)",
    }.get(problem.status_code, "the gateway cannot reach its engine, or that fails: see its logs")


def listed(there: Endpoint, client: httpx.Client) -> list[str]:
    """The models of a deployment.

    Args:
        there: The deployment.
        client: Asks it.

    Raises:
        ToolError: It gives no list; the text says what to do.
    """
    try:
        answer = client.get(f"{there.root}/v1/models", headers=_headers(there))
        problem: httpx.Response | Exception = answer
        if answer.is_success:
            return [entry["id"] for entry in answer.json()["data"]]
        told = f"{answer.status_code} {answer.text[:200]}"
    except httpx.TransportError as error:
        problem, told = error, f"{type(error).__name__}: {error}"
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{there.root}/v1/models is no list of models: {error}") from error
    raise ToolError(f"{there.root}/v1/models: {told}\n{next_step(there, problem)}")


def try_model(there: Endpoint, client: httpx.Client, model: str) -> list[Answered]:
    """Send a model its requests: for chats, or for what else it is there for.

    Args:
        there: The deployment.
        client: Asks it.
        model: The alias.
    """
    begun = time.monotonic()
    whole = chat(there, client, model, streamed=False)
    if whole.problem.startswith(_NO_CHAT):
        for route, request in _OTHERS.items():
            answer = client.post(
                f"{there.root}/v1/{route}",
                headers=_headers(there),
                json={"model": model, **request},
            )
            if answer.is_success:
                return [Answered(model, route, "", "", time.monotonic() - begun)]
    return [whole, chat(there, client, model, streamed=True)]


def chat(there: Endpoint, client: httpx.Client, model: str, *, streamed: bool) -> Answered:
    """Send one request.

    Args:
        there: The deployment.
        client: Asks it.
        model: The alias.
        streamed: Whether the answer shall come in pieces.
    """
    request: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": _TOKENS,
        "stream": streamed,
    }
    begun = time.monotonic()
    url = f"{there.root}/v1/chat/completions"
    step = ""
    try:
        answer = client.post(url, headers=_headers(there), json=request)
        read = _streamed_problem if streamed else _whole_problem
        problem = read(answer) if answer.is_success else f"{answer.status_code} {answer.text[:300]}"
        if problem:
            step = next_step(there, answer) if not answer.is_success else _TRUNCATED
    except httpx.TransportError as error:
        problem, step = f"{type(error).__name__}: {error}", next_step(there, error)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        problem, step = f"the answer cannot be read: {error}", "is BASE_URL the gateway's?"
    kind = "streamed" if streamed else "whole"
    return Answered(model, kind, problem, step, time.monotonic() - begun)


_TRUNCATED = "the engine or something between broke the answer off: look at the pods and their logs"


def _whole_problem(answer: httpx.Response) -> str:
    reason = answer.json()["choices"][0]["finish_reason"]
    return "" if reason in _FINISHED else f"the answer ended by {reason!r}"


def _streamed_problem(answer: httpx.Response) -> str:
    lines = [line for line in answer.content.decode().split("\n") if line.startswith("data: ")]
    if not lines or lines[-1].strip() != _DONE:
        return f"the stream is truncated: it has {len(lines)} lines and no [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", [])]
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    return "" if reasons and set(reasons) <= _FINISHED else f"the stream ended by {reasons}"


def _headers(there: Endpoint) -> dict[str, str]:
    return {"Authorization": f"Bearer {there.key}"}


def main(words: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("base_url", nargs="?", default="", help="where the deployment answers")
    parser.add_argument("--model", default="", help="this alias alone, in place of all listed")
    given = parser.parse_args(words)
    try:
        there = endpoint(given.base_url)
        with httpx.Client(timeout=_TIMEOUT) as client:
            models = [given.model] if given.model else listed(there, client)
            answers = [answer for model in models for answer in try_model(there, client, model)]
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _print(answers, Console(width=_WIDTH, highlight=False).print)
    return 1 if not answers or any(answer.problem for answer in answers) else 0


def _print(answers: Sequence[Answered], show: Callable[[Any], None]) -> None:
    table = Table("model", "answer", "seconds", "outcome")
    for each in answers:
        outcome = f"[bold red]{escape(each.problem)}[/]" if each.problem else "[green]well[/]"
        table.add_row(each.model, each.kind, f"{each.seconds:.2f}", outcome)
    show(table)
    for step in dict.fromkeys(each.next_step for each in answers if each.next_step):
        show(f"Next: {step}")
    if not answers:
        show("Next: this key lists no model: widen the key's models")


if __name__ == "__main__":
    sys.exit(main())
