"""Validation errors as sentences: what was asked, what is possible, which key to change."""

import difflib
import re
import reprlib
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.core.places import Place, holders, place_of

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

_INPUT = ": input should be "
"""How pydantic begins what is possible."""

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


def explain(error: ValidationError, model: type[BaseModel], root: str) -> tuple[str, ...]:
    """One sentence for each error.

    Args:
        error: What pydantic found.
        model: The model that was validated.
        root: Key under which the document stands, the start of every path.

    Returns:
        Sentences that each name a key, in the document's order.
    """
    told = tuple(
        sentence
        for details in error.errors(include_url=False)
        if not _follows_from_another(details)
        for sentence in _sentences(details, place_of(model, details["loc"], ()), model, root)
    )
    return _together(told)


def _together(sentences: Sequence[str]) -> tuple[str, ...]:
    """What a value might be otherwise, one sentence for the key instead of one for each shape."""
    asked: dict[str, list[str]] = {}
    for sentence in sentences:
        begin, middle, wanted = sentence.partition(_INPUT)
        asked.setdefault(begin + middle, []).append(wanted)
    return tuple(begin + ", or ".join(wanted) for begin, wanted in asked.items())


def _follows_from_another(details: ErrorDetails) -> bool:
    """A list whose every entry was refused is short of entries too; that needs no sentence."""
    return details["type"] == "too_short" and (
        len(details["input"]) > details.get("ctx", {})["actual_length"]
    )


def _sentences(
    details: ErrorDetails, place: Place, model: type[BaseModel], root: str
) -> Iterator[str]:
    if details["type"] == "value_error" and not place.path:
        yield from str(details.get("ctx", {}).get("error")).splitlines()
        return
    path = (_step(key) for key in place.path)
    yield f"{'.'.join((root, *path))} {_problem(details, place, model, root)}"


def _step(key: str) -> str:
    return key if key and key.isprintable() and len(key) <= _LONGEST else shortened(key)


def _problem(details: ErrorDetails, place: Place, model: type[BaseModel], root: str) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return f"is missing{_why(place)}"
    if kind == "extra_forbidden":
        return f"is not a key of this document; {_nearest(place, model, root)}"
    if kind in _WRONG_TAG:
        return _tag_problem(details, place)
    if kind in _NO_CONTENT:
        return _content_problem(details)
    if kind == "value_error":
        return f"is refused: {context['error']}"
    return f"{_asked(details, place)}: {_wanted(details, place)}"


def _wanted(details: ErrorDetails, place: Place) -> str:
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


def _tag_problem(details: ErrorDetails, place: Place) -> str:
    context = details.get("ctx", {})
    key = str(context["discriminator"]).strip("'")
    if details["type"] == "union_tag_not_found":
        return f"is missing its key {key}"
    asked = f"an unknown {key}" if _private(place) else f"{key} {shortened(context['tag'])}"
    return f"has {asked}; possible: {context['expected_tags']}"


def _asked(details: ErrorDetails, place: Place) -> str:
    asked = details["input"]
    if _private(place) or (isinstance(asked, str) and _WITH_PASSWORD.search(asked)):
        return "is refused"
    return f"is {shortened(asked)}"


def _private(place: Place) -> bool:
    return any(key in _PRIVATE for key in place.path)


def _why(place: Place) -> str:
    description = _description(place)
    return f" ({description})" if description else ""


def _description(place: Place) -> str:
    """The description of the field, empty where it has none."""
    field = place.model.model_fields.get(place.path[-1]) if place.model and place.path else None
    return ((field.description if field else None) or place.of_entries).rstrip(".")


_MOST_LISTED = 20
"""Keys that are all named beside the one that is meant; more would hide it."""


def _nearest(place: Place, model: type[BaseModel], root: str) -> str:
    known = tuple(place.model.model_fields) if place.model else ()
    close = difflib.get_close_matches(place.path[-1][:_LONGEST], known, n=1)
    meant = tuple((*place.path[:-1], name) for name in close)
    elsewhere = tuple(holders(model, place.path[-1], ()))
    if len(elsewhere) == 1 and _level_is_wrong(elsewhere[0][:-1], place.path[:-1]):
        meant = elsewhere
    near = f"did you mean {'.'.join((root, *meant[0]))}? " if meant else ""
    if meant and len(known) > _MOST_LISTED:
        return near.rstrip()
    return f"{near}Possible here: {', '.join(known)}"


def _level_is_wrong(right: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    """Whether a section lies above or below the one where its key was written."""
    shared = min(len(right), len(asked))
    return len(right) != len(asked) and right[:shared] == asked[:shared]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:].replace("valid tuple", "list")
