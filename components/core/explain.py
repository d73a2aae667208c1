"""Validation errors as sentences: what was asked, what is possible, which key to change."""

import difflib
import re
import reprlib
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

_PRIVATE = (
    *("master_key", "previous_master_key", "salt_key", "password", "url"),
    *("secret", "api_base", "provider_model", "token"),
)
"""Keys below which a value is never repeated."""

_WITH_PASSWORD = re.compile(r"://[^/\s]*@")
"""An address that holds one, wherever it stands."""

_LONGEST = 200
"""Characters of a value that a sentence repeats; nobody reads more, and a few lines of YAML can
stand for gigabytes."""

_WRONG_TAG = frozenset({"union_tag_invalid", "union_tag_not_found"})
_NO_CONTENT = frozenset(
    {"model_type", "model_attributes_type", "dict_type", "too_short", "too_long"}
)
"""Errors of pydantic where nothing, something else, or too much is in place of what is below."""


def plain(text: str) -> str:
    """A text as one line that a terminal shows and does not obey: control characters written out.

    Args:
        text: May repeat what stands in documents and locks.
    """
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)


def shortened(value: object) -> str:
    """A value as Python writes it, cut where it is long or deep.

    Args:
        value: Whatever a user wrote.
    """
    text = _SHORT.repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class _Short(reprlib.Repr):
    """Texts and numbers up to the limit, a few entries of what has entries."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxlong = self.maxother = _LONGEST

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write out a number of more than 4300 digits."""
        del level
        return f"a number of {x.bit_length()} bits" if x.bit_length() > _LONGEST else repr(x)


_SHORT = _Short()


@dataclass(frozen=True)
class _Place:
    """Where an error lies: its path in the document, and the model that holds its last key."""

    path: tuple[str, ...]
    model: type[BaseModel] | None


def explain(error: ValidationError, model: type[BaseModel], root: str) -> tuple[str, ...]:
    """One sentence for each error.

    Args:
        error: What pydantic found.
        model: The model that was validated.
        root: Key under which the document stands, the start of every path.

    Returns:
        Sentences that each name a key, in the document's order.
    """
    return tuple(
        sentence
        for details in error.errors(include_url=False)
        if not _follows_from_another(details)
        for sentence in _sentences(details, _place(model, details["loc"], ()), root)
    )


def _follows_from_another(details: ErrorDetails) -> bool:
    """A list whose every entry was refused is short of entries too; that needs no sentence."""
    return details["type"] == "too_short" and (
        len(details["input"]) > details.get("ctx", {})["actual_length"]
    )


def _sentences(details: ErrorDetails, place: _Place, root: str) -> Iterator[str]:
    if details["type"] == "value_error" and not place.path:
        yield from str(details.get("ctx", {}).get("error")).splitlines()
        return
    path = (_step(key) for key in place.path)
    yield f"{'.'.join((root, *path))} {_problem(details, place, root)}"


def _step(key: str) -> str:
    return key if key and key.isprintable() and len(key) <= _LONGEST else shortened(key)


def _problem(details: ErrorDetails, place: _Place, root: str) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return f"is missing{_why(place)}"
    if kind == "extra_forbidden":
        return f"is not a key of this document; {_nearest(place, root)}"
    if kind in _WRONG_TAG:
        return _tag_problem(details, place)
    if kind in _NO_CONTENT:
        return _content_problem(details)
    if kind == "value_error":
        return f"is refused: {context['error']}"
    return f"{_asked(details, place)}: {_wanted(details, place)}"


def _wanted(details: ErrorDetails, place: _Place) -> str:
    """What is possible; a description says it better than a regular expression."""
    if details["type"] == "string_pattern_mismatch" and _description(place):
        return f"needed: {_description(place)}"
    return f"{_lower(details['msg'])}{_why(place)}"


def _content_problem(details: ErrorDetails) -> str:
    if details["type"] == "too_long":
        limit = details.get("ctx", {})["max_length"]
        return f"has {len(details['input'])} entries, at most {limit} are possible"
    if details["type"] == "too_short" and details["input"]:
        least = details.get("ctx", {})["min_length"]
        return f"has {len(details['input'])} of at least {least} entries"
    if details["type"] == "too_short":
        return "is empty; write at least one entry below it"
    state = "is missing" if details["input"] is None else "holds no keys"
    return f"{state}; write its keys below it, as Pulumi.dev.yaml does"


def _tag_problem(details: ErrorDetails, place: _Place) -> str:
    context = details.get("ctx", {})
    key = str(context["discriminator"]).strip("'")
    if details["type"] == "union_tag_not_found":
        return f"is missing its key {key}"
    asked = f"an unknown {key}" if _private(place) else f"{key} {shortened(context['tag'])}"
    return f"has {asked}; possible: {context['expected_tags']}"


def _asked(details: ErrorDetails, place: _Place) -> str:
    asked = details["input"]
    if _private(place) or (isinstance(asked, str) and _WITH_PASSWORD.search(asked)):
        return "is refused"
    return f"is {shortened(asked)}"


def _private(place: _Place) -> bool:
    return any(key in _PRIVATE for key in place.path)


def _why(place: _Place) -> str:
    description = _description(place)
    return f" ({description})" if description else ""


def _description(place: _Place) -> str:
    """The description of the field, empty where it has none."""
    field = place.model.model_fields.get(place.path[-1]) if place.model and place.path else None
    return ((field.description if field else None) or "").rstrip(".")


_MOST_LISTED = 20
"""Keys that are all named beside the one that is meant; more would hide it."""


def _nearest(place: _Place, root: str) -> str:
    known = tuple(place.model.model_fields) if place.model else ()
    close = difflib.get_close_matches(place.path[-1][:_LONGEST], known, n=1)
    if close and len(known) > _MOST_LISTED:
        return f"did you mean {'.'.join((root, *place.path[:-1], close[0]))}?"
    near = f"did you mean {'.'.join((root, *place.path[:-1], close[0]))}? " if close else ""
    return f"{near}Possible here: {', '.join(known)}"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:].replace("valid tuple", "list")


def _place(annotation: Any, location: Sequence[int | str], path: tuple[str, ...]) -> _Place:  # noqa: ANN401 - annotations are of any type
    """Follow a location through the annotations, leaving out what pydantic adds to it.

    A location holds the tag of a discriminated union as if it were a key; the document does not.
    """
    if not location or (path and tuple(location) == ("[key]",)):
        return _Place(path, None)
    key, rest = str(location[0]), location[1:]
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(key)
        if field is None or not rest:
            return _Place((*path, key), annotation)
        return _place(field.annotation, rest, (*path, key))
    if get_origin(annotation) in (Union, types.UnionType):
        return _in_union(annotation, location, path)
    arguments = get_args(annotation)
    return _place(arguments[-1] if arguments else None, rest, (*path, key))


def _in_union(annotation: Any, location: Sequence[int | str], path: tuple[str, ...]) -> _Place:  # noqa: ANN401 - annotations are of any type
    members = [_bare(member) for member in get_args(annotation)]
    tagged = [_bare(m) for m in get_args(annotation) if _has_tag(m, location[0])]
    if tagged:
        return _place(tagged[0], location[1:], path) if location[1:] else _Place(path, None)
    return _place(next(m for m in members if m is not types.NoneType), location, path)


def _has_tag(member: Any, tag: int | str) -> bool:  # noqa: ANN401 - annotations are of any type
    if any(isinstance(said, Tag) and said.tag == tag for said in get_args(member)):
        return True
    member = _bare(member)
    if not (isinstance(member, type) and issubclass(member, BaseModel)):
        return False
    annotations = [field.annotation for field in member.model_fields.values()]
    return any(get_origin(a) is Literal and tag in get_args(a) for a in annotations)


def _bare(annotation: Any) -> Any:  # noqa: ANN401 - annotations are of any type
    """The type inside Annotated, which may be nested."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation
