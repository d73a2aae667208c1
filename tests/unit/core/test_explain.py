"""Errors of pydantic become sentences; here on a small model, with each kind of error once."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from components.core.explain import explain, plain, shortened
from components.core.settings import DnsLabel, PositiveInt, Settings


class Cat(Settings):
    kind: Literal["cat"]
    lives: PositiveInt = 9


class Dog(Settings):
    kind: Literal["dog"]
    weight_kg: Annotated[float, Field(gt=0, strict=True, description="Without its collar.")]


class House(Settings):
    rooms: Annotated[PositiveInt, Field(description="Where it may sleep.")]
    pets: dict[DnsLabel, Annotated[Cat | Dog, Field(discriminator="kind")]] = Field(
        default_factory=dict
    )
    names: Annotated[tuple[DnsLabel, ...], Field(min_length=1)] = ("a",)
    master_key: Annotated[str, Field(max_length=3)] = ""
    garden: Cat | None = None
    rent_days: PositiveInt | Literal["never"] = "never"
    keepers: Annotated[
        Annotated[str, Tag("one")]
        | Annotated[tuple[str, ...], Field(min_length=2), Tag("several")],
        Discriminator(lambda value: "several" if isinstance(value, list | tuple) else "one"),
    ] = ""

    @field_validator("names")
    @classmethod
    def _no_nobody(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "nobody" in names:
            raise ValueError("nobody lives here")
        return names

    @model_validator(mode="after")
    def _enough_rooms(self) -> "House":
        if len(self.pets) > self.rooms:
            raise ValueError("house.rooms is too small\nhouse.pets are too many")
        return self


def _sentences(value: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        House.model_validate(value)
    return list(explain(caught.value, House, "house"))


CAT = {"kind": "cat"}
CASES: dict[str, tuple[Any, list[str]]] = {
    "missing, with its meaning": ({}, ["house.rooms is missing (Where it may sleep)"]),
    "a wrong type, with its meaning": (
        {"rooms": "2"},
        ["house.rooms is '2': input should be a valid integer (Where it may sleep)"],
    ),
    "an unknown key near a known one": (
        {"rooms": 1, "room": 1},
        [
            "house.room is not a key of this document; did you mean house.rooms? "
            "Possible here: rooms, pets, names, master_key, garden, rent_days, keepers"
        ],
    ),
    "a key of one member of a union, without its tag in the path": (
        {"rooms": 1, "pets": {"tom": {**CAT, "live": 3}}},
        [
            "house.pets.tom.live is not a key of this document; did you mean "
            "house.pets.tom.lives? Possible here: kind, lives"
        ],
    ),
    "a value in a member of a union, with its meaning": (
        {"rooms": 1, "pets": {"rex": {"kind": "dog", "weight_kg": "9"}}},
        [
            "house.pets.rex.weight_kg is '9': input should be a valid number (Without its collar)",
        ],
    ),
    "a wrong tag": (
        {"rooms": 1, "pets": {"tom": {"kind": "cow"}}},
        ["house.pets.tom has kind 'cow'; possible: 'cat', 'dog'"],
    ),
    "no tag": ({"rooms": 1, "pets": {"tom": {}}}, ["house.pets.tom is missing its key kind"]),
    "a wrong name of an entry": (
        {"rooms": 1, "pets": {"Tom": CAT}},
        ["house.pets.Tom is 'Tom': needed: Lower-case letters, digits and '-', such as akko-chat"],
    ),
    "an optional section": (
        {"rooms": 1, "garden": {"kind": "cat", "lives": 0}},
        ["house.garden.lives is 0: input should be greater than 0"],
    ),
    "an empty list": (
        {"rooms": 1, "names": []},
        ["house.names is empty; write at least one entry below it"],
    ),
    "a list whose entries are all wrong is told by its entries": (
        {"rooms": 1, "names": [5]},
        [
            "house.names.0 is 5: input should be a valid string (Lower-case letters, digits and "
            "'-', such as akko-chat)"
        ],
    ),
    "a value of neither kind is one sentence": (
        {"rooms": 1, "rent_days": 0},
        ["house.rent_days is 0: input should be greater than 0, or 'never'"],
    ),
    "a key of another section": (
        {"rooms": 1, "weight_kg": 3},
        [
            "house.weight_kg is not a key of this document; did you mean "
            "house.pets.<name>.weight_kg? "
            "Possible here: rooms, pets, names, master_key, garden, rent_days, keepers"
        ],
    ),
    "a key of several other sections": (
        {"rooms": 1, "lives": 3},
        [
            "house.lives is not a key of this document; "
            "Possible here: rooms, pets, names, master_key, garden, rent_days, keepers"
        ],
    ),
    "a text for a list": (
        {"rooms": 1, "names": "a"},
        ["house.names is 'a': input should be a list"],
    ),
    "a validator's own words": (
        {"rooms": 1, "names": ["nobody"]},
        ["house.names is refused: nobody lives here"],
    ),
    "the whole document's own sentences, line by line": (
        {"rooms": 1, "pets": {"a": CAT, "b": CAT}},
        ["house.rooms is too small", "house.pets are too many"],
    ),
    "a private value is not repeated": (
        {"rooms": 1, "master_key": "hunter22"},
        ["house.master_key is refused: string should have at most 3 characters"],
    ),
    "an address with a password is not repeated, wherever it stands": (
        {"rooms": 1, "names": "https://tom:hunter22@example.com"},
        ["house.names is refused: input should be a list"],
    ),
    "one shape of two": (
        {"rooms": 1, "keepers": 5},
        ["house.keepers is 5: input should be a valid string"],
    ),
    "the other shape, too short": (
        {"rooms": 1, "keepers": ["tom"]},
        ["house.keepers has 1 of at least 2 entries"],
    ),
    "an entry of the other shape": (
        {"rooms": 1, "keepers": ["tom", 5]},
        ["house.keepers.1 is 5: input should be a valid string"],
    ),
    "no keys at all": (
        ["x"],
        ["house holds no keys; write its keys below it, as Pulumi.dev.yaml does"],
    ),
    "nothing at all": (
        None,
        ["house is missing; write its keys below it, as Pulumi.dev.yaml does"],
    ),
    "a key that would break the line": (
        {"rooms": 1, "a\nb": 1},
        [
            "house.'a\\nb' is not a key of this document; "
            "Possible here: rooms, pets, names, master_key, garden, rent_days, keepers"
        ],
    ),
    "a key without a name": (
        {"rooms": 1, "": 1},
        [
            "house.'' is not a key of this document; "
            "Possible here: rooms, pets, names, master_key, garden, rent_days, keepers"
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_is_a_sentence(case: str) -> None:
    value, sentences = CASES[case]
    assert _sentences(value) == sentences


def test_sentences_come_in_the_order_of_the_model() -> None:
    value = {"names": [5], "pets": {"tom": {"kind": "cow"}}}
    assert [line.split(" ")[0] for line in _sentences(value)] == [
        "house.rooms",
        "house.pets.tom",
        "house.names.0",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("4096", "'4096'"),
        (4096, "4096"),
        ({"a": [1, 2]}, "{'a': [1, 2]}"),
        ([[[["deep"]]]], "[[[[...]]]]"),
        (2**50_000, "a number of 50001 bits"),
    ],
    ids=["text", "number", "mapping", "deep", "long number"],
)
def test_a_value_is_repeated_as_far_as_somebody_reads_it(value: object, text: str) -> None:
    assert shortened(value) == text


def test_a_long_text_is_cut() -> None:
    assert len(shortened("x" * 10_000_000)) < 210


def test_a_text_is_made_one_line_that_a_terminal_does_not_obey() -> None:
    assert plain("a\x1b[31m\r\n\u202eb\u2028 caf\xe9") == (
        r"a\x1b[31m\r\n\u202eb\u2028 caf" + "\xe9"
    )
