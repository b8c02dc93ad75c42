"""What requests may say, checked before anything else looks at it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from polyscene.core.settings.conditions import Conditions
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.rules import Fact
from polyscene.serving.cursors import LENGTH
from polyscene.serving.limits import (
    MAX_EVENTS_PER_BATCH,
    MAX_EXCLUDED,
    MAX_HISTORY,
    MAX_ID_LENGTH,
    MAX_NAME_LENGTH,
    MAX_SLATE,
)
from polyscene.serving.stores.contract import EPOCH, LoggedEvent

MICROSECONDS = 1_000_000
MAX_FACTS = 20
"""In a request's context."""


def _id(value: object) -> object:
    """Take whole numbers by their digits, as tables do."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _moment(value: object) -> object:
    """Read ISO 8601 text, and nothing else: a bare number could be seconds or milliseconds."""
    if not isinstance(value, str):
        raise ValueError("expected ISO 8601 text, such as 2026-11-27T12:00:00Z")
    return datetime.fromisoformat(value)


def storable(text: str) -> str:
    """Refuse what no store and no answer can hold: NUL, and halves of characters."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("expected whole characters other than NUL")
    return text


Id: TypeAlias = Annotated[
    str,
    BeforeValidator(_id),
    StringConstraints(min_length=1, max_length=MAX_ID_LENGTH),
    AfterValidator(storable),
]
Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH), AfterValidator(storable)
]
Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
Size: TypeAlias = Annotated[int, Field(ge=1, le=MAX_SLATE, description="How many items at most.")]


class Body(BaseModel):
    """A body that may say only what is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EventBody(Body):
    """A user did something to an item in a scenario."""

    user: Id
    item: Id
    scenario: Name
    action: Name = "click"
    value: float | None = Field(
        None, allow_inf_nan=False, description="A rating, seconds, an amount: what the action measures."
    )
    time: Moment | None = Field(
        None,
        description="ISO 8601; without an offset it is UTC. Left out: now, or next where only order counts.",
    )
    id: Id | None = Field(None, description="By which the event is known again if it is sent twice.")

    def logged(self) -> LoggedEvent:
        """Return it as the log keeps it."""
        return LoggedEvent(
            self.user, self.item, self.scenario, self.action, self.value, self._microseconds(), self.id
        )

    def _microseconds(self) -> int | None:
        if self.time is None:
            return None
        since = (self.time if self.time.tzinfo else self.time.replace(tzinfo=UTC)) - EPOCH
        return (since.days * 86_400 + since.seconds) * MICROSECONDS + since.microseconds


class EventsBody(Body):
    """Events that are taken together or not at all."""

    events: list[EventBody] = Field(min_length=1, max_length=MAX_EVENTS_PER_BATCH)


class VisitEventBody(Body):
    """What somebody without an account did during this visit."""

    item: Id
    action: Name = "click"


class RecommendationBody(Body):
    """What is asked."""

    user: Id
    scenario: Name | None = Field(None, description="May be left out where there is only one.")
    k: Size = 10
    exclude: list[Id] = Field(
        default_factory=list, max_length=MAX_EXCLUDED, description="Items that shall not be shown."
    )
    only: list[Id] | None = Field(
        None, max_length=MAX_EXCLUDED, description="Items that the slate shall consist of; left out: any."
    )
    history: list[Id] | None = Field(
        None,
        max_length=MAX_HISTORY,
        description="Items, oldest first, in place of what the user did: a visit without an account.",
    )
    events: list[VisitEventBody] | None = Field(
        None,
        max_length=MAX_HISTORY,
        description="As `history`, with actions, which count as the scenario weighs them.",
    )
    policy: PolicyChoice | None = Field(
        None,
        description="How the slate is chosen: greedy, epsilon, plackett_luce, ucb, thompson, guarded, "
        "learned, or a plug-in's; "
        "left out: as the scenario is configured.",
    )
    explore: bool = Field(True, description="False: the best in their order, whatever the policy.")
    context: dict[Name, Fact] = Field(
        default_factory=dict,
        max_length=MAX_FACTS,
        description="Facts about the request; rules may look at them, and the decision keeps them.",
    )
    filter: Conditions = Field(
        default_factory=dict, description="Conditions on attributes, all of which hold."
    )
    seen: Literal["hide", "allow"] | None = Field(
        None, description="What the user had; left out: as the scenario does."
    )
    cursor: Annotated[str, StringConstraints(min_length=LENGTH, max_length=LENGTH)] | None = Field(
        None, description="Of the page before: nothing that the pages before have shown comes again."
    )
    reasons: bool = Field(True, description="Whether every place gets its reason; without, it is faster.")

    @model_validator(mode="after")
    def _demand_one_past(self) -> Self:
        if self.history is not None and self.events is not None:
            raise ValueError("expected `history` or `events`, found both")
        return self


class PredictionBody(Body):
    """Items of which somebody wants to know how likely they are."""

    user: Id
    scenario: Name | None = Field(None, description="May be left out where there is only one.")
    items: list[Id] = Field(min_length=1, max_length=MAX_EXCLUDED)
    history: list[Id] | None = Field(
        None,
        max_length=MAX_HISTORY,
        description="Items, oldest first, in place of what the user did: a visit without an account.",
    )


class WhyNotBody(RecommendationBody):
    """A request, and the item that is missed in its slate."""

    item: Id
