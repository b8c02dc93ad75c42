"""Conditions on attributes as plain values: `{ brand = "Acme", price = { at_most = 20 } }`; never SQL.

Requests and rules say which items they mean with them. Whether an attribute exists and what it holds is
looked up where items are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StringConstraints,
    model_validator,
)

from polyscene.core.settings.block import Strict

MAX_CONDITIONS = 20
MAX_VALUES = 1_000
MAX_TEXT_LENGTH = 256
MAX_NUMBER = 1e15


def _finite(value: float | str) -> float | str:
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("expected whole characters other than NUL")
    elif not -MAX_NUMBER <= value <= MAX_NUMBER:  # neither does NaN
        raise ValueError(f"expected a number between -{MAX_NUMBER:.0e} and {MAX_NUMBER:.0e}")
    return value


Text: TypeAlias = Annotated[str, StringConstraints(strict=True, max_length=MAX_TEXT_LENGTH)]
Value: TypeAlias = Annotated[Text | StrictInt | StrictFloat, AfterValidator(_finite)]
Values: TypeAlias = Annotated[tuple[Value, ...], Field(min_length=1, max_length=MAX_VALUES)]
Number: TypeAlias = Annotated[StrictInt | StrictFloat, AfterValidator(_finite)]


class Condition(Strict):
    """What the value of one attribute must be: all of what is said. An unknown value meets none of it.

    A bare value means `is`, a bare list `any_of`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    equal: Value | None = Field(None, alias="is", description="exactly this")
    any_of: Values | None = Field(None, description="one of these")
    none_of: Values | None = Field(None, description="known, and none of these")
    has: Text | None = Field(None, min_length=1, description="of several, as 'jazz, soul': one is this")
    at_least: Number | None = Field(None, description="this number or more")
    at_most: Number | None = Field(None, description="this number or less")
    known: bool | None = Field(None, description="whether there is a value")

    @model_validator(mode="before")
    @classmethod
    def _of_bare_value(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return {"any_of": value}
        return {"is": value} if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _demand_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expected a value, or one of is, any_of, none_of, has, at_least, at_most, known")
        return self


AttributeName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH)]
Conditions: TypeAlias = Annotated[dict[AttributeName, Condition], Field(max_length=MAX_CONDITIONS)]
"""Conditions by attribute; all of them hold."""


def plain_conditions(conditions: Mapping[str, Condition]) -> dict[str, object]:
    """Return conditions as they can be read again."""
    return {
        name: one.model_dump(by_alias=True, exclude_unset=True, mode="json")
        for name, one in conditions.items()
    }
