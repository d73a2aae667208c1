"""Promises about the framing of a stream."""

from typing import Any

from tools.conformance.check import Check, require
from tools.conformance.streams import DONE, stream
from tools.conformance.target import Json, Target

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
"""OpenAI's; vLLM's own `abort` is a stream that was cut off."""
_LENGTHS = (64, 256, 768)
"""Tokens of the attempts to see a first piece before the last: a fast engine needs more of them."""
_SPREAD = 0.1
"""Part of the whole time that lies between first and last piece at least; where a proxy keeps the
answer back until it is whole, all pieces come at once."""


def _choices(chunks: tuple[Json, ...]) -> list[dict[str, Any]]:
    return [choice for chunk in chunks for choice in chunk.get("choices", [])]


def _content_type(target: Target) -> None:
    found = stream(target).content_type
    require(found.split(";")[0].strip() == "text/event-stream", f"content-type {found!r}")


def _lines(target: Target) -> None:
    odd = stream(target).odd_lines
    require(not odd, f"{len(odd)} other lines, the first is {odd[:1]}")


def _chunks(target: Target) -> None:
    chunks = stream(target).chunks
    require(bool(chunks), "there was none")
    kinds = {chunk.get("object") for chunk in chunks}
    require(kinds == {"chat.completion.chunk"}, f"objects {sorted(map(str, kinds))}")
    models = {chunk.get("model") for chunk in chunks}
    require(models == {target.model}, f"{target.model} was asked for, model is {models}")


def _one_id(target: Target) -> None:
    chunks = stream(target).chunks
    ids = {chunk["id"] for chunk in chunks}
    require(len(ids) == 1, f"{len(ids)} ids in {len(chunks)} chunks")


def _role(target: Target) -> None:
    deltas = [choice["delta"] for choice in _choices(stream(target).chunks)]
    roles = [place for place, delta in enumerate(deltas) if delta.get("role")]
    require(roles[:1] == [0], f"a role stands in pieces {roles}")
    require(deltas[0]["role"] == "assistant", f"the role is {deltas[0]['role']}")


def _finish(target: Target) -> None:
    chunks = stream(target).chunks
    reasons = [each["finish_reason"] for each in _choices(chunks) if each.get("finish_reason")]
    require(len(reasons) == 1, f"finish reasons {reasons}")
    require(reasons[0] in FINISH_REASONS, f"finish reason {reasons[0]!r}")


def _usage(target: Target) -> None:
    with_usage = [chunk for chunk in stream(target).chunks if chunk.get("usage")]
    require(len(with_usage) == 1, f"{len(with_usage)} chunks have one")
    said = [each for each in _choices((with_usage[0],)) if each["delta"].get("content")]
    require(not said, "the chunk with the usage carries text too")


def _done(target: Target) -> None:
    data = stream(target).data
    require(data[-1:] == (DONE,), f"the last one is {data[-1:]}")
    require(data.count(DONE) == 1, f"{data.count(DONE)} of them")


def _unbuffered(target: Target) -> None:
    seen = ""
    for tokens in _LENGTHS:
        answer = stream(target, max_tokens=tokens)
        times = [line.at for line in answer.lines]
        spread = times[-1] - times[0]
        if spread > _SPREAD * answer.seconds:
            return
        seen = f"{len(times)} lines within {spread * 1000:.0f} of {answer.seconds * 1000:.0f} ms"
    require(holds=False, instead=f"{seen}; some proxy keeps answers back (buffering)")


STREAMING = (
    Check("stream-type", "a stream is text/event-stream", _content_type),
    Check("stream-lines", "every line of a stream begins with `data: `", _lines),
    Check("stream-chunks", "every chunk is chat.completion.chunk of the alias asked for", _chunks),
    Check("stream-role", "the first piece has the role, and no other", _role),
    Check("stream-finish", "a stream has one finish_reason, of OpenAI's", _finish),
    Check("stream-usage", "with include_usage one chunk has the usage", _usage),
    Check("stream-done", "`data: [DONE]` ends a stream", _done),
    Check("stream-unbuffered", "the first piece comes before the last is made", _unbuffered),
)
STREAMING_FEATURES = (
    Check("stream-id", "all chunks of a stream have one id", _one_id, feature=True),
)
