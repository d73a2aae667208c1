"""A streamed answer as it comes over the wire: lines, and when each came."""

import json
import time
from dataclasses import dataclass

from tools.conformance.check import BrokenPromiseError
from tools.conformance.target import CHAT, Json, Target

DONE = "[DONE]"
_DATA = "data: "


@dataclass(frozen=True)
class Line:
    """One line that is not empty.

    Attributes:
        at: When it came, seconds since the request was sent.
        text: It.
    """

    at: float
    text: str


@dataclass(frozen=True)
class Stream:
    """A streamed answer.

    Attributes:
        content_type: Its header.
        lines: In order.
        seconds: Until its end.
    """

    content_type: str
    lines: tuple[Line, ...]
    seconds: float

    @property
    def data(self) -> tuple[str, ...]:
        """What the lines carry; comments, which the format allows, carry nothing."""
        return tuple(
            line.text.removeprefix(_DATA) for line in self.lines if line.text.startswith(_DATA)
        )

    @property
    def chunks(self) -> tuple[Json, ...]:
        """The JSON in them."""
        return tuple(json.loads(data) for data in self.data if data != DONE)

    @property
    def odd_lines(self) -> tuple[str, ...]:
        """Lines that are neither data nor comment."""
        return tuple(line.text for line in self.lines if not line.text.startswith((_DATA, ":")))


def stream(target: Target, **fields: object) -> Stream:
    """Ask for a streamed chat completion with its usage, and read it to its end.

    Args:
        target: Whom.
        fields: Of the request, in place of the usual ones.

    Raises:
        BrokenPromiseError: It was refused.
    """
    asked = {"stream": True, "stream_options": {"include_usage": True}, **fields}
    begun = time.monotonic()
    lines: list[Line] = []
    rest = b""
    with target.client.stream(
        "POST",
        target.endpoint.root + CHAT,
        headers=target.authorization,
        json=target.request(**asked),
    ) as answer:
        if not answer.is_success:
            body = answer.read()
            raise BrokenPromiseError(f"{answer.status_code}: {body[:200].decode(errors='replace')}")
        whole = b""
        for part in answer.iter_bytes():
            at = time.monotonic() - begun
            whole += part
            *ended, rest = (rest + part).split(b"\n")
            lines += [Line(at, line.decode().rstrip("\r")) for line in ended if line.strip()]
        seconds = time.monotonic() - begun
        if rest.strip():
            lines.append(Line(seconds, rest.decode()))
    target.listen(f"stream of {CHAT}", answer.headers, whole)
    return Stream(answer.headers.get("content-type", ""), tuple(lines), seconds)
