from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from polyscene.core.validation import expected_of, found_of, place_of, refusal_of


def refused(value: str) -> str:
    if value == "no":
        raise ValueError("expected anything but no")
    return value


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, BeforeValidator(lambda one: one), Field(min_length=1, max_length=4)] = "a"
    word: Annotated[str, AfterValidator(refused)] = ""
    items: list[int] = Field(default_factory=lambda: [1], min_length=1, max_length=2)
    share: float = Field(0.5, gt=0, le=1)
    side: Literal["left", "right"] = "left"
    by: dict[str, int] = Field(default_factory=dict)


class Pin(BaseModel):
    kind: Literal["pin"]
    place: int


class Block(BaseModel):
    kind: Literal["block"]
    items: list[str]


class Ruled(BaseModel):
    rule: Annotated[Pin | Block, Field(discriminator="kind")]


class Needy(BaseModel):
    item: str


def problem_of(kind: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(body)
    (problem,) = caught.value.errors()
    return dict(problem)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"name": ""}, "expected at least 1 character, found ''"),
        ({"name": "abcde"}, "expected at most 4 characters, found 'abcde'"),
        ({"items": []}, "expected at least 1 item, found []"),
        ({"items": [1, 2, 3]}, "expected at most 2 items, found [1, 2, 3]"),
        ({"items": ["x"]}, "expected a valid integer, unable to parse string as an integer, found 'x'"),
        ({"share": 0}, "expected a number greater than 0, found 0"),
        ({"share": 2}, "expected a number less than or equal to 1, found 2"),
        ({"side": "up"}, "expected 'left' or 'right', found 'up'"),
        ({"by": "price"}, "expected a valid dictionary, found 'price'"),
        ({"word": "no"}, "expected anything but no"),
        ({"colour": "red"}, "there is no such key"),
    ],
)
def test_a_refusal_is_one_sentence_of_what_was_expected_and_found(
    body: dict[str, Any], sentence: str
) -> None:
    assert refusal_of(problem_of(Body, body)) == sentence


def test_what_is_missing_is_expected_and_found_nowhere() -> None:
    problem = problem_of(Needy, {})
    assert (expected_of(problem), found_of(problem)) == ("a value", "none")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"kind": "shout"}, "expected one of 'pin', 'block' as kind, found 'shout'"),
        ({"name": "x"}, "expected the key 'kind', found {'name': 'x'}"),
    ],
)
def test_of_several_shapes_the_known_kinds_are_named(rule: dict[str, str], sentence: str) -> None:
    assert refusal_of(problem_of(Ruled, {"rule": rule})) == sentence


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"kind": "shout"}, ["rule"]),
        ({"kind": "pin", "place": "first"}, ["rule", "place"]),
        ({"kind": "pin"}, ["rule", "place"]),
        ({"kind": "block", "items": ["a", 2]}, ["rule", "items", "1"]),
    ],
)
def test_the_place_holds_no_kind(rule: dict[str, Any], place: list[str]) -> None:
    body = {"rule": rule}
    assert place_of(problem_of(Ruled, body), body) == place


def test_a_long_value_is_shown_in_part() -> None:
    assert len(found_of(problem_of(Body, {"side": "x" * 10_000}))) <= 60
