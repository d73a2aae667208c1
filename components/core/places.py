"""Where in a model an error of pydantic lies, and where else a key of its name is."""

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag


@dataclass(frozen=True)
class Place:
    """Where an error lies.

    Attributes:
        path: In the document.
        model: The one that holds the last key, where one does.
        of_entries: What is said of the entries of a list or mapping, where it is one of them.
    """

    path: tuple[str, ...]
    model: type[BaseModel] | None
    of_entries: str = ""


def place_of(annotation: Any, location: Sequence[int | str], path: tuple[str, ...]) -> Place:  # noqa: ANN401 - annotations are of any type
    """Follow a location through the annotations, leaving out what pydantic adds to it.

    A location holds the tag of a discriminated union as if it were a key; the document does not.
    """
    if not location or (path and tuple(location) == ("[key]",)):
        return Place(path, None)
    key, rest = str(location[0]), location[1:]
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(key)
        if field is None or not rest or _of_values(field.annotation):
            return Place((*path, key), annotation if field is None or not rest else None)
        return place_of(field.annotation, rest, (*path, key))
    if get_origin(annotation) in (Union, types.UnionType):
        return _in_union(annotation, location, path)
    arguments = [each for each in get_args(annotation) if each is not Ellipsis]
    if rest and rest != ("[key]",):
        return place_of(arguments[-1] if arguments else None, rest, (*path, key))
    return Place((*path, key), None, _said(arguments[0 if rest else -1]) if arguments else "")


def _said(annotation: Any) -> str:  # noqa: ANN401 - annotations are of any type
    """The description in an annotation; empty where it has none."""
    found = (getattr(each, "description", None) for each in get_args(annotation)[1:])
    return next((text for text in found if text), "")


def _of_values(annotation: Any) -> bool:  # noqa: ANN401 - annotations are of any type
    """Whether it is one of several kinds of plain values.

    A location ends with pydantic's name of the kind then, which no document has.
    """
    members = [m for m in _members(annotation) if m is not types.NoneType]
    return len(members) > 1 and all(m in (str, int) or get_origin(m) is Literal for m in members)


def _in_union(annotation: Any, location: Sequence[int | str], path: tuple[str, ...]) -> Place:  # noqa: ANN401 - annotations are of any type
    members = [_bare(member) for member in get_args(annotation)]
    tagged = [_bare(m) for m in get_args(annotation) if _has_tag(m, location[0])]
    if tagged:
        return place_of(tagged[0], location[1:], path) if location[1:] else Place(path, None)
    return place_of(next(m for m in members if m is not types.NoneType), location, path)


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


def holders(annotation: Any, key: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 - annotations are of any type
    """Paths of all sections that have a key of this name."""
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            if key in member.model_fields:
                yield (*path, key)
            for name, field in member.model_fields.items():
                yield from holders(field.annotation, key, (*path, name))
        elif get_origin(member) is dict:
            yield from holders(get_args(member)[1], key, (*path, "<name>"))


def _members(annotation: Any) -> list[Any]:  # noqa: ANN401 - annotations are of any type
    """The types of a union, or the one that there is."""
    annotation = _bare(annotation)
    union = get_origin(annotation) in (Union, types.UnionType)
    return [_bare(member) for member in get_args(annotation)] if union else [annotation]
