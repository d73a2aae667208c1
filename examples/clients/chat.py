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
from dataclasses import dataclass

from openai import APIError, OpenAI, OpenAIError, omit
from openai.types.chat import ChatCompletionMessageParam


class TruncatedError(Exception):
    """An answer was cut off before its end."""


@dataclass(frozen=True)
class Chat:
    """A model to talk to.

    Attributes:
        client: Of the deployment.
        model: Alias.
        tokens: The most of an answer; None leaves it to the deployment.
    """

    client: OpenAI
    model: str
    tokens: int | None = None

    def pieces(self, messages: list[ChatCompletionMessageParam]) -> Iterator[str]:
        """An answer, piece by piece.

        Args:
            messages: The conversation so far.

        Raises:
            TruncatedError: It ended without a reason, or the engine gave it up.
        """
        finished = None
        with self.client.chat.completions.create(
            model=self.model,
            messages=messages,
            max_tokens=omit if self.tokens is None else self.tokens,
            stream=True,
        ) as stream:
            for chunk in stream:
                for choice in chunk.choices:
                    finished = choice.finish_reason or finished
                    if choice.delta.content:
                        yield choice.delta.content
        if finished is None or str(finished) == "abort":  # vLLM's word when it is told to stop
            raise TruncatedError(f"the answer was cut off (finish_reason {finished})")

    def ask(self, messages: list[ChatCompletionMessageParam]) -> str | None:
        """Print an answer as it comes.

        Args:
            messages: The conversation so far.

        Returns:
            The answer; None where it failed, which is printed too.
        """
        said = ""
        try:
            for piece in self.pieces(messages):
                print(piece, end="", flush=True)
                said += piece
        except (APIError, TruncatedError) as error:
            print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
            return None
        finally:
            print()
        return said

    def converse(self) -> None:
        """Ask and answer until an empty line or the end of the input."""
        messages: list[ChatCompletionMessageParam] = []
        print(f"{self.model} at {self.client.base_url}; an empty line ends it")
        while question := _read_line():
            messages.append({"role": "user", "content": question})
            answer = self.ask(messages)
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
    parser.add_argument("--tokens", type=int, help="most tokens of an answer")
    parser.add_argument("--model", default=os.environ.get("OPENAI_MODEL", "akko-coder"))
    given = parser.parse_args()
    try:
        client = OpenAI(base_url=given.base_url)  # the key comes from OPENAI_API_KEY alone
    except OpenAIError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    chat = Chat(client, given.model, given.tokens)
    if given.question is None:
        chat.converse()
        return 0
    return 0 if chat.ask([{"role": "user", "content": given.question}]) is not None else 1


if __name__ == "__main__":
    sys.exit(main())
