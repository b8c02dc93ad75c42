"""`[[scenarios.NAME.rules]]`: what people decide about slates, whatever the scores say.

A rule has a name of its own, by which reasons and the decision log tell what it did. `when` ties it to the
context that comes with a request, `from` and `until` to a time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from polyscene.core.settings.block import Strict
from polyscene.core.settings.conditions import AttributeName, Conditions, Value

MAX_RULES = 200
MAX_ITEMS = 1_000
MAX_PLACE = 100

Fact: TypeAlias = StrictBool | Value
"""What a request's context may say under one name."""
ItemIds: TypeAlias = Annotated[tuple[str, ...], Field(max_length=MAX_ITEMS)]


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


Moment: TypeAlias = Annotated[datetime, AfterValidator(_in_utc)]


class RuleSettings(Strict):
    """What every rule has."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    when: dict[str, Fact | tuple[Fact, ...]] = Field(
        default_factory=dict, description="values, or lists of them, that the request's context must have"
    )
    start: Moment | None = Field(None, alias="from", description="not before; UTC without an offset")
    until: Moment | None = Field(None, description="not from then on")


class _OfSome(RuleSettings):
    items: ItemIds = Field((), description="ids")
    where: Conditions = Field(default_factory=dict, description="conditions on attributes")

    @model_validator(mode="after")
    def _demand_items(self) -> Self:
        if not self.items and not self.where:
            raise ValueError("expected `items` or `where`, found neither: say which items are meant")
        return self


class PinRule(RuleSettings):
    """Puts an item at a place, where it may be shown at all."""

    kind: Literal["pin"]
    item: str
    place: int = Field(1, ge=1, le=MAX_PLACE)


class BlockRule(_OfSome):
    """Never shows some items."""

    kind: Literal["block"]


class BoostRule(_OfSome):
    """Adds to the score of some items."""

    kind: Literal["boost"]
    offset: float = Field(
        allow_inf_nan=False,
        ge=-100,
        le=100,
        description="in spreads of the candidates' scores; below 0 it sinks them",
    )


class ValueRule(RuleSettings):
    """Orders by what a choice is worth: its probability times a power of an attribute."""

    kind: Literal["value"]
    by: AttributeName = Field(description="an attribute of numbers, such as a price or a margin")
    weight: float = Field(
        1.0,
        gt=0,
        le=10,
        allow_inf_nan=False,
        description="the power: 1 is the expected value, less leans to what is likely",
    )


class CapRule(RuleSettings):
    """Shows at most so many of a kind in one slate."""

    kind: Literal["cap"]
    by: AttributeName | None = Field(None, description="an attribute: at most so many of each of its values")
    items: ItemIds = ()
    where: Conditions = Field(default_factory=dict)
    most: int = Field(ge=0, le=MAX_PLACE)

    @model_validator(mode="after")
    def _demand_kind(self) -> Self:
        if (self.by is None) == (not self.items and not self.where):
            raise ValueError("expected either `by`, or `items` or `where`: say of what there are too many")
        return self


class QuotaRule(_OfSome):
    """Shows at least so many of a kind in one slate, as far as there are any."""

    kind: Literal["quota"]
    least: int = Field(ge=1, le=MAX_PLACE)


Rule: TypeAlias = Annotated[
    PinRule | BlockRule | BoostRule | ValueRule | CapRule | QuotaRule, Field(discriminator="kind")
]


def _names_are_different(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    names = [rule.name for rule in rules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"expected a name for each rule, found '{twice}' twice; rename one")
    return rules


Rules: TypeAlias = Annotated[
    tuple[Rule, ...], Field(max_length=MAX_RULES), AfterValidator(_names_are_different)
]
