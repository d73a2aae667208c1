"""Load a model of the platform: `python load_test.py --users 8 --seconds 60 --most-ttft-p95 2`.

    pip install openai
    export OPENAI_BASE_URL=http://127.0.0.1:4000/v1 OPENAI_API_KEY=...

Every user asks again as soon as the last answer is there. A stream that ends without a reason or
without its usage is truncated, which is an error, as is vLLM's finish_reason `abort`. Exit code: 0,
1 where a bound does not hold, 2 where nothing could be asked.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from openai import APIStatusError, AsyncOpenAI, OpenAIError

TRUNCATED, ABORTED = "truncated", "aborted"
_PERCENTILES = (50, 95, 99)


@dataclass
class Answer:
    """One answer.

    Attributes:
        seconds: From the request to its end.
        first: Seconds to its first text; None where it was not streamed, or had none.
        gaps: Seconds between one piece of text and the next.
        tokens: As the engine counted them.
        error: What went wrong; empty where it is whole.
    """

    seconds: float = 0.0
    first: float | None = None
    gaps: list[float] = field(default_factory=list[float])
    tokens: int = 0
    error: str = ""


@dataclass(frozen=True)
class Load:
    """What is asked.

    Attributes:
        model: Alias.
        prompt: Text of every request.
        tokens: `max_tokens`.
        streamed: Whether answers come in pieces.
    """

    model: str
    prompt: str
    tokens: int
    streamed: bool


async def ask(client: AsyncOpenAI, load: Load) -> Answer:
    """Send one request; nothing is raised, errors are counted.

    Args:
        client: Of the deployment; it must not try again by itself.
        load: What to ask.
    """
    answer = Answer()
    begun = time.monotonic()
    try:
        reason = await (_streamed if load.streamed else _whole)(client, load, answer, begun)
        if reason == "abort":
            answer.error = ABORTED
        elif reason is None or not answer.tokens:
            answer.error = TRUNCATED
    except APIStatusError as error:
        answer.error = f"HTTP {error.status_code}"
    except OpenAIError as error:
        answer.error = type(error).__name__
    answer.seconds = time.monotonic() - begun
    return answer


async def _whole(client: AsyncOpenAI, load: Load, answer: Answer, _: float) -> str | None:
    said = await client.chat.completions.create(
        model=load.model,
        messages=[{"role": "user", "content": load.prompt}],
        max_tokens=load.tokens,
    )
    answer.tokens = said.usage.completion_tokens if said.usage else 0
    return said.choices[0].finish_reason


async def _streamed(client: AsyncOpenAI, load: Load, answer: Answer, begun: float) -> str | None:
    reason: str | None = None
    last: float | None = None
    stream = await client.chat.completions.create(
        model=load.model,
        messages=[{"role": "user", "content": load.prompt}],
        max_tokens=load.tokens,
        stream=True,
        stream_options={"include_usage": True},
    )
    async with stream:
        async for chunk in stream:
            now = time.monotonic()
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                if choice.delta.content:
                    if last is None:
                        answer.first = now - begun
                    else:
                        answer.gaps.append(now - last)
                    last = now
            if chunk.usage:
                answer.tokens = chunk.usage.completion_tokens
    return reason


async def run(
    client: AsyncOpenAI, load: Load, *, users: int, seconds: float | None, requests: int | None
) -> list[Answer]:
    """Let users ask at once until the time is over or enough was asked.

    Args:
        client: Of the deployment.
        load: What to ask.
        users: How many.
        seconds: After this time nobody asks again; None for no end.
        requests: How many requests of all users; None for no end.
    """
    end = None if seconds is None else time.monotonic() + seconds
    answers: list[Answer] = []
    tickets: Iterator[int] = iter(range(sys.maxsize if requests is None else requests))

    async def user() -> None:
        for _ in tickets:
            if end is not None and time.monotonic() >= end:
                return
            answers.append(await ask(client, load))

    await asyncio.gather(*(user() for _ in range(users)))
    return answers


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The smallest of the values that `percent` in a hundred do not exceed; None without values.

    Args:
        values: In any order.
        percent: 1 to 100.
    """
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


def summary(answers: Sequence[Answer], seconds: float) -> dict[str, object]:
    """The figures of a run: seconds, tokens a second, and errors by kind.

    Args:
        answers: All answers.
        seconds: How long all took.
    """
    good = [answer for answer in answers if not answer.error]
    firsts = [answer.first for answer in good if answer.first is not None]
    tables = {
        "ttft": firsts,
        "inter_token": [gap for answer in good for gap in answer.gaps],
        "whole": [answer.seconds for answer in good],
    }
    errors = Counter(answer.error for answer in answers if answer.error)
    return {
        "requests": len(answers),
        "seconds": seconds,
        "tokens_per_second": sum(answer.tokens for answer in good) / seconds,
        **{
            f"{name}_p{percent}": percentile(values, percent)
            for name, values in tables.items()
            for percent in _PERCENTILES
        },
        "truncated": errors[TRUNCATED],
        "errors": dict(errors),
        "error_rate": (len(answers) - len(good)) / len(answers) if answers else 1.0,
    }


def broken(figures: dict[str, object], bounds: dict[str, float | None]) -> list[str]:
    """The bounds that do not hold, a sentence each; a figure that is missing breaks its bound.

    Args:
        figures: Of `summary`.
        bounds: The most that each may be; None for any.
    """
    return [
        f"{name} is {figures[name]}, the most is {most}"
        for name, most in bounds.items()
        if most is not None
        and not (isinstance(found := figures[name], int | float) and found <= most)
    ]


def _show(figures: dict[str, object]) -> None:
    print(f"{'':14}" + "".join(f"{f'p{percent}':>10}" for percent in _PERCENTILES))
    for name in ("ttft", "inter_token", "whole"):
        cells = [figures[f"{name}_p{percent}"] for percent in _PERCENTILES]
        texts = [f"{cell * 1000:.0f} ms" if isinstance(cell, float) else "-" for cell in cells]
        print(f"{name:14}" + "".join(f"{text:>10}" for text in texts))
    print(
        f"{figures['requests']} requests in {figures['seconds']:.1f} s, "
        f"{figures['tokens_per_second']:.1f} tokens/s, errors: {figures['errors'] or 'none'}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", help="in place of OPENAI_BASE_URL")
    parser.add_argument("--model", default=os.environ.get("OPENAI_MODEL", "akko-coder"))
    parser.add_argument("--users", type=int, default=4, help="who ask at once")
    parser.add_argument("--seconds", type=float, help="how long; 30 where no number is given")
    parser.add_argument("--requests", type=int, help="how many of all users")
    parser.add_argument("--prompt", default="Count from 1 to 100.")
    parser.add_argument("--tokens", type=int, default=64, help="max_tokens")
    parser.add_argument("--whole", action="store_true", help="answers are not streamed")
    parser.add_argument("--most-errors", type=float, default=0.0, help="part of all, 0 to 1")
    parser.add_argument("--most-ttft-p95", type=float, help="seconds")
    parser.add_argument("--most-inter-token-p95", type=float, help="seconds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


async def _main(given: argparse.Namespace) -> int:
    seconds = 30.0 if given.seconds is None and given.requests is None else given.seconds
    load = Load(given.model, given.prompt, given.tokens, streamed=not given.whole)
    async with AsyncOpenAI(base_url=given.base_url, max_retries=0) as client:
        begun = time.monotonic()
        answers = await run(
            client, load, users=given.users, seconds=seconds, requests=given.requests
        )
        figures = summary(answers, time.monotonic() - begun)
    if given.json:
        print(json.dumps(figures, indent=2))
    else:
        _show(figures)
    problems = broken(
        figures,
        {
            "error_rate": given.most_errors,
            "ttft_p95": given.most_ttft_p95,
            "inter_token_p95": given.most_inter_token_p95,
        },
    )
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


def main() -> int:
    """Load, print, and return the exit code."""
    given = _arguments()
    try:
        return asyncio.run(_main(given))
    except OpenAIError as error:  # before any request: no key
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
