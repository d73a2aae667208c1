"""Chat with a model of the platform: `python chat.py`, or `python chat.py "one question"`.

    pip install openai
    export OPENAI_BASE_URL=http://127.0.0.1:4000/v1 OPENAI_API_KEY=...

Written against OpenAI's SDK alone: the same file talks to development and to production. Exit
code: 0, or 1 where an answer to a single question failed or was cut off.
"""

import argparse
import os
import sys
from collections.abc import Iterator

from openai import APIError, OpenAI, OpenAIError
from openai.types.chat import ChatCompletionMessageParam


class TruncatedError(Exception):
    """An answer was cut off before its end."""


def pieces(client: OpenAI, model: str, messages: list[ChatCompletionMessageParam]) -> Iterator[str]:
    """An answer, piece by piece.

    Args:
        client: Of the deployment.
        model: Alias.
        messages: The conversation so far.

    Raises:
        TruncatedError: It ended without a reason, or the engine gave it up.
    """
    finished = None
    with client.chat.completions.create(model=model, messages=messages, stream=True) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                finished = choice.finish_reason or finished
                if choice.delta.content:
                    yield choice.delta.content
    if finished is None or str(finished) == "abort":  # vLLM's word when it is told to stop
        raise TruncatedError(f"the answer was cut off (finish_reason {finished})")


def ask(client: OpenAI, model: str, messages: list[ChatCompletionMessageParam]) -> str | None:
    """Print an answer as it comes.

    Args:
        client: Of the deployment.
        model: Alias.
        messages: The conversation so far.

    Returns:
        The answer; None where it failed, which is printed too.
    """
    said = ""
    try:
        for piece in pieces(client, model, messages):
            print(piece, end="", flush=True)
            said += piece
    except (APIError, TruncatedError) as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return None
    finally:
        print()
    return said


def converse(client: OpenAI, model: str) -> None:
    """Ask and answer until the end of the input.

    Args:
        client: Of the deployment.
        model: Alias.
    """
    messages: list[ChatCompletionMessageParam] = []
    print(f"{model} at {client.base_url}; an empty line ends it")
    while question := _read_line():
        messages.append({"role": "user", "content": question})
        answer = ask(client, model, messages)
        if answer is None:
            messages.pop()
        else:
            messages.append({"role": "assistant", "content": answer})


def _read_line() -> str:
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        return ""


def main() -> int:
    """Chat, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", help="one question; left out, a conversation")
    parser.add_argument("--base-url", help="in place of OPENAI_BASE_URL")
    parser.add_argument("--model", default=os.environ.get("OPENAI_MODEL", "akko-coder"))
    given = parser.parse_args()
    try:
        client = OpenAI(base_url=given.base_url)  # the key comes from OPENAI_API_KEY alone
    except OpenAIError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if given.question is None:
        converse(client, given.model)
        return 0
    question: list[ChatCompletionMessageParam] = [{"role": "user", "content": given.question}]
    return 0 if ask(client, given.model, question) is not None else 1


if __name__ == "__main__":
    sys.exit(main())
